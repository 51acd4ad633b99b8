"""`catdog export`: the ONNX file says what Keras says."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from catdog import CatDogError
from catdog.cli.main import main
from catdog.core import paths
from catdog.models import export, onnxfile


def test_equal_for_any_batch_named_and_quiet(small_model, tmp_path, capfd):
    out = tmp_path / "small.onnx"
    assert main(["export", str(out), "--model", str(small_model)]) == 0
    said = capfd.readouterr()
    assert said.out.startswith(f"{out}: ") and said.out.count("\n") == 1
    runtime = export.session(out)
    (photo,), (answer, features) = runtime.get_inputs(), runtime.get_outputs()
    assert (photo.name, photo.type, photo.shape) == ("photo", "tensor(float)", ["batch", 24, 24, 3])
    assert answer.name == "probabilities" and answer.shape == ["batch", 2]
    assert features.name == "features" and features.shape == ["batch", 64]
    keras_model = keras.models.load_model(small_model)
    for n in (1, 5):
        x = np.random.default_rng(n).uniform(0, 255, (n, 24, 24, 3)).astype(np.float32)
        given = runtime.run(None, {"photo": x})[0]
        assert np.abs(given - np.asarray(keras_model(x))).max() < 1e-4
    before = out.read_bytes()
    assert main(["export", str(out), "--model", str(small_model)]) == 1
    assert "is left as it is" in capfd.readouterr().err and out.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["small.onnx"]


def test_a_file_that_differs_is_not_kept(small_model, tmp_path, monkeypatch):
    write = export._write

    def wrong(model, *more):
        write(keras.models.clone_model(model), *more)

    monkeypatch.setattr(export, "_write", wrong)
    with pytest.raises(CatDogError, match="differ by"):
        export.export(keras.models.load_model(small_model), tmp_path / "wrong.onnx")
    assert list(tmp_path.iterdir()) == []


def test_on_jax_too(small_model, tmp_path):
    """The command compares both, and fails where they differ."""
    command = [sys.executable, "-m", "catdog", "export", str(tmp_path / "x.onnx")]
    done = subprocess.run(
        [*command, "--model", str(small_model)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["x.onnx"]


@pytest.mark.parametrize(
    "stderr, said", [("x\nno room\n", "code 3: no room"), ("", "code 3: it said nothing")]
)
def test_what_the_writing_process_says_is_passed_on(
    small_model, tmp_path, monkeypatch, stderr, said
):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    ended = subprocess.CompletedProcess([], 3, "", stderr)
    monkeypatch.setattr(onnxfile.subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(CatDogError, match=f"with the TensorFlow backend, ended with {said}"):
        export.export(keras.models.load_model(small_model), tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_committed_speed_is_of_equal_models_and_its_ratios_of_its_rates():
    record = json.loads((paths.MODELS / "records" / "bench-export.json").read_text())
    assert record["difference"] < 1e-4
    for batch, ratio in record["ratio"].items():
        keras, onnx = (
            record["images_per_second"][f"{way}, {batch}"] for way in ("Keras", "onnxruntime")
        )
        least, most = onnx["low"] / keras["high"], onnx["high"] / keras["low"]
        assert least <= ratio["low"] <= ratio["median"] <= ratio["high"] <= most
