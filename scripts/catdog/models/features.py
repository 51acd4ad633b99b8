"""Compute a backbone's features of an organized data set once, and keep them.

A folder in `features/` holds shards, each a safetensors file with its own metadata: the manifest's
hash, the backbone, its preprocessing and the size of the photos. A shard takes its name when it is
complete, so that whatever stops a run costs no more than one shard; the next run goes on.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from tqdm import tqdm

from catdog import CatDogError, no_bar
from catdog.core import distribution, files, paths, resources
from catdog.data import batching, loading, manifests, pixel_cache
from catdog.models import backbones, onnxfile

SHARD = 512


@dataclass(frozen=True)
class Features:
    """Features of photos, with what belongs to them.

    Attributes:
        shards: the files, each memory-mapped when it is read.
        shape: (n, channels) when pooled, else (n, h, w, channels).
        labels: int32 (n,), 0 for cat and 1 for dog, from the files' own names.
        files: the photos' places in the data set, as in its manifest.
        about: what they were computed from.
    """

    shards: tuple[Path, ...]
    shape: tuple[int, ...]
    labels: np.ndarray
    files: list[str]
    about: dict

    def __len__(self) -> int:
        return len(self.labels)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """All of them, in the order of the manifest: float16 unless another dtype is asked for."""
        out = np.empty(self.shape, dtype or np.float16)
        at = 0
        for path in self.shards:
            with safe_open(path, "numpy") as shard:
                values = shard.get_tensor("features")
            out[at : at + len(values)] = values
            at += len(values)
        return out


def extract(
    folder: str | Path,
    split: str | None,
    backbone: str,
    size: int | None = None,
    pool: bool = True,
    flip: bool = False,
    weights: str | Path | None = "imagenet",
    preprocess: bool | float = True,
    shard: int = SHARD,
    root: str | Path | None = None,
    limit: int | None = None,
    nearest: bool = False,
    precision: str | None = None,
    layer: str | None = None,
    progress: bool = True,
    part: tuple[int, int] = (0, 1),
) -> Features:
    """Return the features of a data set's photos, computed now or read from the cache.

    Args:
        folder: the organized photos.
        split: "train", "validation", or None for all.
        size: of the photos, by default the backbone's own.
        pool: average each map over the photo: (n, channels) instead of (n, h, w, channels).
        flip: of the mirror images.
        weights: as for `backbones.build`; random ones are drawn with seed 0.
        preprocess: the backbone's own; a factor to multiply pixels with, as 1/255; False for none.
        shard: photos a file.
        root: where to keep them, by default `features/`.
        limit: only so many photos, the first of the manifest; all by default.
        nearest: resize the photos by the nearest pixel, see `imaging.resize`.
        precision: "float32" to compute in it whatever is fastest: `compute_precision`. Features
            are kept in float16 in any case, to within a 2,000th of each.
        layer: the backbone's layer whose maps are taken instead of the last.
        part: (i, n), of every n-th shard from the i-th; others may come from other machines.

    Raises:
        CatDogError: the data set, the backbone or its weights cannot be used, or a file in the
            cache belongs to something else.
    """
    known = backbones.spec(backbone)
    size = size or known.size
    photos = manifests.read(folder, split)[:limit]
    if not photos:
        raise CatDogError(f"{folder} has no photos in the split {split!r}.")
    about = {
        "manifest_sha256": manifests.metadata(folder)["manifest_sha256"],
        "split": split or "all",
        "backbone": backbone,
        "weights": _identity(backbone, weights),
        "decoding": pixel_cache.decoding(),
        "preprocessing": _preprocessing(known, preprocess),
        "size": size,
        "pool": pool,
        "flip": flip,
        "shard": shard,
        "n": len(photos),
        **({"nearest": True} if nearest else {}),
        **({"layer": layer} if layer else {}),
        **(
            {"precision": "bfloat16"}
            if compute_precision(backbone, precision) == "bfloat16"
            else {}
        ),
    }
    key = files.key(about, 10)
    name = f"{Path(folder).name}-{about['split']}-{backbone}-{size}-{key}"
    target = Path(root or paths.FEATURES) / name
    parts = _files(target, photos, shard, part)
    photos = [photo for some in parts.values() for photo in some]
    if not all(_is_of(path, about) for path in parts):
        lock = ".lock" if part == (0, 1) else f".lock-{part[0]}"
        with (
            files.lock(target / lock, "computing features", wait=None),
            tqdm(total=len(photos), desc=name, unit="photo", disable=no_bar(progress)) as bar,
        ):
            compute = runner(backbone, size, pool, weights, preprocess, precision, layer)
            for path, some in parts.items():
                if _is_of(path, about):
                    bar.update(len(some))
                    continue
                where, values = loading.paths_of(folder, some), []
                for batch in batching.file_batches(where, 32, size, nearest=nearest):
                    batch = np.ascontiguousarray(batch[:, :, ::-1]) if flip else batch
                    values.append(compute(batch))
                    bar.update(len(batch))
                _write(path, np.concatenate(values), loading.labels_of(some), about)
    with safe_open(next(iter(parts)), "numpy") as first:
        shape = (len(photos), *first.get_slice("features").get_shape()[1:])
    return Features(tuple(parts), shape, loading.labels_of(photos), [p.file for p in photos], about)


def _files(target: Path, photos: list, shard: int, part: tuple[int, int]) -> dict[Path, list]:
    """Return the photos of each file of a part."""
    starts = range(0, len(photos), shard)[part[0] :: part[1]]
    if not starts:
        raise CatDogError(f"{len(photos)} photos are no {part[0] + 1} files of {shard}.")
    return {target / f"{at:06d}.safetensors": photos[at : at + shard] for at in starts}


def _identity(backbone: str, weights: str | Path | None) -> str:
    """What tells weights apart: "imagenet" wherever the file lies, or the hash of their file."""
    known = backbones.spec(backbone)
    if weights is None:
        return "random, seed 0"
    if weights == "imagenet" or known.arrays_sha256:  # `build` takes no others
        return "imagenet"
    if not Path(weights).is_file():
        raise CatDogError(f"{weights}: there is no such weights file.")
    return files.sha256(weights)


def compute_precision(backbone: str, precision: str | None = None) -> str:
    """Which way of computing is the fastest here: "keras", "onnx" or "bfloat16".

    On a processor, onnxruntime runs the small separate convolutions of EfficientNet more than twice
    as fast as TensorFlow does; the large ones of VGG16 gain as much from bfloat16, where the
    processor has it. `catdog bench features` measures it.

    Args:
        precision: "float32" leaves bfloat16 out.

    Raises:
        CatDogError: another precision.
    """
    if precision not in (None, "float32"):
        raise CatDogError(
            f"unknown precision {precision!r}: use 'float32', or None for the fastest."
        )
    if distribution.gpus():
        return "keras"
    if backbones.spec(backbone).package:
        return "onnx" if keras.backend.backend() == "tensorflow" else "keras"
    return "bfloat16" if precision is None and resources.native_bfloat16() else "keras"


def runner(
    backbone: str,
    size: int,
    pool: bool = True,
    weights: str | Path | None = "imagenet",
    preprocess: bool | float = True,
    precision: str | None = None,
    layer: str | None = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from photos, uint8 (n, size, size, 3), to float16 features as `extract`'s.

    It computes in float32, but for the large networks on a processor with bfloat16.

    Raises:
        CatDogError: see `extract`; and, of the function, a feature is too large for float16.
    """
    how = compute_precision(backbone, precision)
    model_of = partial(_model, backbone, size, pool, weights, preprocess, layer)
    if how == "onnx":
        session = _session(model_of(), (backbone, size, pool, preprocess, layer))
        name = session.get_inputs()[0].name

        def compute(photos):  # a few at a time: what they take stays in the processor's cache
            parts = np.array_split(photos.astype(np.float32), -(-len(photos) // 4))
            return np.concatenate([session.run(None, {name: part})[0] for part in parts])

    else:
        policy = keras.config.dtype_policy()
        try:
            if how == "bfloat16":
                keras.config.set_dtype_policy("mixed_bfloat16")
            model = model_of()
        finally:
            keras.config.set_dtype_policy(policy)

        def compute(photos):
            return keras.ops.convert_to_numpy(model.predict_on_batch(photos.astype(np.float32)))

    def run(photos):
        with np.errstate(over="ignore"):
            found = compute(photos).astype(np.float16)
        if not np.isfinite(found).all():
            raise CatDogError(f"a feature of {backbone} is no number that float16 can hold.")
        return found

    return run


_open: dict[str, Any] = {}  # the session of `_session`, by what its network is


def _session(model: keras.Model, about: tuple) -> Any:
    """Open a network with onnxruntime.

    To write it takes seconds, and it is needed again for the other split and for mirror images: so
    the last one stays open.
    """
    key = f"{about} {backbones.hash_of(model.get_weights())}"  # as text True is not 1.0
    found = _open.get(key)
    if found is None:
        with tempfile.TemporaryDirectory() as folder:
            onnxfile.write(model, Path(folder) / "backbone.onnx")
            found = onnxfile.session(Path(folder) / "backbone.onnx")
        _open.clear()
        _open[key] = found
    return found


def _model(backbone, size, pool, weights, preprocess, layer=None) -> keras.Model:
    if weights is None:
        keras.utils.set_random_seed(0)
    inner = backbones.build(backbone, size, weights, preprocess=preprocess is True)
    if layer is not None:
        names = [one.name for one in inner.layers]
        if layer not in names:
            raise CatDogError(f"{backbone} has no layer {layer!r}. It has: {', '.join(names)}.")
        inner = keras.Model(inner.inputs, inner.get_layer(layer).output)
    photos = keras.Input(inner.input_shape[1:])
    x = photos if preprocess is True else keras.layers.Rescaling(preprocess or 1.0)(photos)
    x = inner(x)
    return keras.Model(photos, keras.layers.GlobalAveragePooling2D()(x) if pool else x)


def _preprocessing(known: backbones.Backbone, preprocess: bool | float) -> str:
    return known.preprocessing if preprocess is True else f"x * {preprocess or 1:.6g}"


def _write(path: Path, values: np.ndarray, labels: np.ndarray, about: dict) -> None:
    content = {"features": values, "labels": labels}
    files.write(path, save(content, {"about": json.dumps(about)}))


def _is_of(path: Path, about: dict) -> bool:
    """Whether a shard is there and belongs to this run."""
    if not path.exists():
        return False
    try:
        with safe_open(path, "numpy") as shard:
            made = json.loads(shard.metadata()["about"])
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise CatDogError(f"{path} is damaged ({error}). Delete it and run again.") from None
    if made != about:
        changed = [k for k in about if made.get(k) != about[k]]
        raise CatDogError(
            f"{path} was computed from something else ({', '.join(changed)} differ). Delete the "
            "folder, or move it away, and run again."
        )
    return True
