"""Cached features: computed once, resumed after a kill, never reused for something else."""

import os
import shutil
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import small
from safetensors.numpy import load_file, save_file

from benchmarks import throughput
from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import loading, organizing
from catdog.models import backbones, features, onnxfile

HOW = dict(backbone="efficientnet-lite0", size=64, weights=None, shard=8, progress=False)


@pytest.fixture
def folder(photos, make_zip, tmp_path, few_blocks):
    return organizing.organize(make_zip(photos), tmp_path / "data", progress=False)


def test_features_are_those_of_the_backbone_in_the_manifests_order(folder, tmp_path):
    found = features.extract(folder, "train", root=tmp_path / "f", **HOW)
    images, labels, lines = loading.load(folder, "train", 64, progress=False)
    model = features._model("efficientnet-lite0", 64, True, None, True)
    expected = model.predict(images.astype("float32"), verbose=0)
    assert found.shape == (32, 1280) and np.asarray(found).dtype == np.float16
    assert np.allclose(np.asarray(found), expected, atol=2e-2)
    assert (found.labels == labels).all() and found.files == [line.file for line in lines]
    maps = features.extract(folder, "train", root=tmp_path / "f", pool=False, **HOW)
    assert maps.shape == (32, 2, 2, 1280)
    assert np.allclose(np.asarray(maps, "float32").mean((1, 2)), expected, atol=2e-2)


def test_nothing_is_computed_twice(folder, tmp_path, monkeypatch):
    features.extract(folder, "train", root=tmp_path / "f", **HOW)
    monkeypatch.setattr(backbones, "build", None)
    features.extract(folder, "train", root=tmp_path / "f", **HOW)


def test_a_network_is_written_once_for_all_splits_and_not_taken_for_another(
    folder, tmp_path, monkeypatch
):
    if features.compute_precision(HOW["backbone"]) != "onnx":
        pytest.skip("onnxruntime computes nothing here")
    write, written = onnxfile.write, []
    monkeypatch.setattr(features, "_open", {})
    monkeypatch.setattr(onnxfile, "write", lambda *given: written.append(write(*given)))

    def extract(split, root="f", **changed):
        features.extract(folder, split, root=tmp_path / root, **{**HOW, **changed})

    extract("train")
    extract("validation")
    extract("validation", flip=True)
    assert len(written) == 1
    extract("validation", "one", preprocess=1.0)  # a factor, and not the backbone's own
    assert len(written) == 2
    extract("validation", preprocess=False)
    assert len(written) == 3
    monkeypatch.setattr(keras.utils, "set_random_seed", lambda _: None)
    extract("validation", "g", preprocess=False)  # of other weights
    assert len(written) == 4


def test_machines_that_compute_a_part_each_compute_what_one_does(folder, tmp_path, monkeypatch):
    parts = [
        features.extract(folder, "train", root=tmp_path / str(i), part=(i, 3), **HOW)
        for i in range(3)
    ]
    assert [len(part) for part in parts] == [16, 8, 8]
    for part in parts[1:]:
        for shard in part.shards:  # as one copies them
            shutil.copy(shard, parts[0].shards[0].parent)
    whole = features.extract(folder, "train", root=tmp_path / "one", **HOW)
    with monkeypatch.context() as patch:
        patch.setattr(backbones, "build", None)
        together = features.extract(folder, "train", root=tmp_path / "0", **HOW)
    assert np.allclose(np.asarray(together), np.asarray(whole), atol=2e-2)
    assert together.files == whole.files and (together.labels == whole.labels).all()
    assert parts[1].files == whole.files[8:16]
    assert np.array_equal(np.asarray(parts[1]), np.asarray(together)[8:16])
    with pytest.raises(CatDogError, match="32 photos are no 5 files of 8"):
        features.extract(folder, "train", root=tmp_path / "f", part=(4, 5), **HOW)


