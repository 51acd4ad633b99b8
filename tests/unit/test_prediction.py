"""`catdog predict`: folders, broken files, CSV, and nothing of the reader's touched."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import onnx
import pytest
import skimage.data
from pictures import jpeg
from PIL import Image

from catdog import CatDogError
from catdog.cli.main import main
from catdog.core import files, paths
from catdog.data import imaging
from catdog.evaluation import attribution
from catdog.inference import folders, prediction
from catdog.inference.classifier import Classifier
from catdog.models import export, networks, runtime, saving


@pytest.fixture
def model(tmp_path):
    keras.utils.set_random_seed(1)
    path = tmp_path / "small.keras"
    networks.article_cnn(24).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my cat photos"
    (folder / "more").mkdir(parents=True)
    for i in range(70):
        (folder / "more" / f"{i:03d}.jpg").write_bytes(jpeg(i))
    (folder / "broken.jpg").write_bytes(jpeg(1)[:200])
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_a_folder_in_order_with_the_broken_one_set_aside(model, folder):
    found = list(Classifier(model).stream(folders.photos_in([folder])))
    assert [Path(one.photo).name for one in found[:3]] == ["broken.jpg", "000.jpg", "001.jpg"]
    assert "is no photo" in found[0].error and found[0].dog is None and len(found) == 71
    photos = np.stack([prediction.read_photo(one.photo, 24) for one in found[1:]])
    wanted = saving.load_model(model).predict(photos, verbose=0)[:, 1]
    np.testing.assert_allclose([one.dog for one in found[1:]], wanted, atol=1e-5)


def test_csv_speed_and_exit_status(model, folder, tmp_path, capsys):
    out = tmp_path / "answers.csv"
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    assert main(["predict", str(folder), "--model", str(model), "--csv", str(out)]) == 1
    said = capsys.readouterr()
    assert "70 photos," in said.out and "images/s, 1 could not be read" in said.out
    assert "broken.jpg is no photo" in said.err
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 71 and rows[0]["label"] == "" and "broken.jpg" in rows[0]["error"]
    for row in rows[1:]:
        assert (row["label"] == "dog") == (float(row["probability_of_dog"]) >= 0.5)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert main(["predict", str(folder), "--model", str(model), "--csv", str(out)]) == 1
    assert "is left as it is" in capsys.readouterr().err
    assert len(list(csv.DictReader(out.open()))) == 71


def test_the_shipped_model_knows_the_cat(tmp_path, capsys):
    path = tmp_path / "a dog they said.png"
    Image.fromarray(skimage.data.chelsea()).save(path)
    assert main(["predict", str(path)]) == 0
    assert capsys.readouterr().out.startswith("cat")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "MPO", "TIFF"])
def test_the_formats_that_are_read(kind, tmp_path):
    blob = io.BytesIO()
    Image.fromarray(skimage.data.chelsea()).save(blob, kind)
    photo = prediction.read_photo(blob.getvalue(), 64)
    plain = prediction.read_photo(skimage.data.chelsea(), 64)
    assert np.abs(photo.astype(int) - plain).mean() < 8


def test_other_formats_and_huge_pictures_are_not_decoded():
    blob = io.BytesIO()
    Image.fromarray(skimage.data.chelsea()).save(blob, "PPM")
    with pytest.raises(CatDogError, match="is no photo that can be read"):
        prediction.read_photo(blob.getvalue(), 64)
    for side in (8_000, 20_000):  # a few kB each that claim 64 and 400 million pixels
        blob = io.BytesIO()
        Image.new("1", (side, side)).save(blob, "PNG")
        with pytest.raises(imaging.TooLarge, match="more than 32,000,000 pixels"):
            prediction.read_photo(blob.getvalue(), 64)


def network(taken=(24, 24, 3), given=2, end="softmax", inputs=1, outputs=1):
    """A small network of a kind that people bring along."""
    taken = [keras.Input(taken) for _ in range(inputs)]
    x = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(taken[0]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    given = [keras.layers.Dense(given, activation=end)(x) for _ in range(outputs)]
    one = inputs == outputs == 1
    return keras.Model(taken[0], given[0]) if one else keras.Model(taken, given)


@pytest.mark.parametrize(
    "how, why",
    [
        ({"taken": (24, 24, 1)}, "takes (None, 24, 24, 1): photos in colour"),
        ({"taken": (24, 32, 3)}, "takes photos of 24×32 pixels: square ones"),
        ({"given": 3}, "gives (None, 3): the probabilities of cat and dog"),
        ({"end": None}, "must end in a softmax over cat and dog"),
        ({"end": "sigmoid"}, "must end in a softmax over cat and dog"),
        ({"given": 1, "end": None}, "or in one sigmoid"),
        ({"inputs": 2}, "must have one input"),
        ({"outputs": 2}, "and one output"),
    ],
)
def test_a_model_of_something_else_is_refused_in_a_sentence(how, why, tmp_path, capsys):
    path, photo = tmp_path / "other.keras", tmp_path / "1.jpg"
    network(**how).save(path)
    photo.write_bytes(jpeg(1))
    assert main(["predict", str(photo), "--model", str(path)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"catdog: {path} ") and why in said.err
    assert said.err.count("\n") == 1 and not said.out


def test_a_model_that_is_not_built_is_refused(tmp_path):
    path = tmp_path / "unbuilt.keras"
    keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)]).save(path)
    with pytest.raises(CatDogError, match="must have one input"):
        saving.load_model(path)


@pytest.mark.parametrize("kind", ["sequential", "functional", "activation", "nested", "lists"])
def test_one_sigmoid_is_the_probability_of_dog(kind, tmp_path):
    one = network(given=1, end=None if kind == "activation" else "sigmoid")
    if kind == "sequential":
        one = keras.Sequential([keras.Input((24, 24, 3)), *one.layers[1:]])
    elif kind == "activation":
        one = keras.Sequential([one, keras.layers.Activation("sigmoid")])
    elif kind == "nested":
        one = keras.Sequential([keras.Input((24, 24, 3)), one])
    saved = keras.Model(one.inputs, one.outputs) if kind == "lists" else one
    saved.save(tmp_path / "one.keras")
    photos = np.stack([prediction.read_photo(jpeg(i), 24) for i in range(3)])
    two = saving.load_model(tmp_path / "one.keras").predict(photos, verbose=0)
    dog = one.predict(photos, verbose=0)[:, 0]
    np.testing.assert_allclose(two, np.stack([1 - dog, dog], 1), atol=1e-6)


def test_a_model_for_any_size_gets_photos_of_160_pixels(tmp_path):
    network((None, None, 3)).save(tmp_path / "any.keras")
    loaded = saving.load_model(tmp_path / "any.keras")
    assert loaded.input_shape == (None, 160, 160, 3)
    photo = prediction.read_photo(jpeg(1), 160)[None]
    same = keras.models.load_model(tmp_path / "any.keras").predict(photo, verbose=0)
    np.testing.assert_allclose(loaded.predict(photo, verbose=0), same, atol=1e-6)


def test_the_model_that_ships_is_sought_in_the_projects_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DEFAULT_MODEL", tmp_path / "models" / "cat_dog_efficientnet.keras")
    with pytest.raises(CatDogError, match="Set CATDOG_HOME to the project's folder"):
        saving.load_model()


def test_a_model_that_ships_is_not_made_ready_anew_and_no_tensorflow_is_loaded(tmp_path):
    (tmp_path / "cat.jpg").write_bytes(jpeg(1))
    code = (
        "import sys; from catdog import Classifier; print(Classifier().predict(sys.argv[1]).dog);"
        "assert not {'keras', 'tensorflow', 'sklearn', 'jax'} & set(sys.modules), sys.modules"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cat.jpg")]
    (tmp_path / "home").mkdir()
    environment = {**os.environ, "CATDOG_FEATURES": str(tmp_path / "features")}
    environment |= {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    for name in ("CI", "ORT_DISABLE_TELEMETRY", "PYTEST_CURRENT_TEST", "PYTEST_VERSION"):
        environment.pop(name, None)  # which silence onnxruntime's telemetry
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert 0 <= float(done.stdout) <= 1 and not done.stderr
    assert not (tmp_path / "features").exists()
    assert not list((tmp_path / "home").rglob("*"))  # no identifier of onnxruntime's telemetry


def test_the_onnx_file_that_ships_is_of_the_model_that_ships():
    shipped = runtime.load()
    assert shipped.engine == "onnxruntime"
    assert shipped.sha256 == files.sha256(paths.DEFAULT_MODEL)
    photos = np.stack([prediction.read_photo(jpeg(i), shipped.size) for i in range(3)])
    found = shipped(photos)
    wanted = saving.load_model().predict(photos, verbose=0)[:, 1]
    np.testing.assert_allclose(found.dog, wanted, atol=1e-2)  # weights of 16 bits


def test_heat_is_grad_cam_before_it_is_cut_off(tmp_path):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([*network(end=None).layers, keras.layers.Activation("softmax")])
    export.export(model, tmp_path / "one.onnx")
    photo = prediction.read_photo(skimage.data.chelsea(), 24)
    (heat,) = runtime.load(tmp_path / "one.onnx")(photo[None]).heat
    for label, part in ((0, -heat), (1, heat)):
        wanted = attribution.grad_cam(model, photo, label)
        part = cv2.resize(np.maximum(part, 0), (24, 24), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(part / max(part.max(), 1e-12), wanted, atol=1e-4)


def test_what_cannot_be_exported_is_run_by_keras(model, monkeypatch, capsys):
    def fail(*_, **__):
        raise ValueError("no such operator")

    monkeypatch.setattr(export, "export", fail)
    photo = prediction.read_photo(jpeg(1), 24)[None]
    left = runtime.load(model)
    assert left.engine == "keras" and "no such operator" in capsys.readouterr().err
    monkeypatch.undo()
    made = runtime.load(model)
    assert made.engine == "onnxruntime"
    for mirror in (False, True):
        one, other = left(photo, mirror), made(photo, mirror)
        np.testing.assert_allclose(one.dog, other.dog, atol=1e-5)
        np.testing.assert_allclose(one.features, other.features, atol=1e-4)


def test_a_damaged_copy_is_made_anew_and_another_file_beside_is_left(model, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "FEATURES", tmp_path / "features")
    model.with_suffix(".onnx").write_bytes(b"somebody's")
    assert runtime.load(model).engine == "onnxruntime"
    (made,) = (tmp_path / "features").glob("*.onnx")
    made.write_bytes(made.read_bytes()[:1000])
    assert runtime.load(model).engine == "onnxruntime" and made.stat().st_size > 1000
    assert model.with_suffix(".onnx").read_bytes() == b"somebody's"


def test_who_waited_takes_what_the_other_program_has_made(model, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "FEATURES", tmp_path / "features")
    runtime.load(model)
    (made,) = (tmp_path / "features").glob("*.onnx")
    before = made.stat().st_mtime_ns
    assert runtime._made(model, made, files.sha256(model)).engine == "onnxruntime"
    assert made.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "pixels",
    [np.full((9, 9, 3), 0.5, np.float32), np.zeros((9, 9), np.uint8), np.zeros((0, 9, 3), "u1")],
)
def test_pixels_that_are_no_bytes_of_a_photo_are_refused(pixels):
    with pytest.raises(CatDogError, match=r"uint8 \(height, width, 3\), 0 to 255, is expected"):
        prediction.read_photo(pixels, 150)


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_file_that_is_no_onnx_of_ours_is_refused_in_a_sentence(content, tmp_path, capsys):
    path, photo = tmp_path / "other.onnx", tmp_path / "1.jpg"
    photo.write_bytes(jpeg(1))
    if content is None:  # an ONNX file of something else
        inner = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3])
        outer = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3])
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Relu", ["x"], ["y"])], "other", [inner], [outer]
        )
        onnx.save(onnx.helper.make_model(graph, ir_version=10), path)
    else:
        path.write_bytes(content)
    assert main(["predict", str(photo), "--model", str(path)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"catdog: {path} ") and said.err.count("\n") == 1 and not said.out