def test_a_part_for_which_no_photos_are_left_is_said(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(features, "SHARD", 20)
    real = partial(features.extract, root=tmp_path / "f", weights=None, shard=20, progress=False)
    monkeypatch.setattr(features, "extract", real)
    command = ["features", "--data", str(folder), "--size", "64", "--part", "2/2", "--no-mirror"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "12 photos in 1 files" in said and "validation: so few photos" in said
    assert [path.stem for path in (tmp_path / "f").rglob("*.safetensors")] == ["000020"]


def test_a_change_is_noticed(folder, tmp_path):
    how = {"split": "train", **HOW}
    seen = set(features.extract(folder, root=tmp_path / "f", **how).shards)
    changes = (
        {"size": 96},
        {"split": "validation"},
        {"preprocess": 1 / 255},
        {"flip": True},
        {"nearest": True},
        {"layer": "block2_project"},
    )
    for n, change in enumerate(changes, 2):
        found = features.extract(folder, root=tmp_path / "f", **{**how, **change}).shards
        assert found and not seen & set(found), change
        assert len(list((tmp_path / "f").iterdir())) == n, change
        seen |= set(found)


def test_other_decoding_is_noticed(folder, tmp_path, monkeypatch):
    found = features.extract(folder, "train", root=tmp_path / "f", **HOW)
    monkeypatch.setattr(features.pixel_cache.PIL, "__version__", "99")
    again = features.extract(folder, "train", root=tmp_path / "f", **HOW)
    assert not set(found.shards) & set(again.shards)


def test_the_cache_of_before_stays_valid(folder, tmp_path, monkeypatch):
    found = features.extract(folder, "train", root=tmp_path / "f", **HOW)
    assert not set(found.about) & {"nearest", "layer", "precision"}
    monkeypatch.setenv(backbones.WEIGHTS, str(tmp_path / "some.h5"))  # not this backbone's affair
    again = features.extract(folder, "train", root=tmp_path / "f", **HOW, precision="float32")
    assert again.shards == found.shards
    for mine in (tmp_path / "some.h5", tmp_path):
        monkeypatch.setenv(backbones.WEIGHTS, str(mine))
        assert features._identity("vgg16", "imagenet") == "imagenet"


def test_the_articles_features_are_those_of_its_pixels(folder, tmp_path):
    """Nearest pixel, 1/255, red green blue, maps that are not averaged, float32."""
    how = dict(size=64, weights=None, root=tmp_path / "f", progress=False)
    how |= dict(pool=False, preprocess=1 / 255, nearest=True, precision="float32")
    found = features.extract(folder, "validation", "vgg16", **how)
    images, _, _ = loading.load(folder, "validation", 64, progress=False, nearest=True)
    keras.utils.set_random_seed(0)
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3))
    expected = model.predict(images.astype("float32") / 255, verbose=0)
    assert found.shape == (8, 2, 2, 512) and "precision" not in found.about
    assert np.allclose(np.asarray(found), expected, rtol=1e-3, atol=1e-3 * expected.max())
    other = model.predict(images[..., ::-1].astype("float32") / 255, verbose=0)
    assert not np.allclose(np.asarray(found), other, rtol=1e-3, atol=1e-3 * expected.max())


def test_maps_of_a_layer_below_lead_to_the_last(folder, tmp_path):
    how = dict(HOW, backbone="vgg16", pool=False, precision="float32", root=tmp_path / "f")
    below = features.extract(folder, "validation", **how, layer="block4_pool")
    last = features.extract(folder, "validation", **how)
    assert below.about["layer"] == "block4_pool" and below.shape == (8, 4, 4, 512)
    keras.utils.set_random_seed(0)
    model = backbones.build("vgg16", 64, weights=None)
    x = np.asarray(below, "float32")
    for name in ("block5_conv1", "block5_conv2", "block5_conv3", "block5_pool"):
        x = model.get_layer(name)(x)
    x = keras.ops.convert_to_numpy(x)
    assert np.allclose(x, np.asarray(last), rtol=1e-2, atol=2e-3 * x.max()) and x.max() > 0
    with pytest.raises(CatDogError, match="no layer 'block99'. It has: .*block4_pool"):
        features.extract(folder, "validation", **how, layer="block99")


def test_precision_is_the_fastest_or_float32(monkeypatch):
    monkeypatch.setattr(features.resources, "native_bfloat16", lambda: True)
    monkeypatch.setattr(features.distribution, "gpus", lambda: [])
    assert features.compute_precision("vgg16") == "bfloat16"
    assert features.compute_precision("vgg16", "float32") == "keras"
    with pytest.raises(CatDogError, match="unknown precision 'float8'"):
        features.compute_precision("vgg16", "float8")


def test_a_feature_that_float16_cannot_hold_is_refused(monkeypatch):
    compute = features.runner("vgg16", 32, weights=None, preprocess=1e9, precision="float32")
    with pytest.raises(CatDogError, match="no number that float16 can hold"):
        compute(np.full((1, 32, 32, 3), 255, np.uint8))


def test_the_rate_is_of_photos_and_seconds(folder, monkeypatch):
    found = throughput.extraction_rate(folder, "efficientnet-lite0", 64, n=16, weights=None)
    rates = found["images_per_second"]
    assert 0 < rates["low"] <= rates["median"] <= rates["high"] < 1e5
    assert found["n"] == 16 and 1e-6 < found["cpu_seconds_per_image"] < 10


def test_another_data_set_under_the_same_name_is_noticed(photos, make_zip, tmp_path, few_blocks):
    one = organizing.organize(make_zip(photos), tmp_path / "a", progress=False)
    two = organizing.organize(make_zip(photos), tmp_path / "b", n=20, progress=False)
    a = features.extract(one, "train", root=tmp_path / "f", **HOW)
    b = features.extract(two, "train", root=tmp_path / "f", **HOW)
    assert len(a) == 32 and len(b) == 16 and not set(a.shards) & set(b.shards)


def test_a_foreign_or_damaged_shard_is_refused(folder, tmp_path):
    found = features.extract(folder, "train", root=tmp_path / "f", **HOW)
    path = found.shards[1]
    save_file(load_file(path), path, {"about": '{"size": 1}'})
    with pytest.raises(CatDogError, match="computed from something else"):
        features.extract(folder, "train", root=tmp_path / "f", **HOW)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CatDogError, match="damaged"):
        features.extract(folder, "train", root=tmp_path / "f", **HOW)


def test_a_full_disk_is_explained_and_keeps_what_was_done(folder, tmp_path, monkeypatch):
    saved, real = [], Path.write_bytes

    def write(path, content):
        if len(saved) == 2:
            raise OSError(28, "No space left on device")
        saved.append(path)
        real(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(CatDogError, match="No space left.*make room"):
        features.extract(folder, "train", root=tmp_path / "f", **HOW)
    assert len(list((tmp_path / "f").rglob("*.safetensors"))) == 2
    assert not list((tmp_path / "f").rglob("*.part"))


def test_killed_midway_it_resumes_and_loses_at_most_one_shard(folder, tmp_path, kill_when):
    code = (
        f"import sys; sys.path.append({str(Path(small.__file__).parent)!r})\n"
        "import small, time; from catdog.data import batching\n"
        "from catdog.models import backbones, features\n"
        "backbones._STAGES = small.stages()\n"
        "real = batching.file_batches\n"
        "def slow(*a, **k):\n"
        "    time.sleep(0.3)\n"
        "    yield from real(*a, **k)\n"
        "batching.file_batches = slow\n"
        "features.extract(sys.argv[1], 'train', root=sys.argv[2], backbone='efficientnet-lite0',"
        " size=64, weights=None, shard=4, progress=False)"
    )
    root = tmp_path / "f"
    kill_when(code, folder, root, so=lambda: len(list(root.rglob("*.safetensors"))) >= 3)
    done = {p: p.stat().st_mtime_ns for p in root.rglob("*.safetensors")}
    assert 3 <= len(done) < 8
    how = {**HOW, "shard": 4}
    found = features.extract(folder, "train", root=root, **how)
    assert len(found) == 32
    assert {p: p.stat().st_mtime_ns for p in done} == done
    fresh = features.extract(folder, "train", root=tmp_path / "g", **how)
    assert np.allclose(np.asarray(found), np.asarray(fresh), atol=2e-2)
    assert os.listdir(root) == os.listdir(tmp_path / "g")
