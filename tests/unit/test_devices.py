"""Several devices train as one does; the chapters' code runs on JAX."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from catdog import CatDogError
from catdog.core import distribution, paths
from catdog.data import batching
from catdog.models import networks
from catdog.training import loop, recipes

HERE = Path(__file__).parent


def outside(backend, script, *arguments):
    """Run a script with a backend in a process of its own; return what it says in its last line."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("backend, numbers", [("tensorflow", (1, 2)), ("jax", (1, 4))])
def test_several_devices_give_the_loss_curve_and_the_weights_of_one(backend, numbers):
    """With a last batch that cannot be shared evenly, resumed after a kill; on JAX with dropout."""
    found = outside(backend, "several_devices.py", *numbers)
    one = found["history"]["1"]
    assert set(one) == {"loss", "accuracy", "val_loss", "val_accuracy"} and len(one["loss"]) == 2
    for n in numbers[1:]:
        several = found["history"][str(n)]
        assert set(several) == set(one)
        for name, values in one.items():
            assert several[name] == pytest.approx(values, rel=2e-5), (n, name)
        assert found["distance"][str(n)] < 1e-4  # one step moves a weight by up to 1e-3
    assert found["left"] == ["epoch-0001"]
    assert found["resumed"] == 0 and found["resumed on one"] < 1e-4


def test_tensorflow_is_not_imported_on_jax_before_batches_are_made():
    modules = sorted(
        ".".join(file.relative_to(paths.ROOT / "scripts").with_suffix("").parts)
        for folder in ("catdog", "benchmarks")
        for file in (paths.ROOT / "scripts" / folder).rglob("[a-z]*.py")
    )
    code = f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
    code += "assert 'tensorflow' not in sys.modules"
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-3000:]


@pytest.mark.parametrize("n, processes, size", [(2, 1, 5), (4, 2, 7), (8, 4, 3), (3, 3, 6)])
def test_an_odd_batch_is_filled_and_its_mean_kept(n, processes, size):
    shares = [distribution.Share(n, processes, i) for i in range(processes)]
    x = np.random.default_rng(0).integers(0, 255, (size, 4, 4, 3), dtype=np.uint8)
    made = [
        batch
        for share in shares
        for batch in batching.validation_batches(x, np.arange(size) % 2, share=share)
    ]
    filled, labels, weights = (np.concatenate(parts) for parts in zip(*made, strict=True))
    assert len(filled) == len(labels) == len(weights) and len(filled) % n == 0
    assert len(filled) - size < n
    assert np.array_equal(filled[:size], x) and (weights[size:] == 0).all()
    value = x.mean((1, 2, 3))
    assert (filled.mean((1, 2, 3)) * weights).mean() == pytest.approx(value.mean())
    measure = distribution.MaskedMean(lambda truth, guess: guess)
    measure.update_state(labels, filled.mean((1, 2, 3)), weights)
    measure.update_state(labels[:1], np.float32([100.0]), np.float32([1.0]))
    assert float(measure.result()) == pytest.approx((value.sum() + 100) / (size + 1))


def test_which_devices(monkeypatch):
    monkeypatch.setattr(distribution, "available", lambda kind=None: ["gpu:0", "gpu:1", "gpu:2"])
    assert distribution.choose(None, 32) == distribution.choose(1, 32) == []
    assert distribution.choose(2, 32) == distribution.choose("2", 32) == ["gpu:0", "gpu:1"]
    assert distribution.choose("all", 33) == ["gpu:0", "gpu:1", "gpu:2"]
    assert distribution.choose(["gpu:2", "gpu:0"], 32) == ["gpu:2", "gpu:0"]
    for wanted, said in (
        (4, "4 devices are wanted, but there are: gpu:0, gpu:1, gpu:2"),
        (3, "a batch of 32 cannot be shared evenly by 3 devices"),
        (0, "must be a number or 'all'"),
        ("some", "must be a number or 'all'"),
        (["gpu:7", "gpu:0"], "no device is called 'gpu:7'"),
    ):
        with pytest.raises(CatDogError, match=said):
            distribution.choose(wanted, 32)


@pytest.mark.parametrize(
    "capability, precision",
    [(7.5, "mixed_float16"), (8.6, "mixed_bfloat16"), (6.0, "float32"), (None, "float32")],
)
def test_the_fastest_precision_is_one_that_the_gpu_computes_in(monkeypatch, capability, precision):
    monkeypatch.setattr(distribution, "gpus", lambda: ["a GPU"])
    monkeypatch.setattr(distribution, "capability", lambda: capability)
    assert recipes.with_native_precision(recipes.IMPROVED).precision == precision


def test_pretending_too_late_is_said():
    assert distribution.available() == ["cpu:0"] or distribution.gpus()
    with pytest.raises(CatDogError, match="restart Python"):
        distribution.use_logical_devices(3)


@pytest.mark.skipif(
    "ONEDNN_MAX_CPU_ISA" in os.environ,
    reason="TensorFlow asks the real processor for float16, which the emulated one lacks",
)
def test_float16_keeps_the_average_of_the_weights_and_resumes(tmp_path, break_off):
    """With float16 Keras wraps the optimizer; the average must be found inside of it."""
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 255, (32, 24, 24, 3), dtype=np.uint8), rng.integers(0, 2, 32)
    how = {"epochs": 2, "batch_size": 8, "ema": 0.9, "precision": "mixed_float16"}
    recipe = replace(recipes.IMPROVED, **how)

    def build():
        return networks.article_cnn(24, True)

    def train(run):
        return loop.train(build, recipe, photos, None, tmp_path / run, progress=False)[0]

    whole = train("whole").get_weights()
    keras.config.set_dtype_policy("mixed_float16")
    last = keras.models.load_model(tmp_path / "whole" / "epoch-0002" / "model.keras")
    keras.config.set_dtype_policy("float32")
    averages = last.optimizer.inner_optimizer._model_variables_moving_average
    raw = last.trainable_weights
    assert all(np.array_equal(a, b) for a, b in zip(whole, averages, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(whole, raw, strict=True))

    break_off(lambda: train("broken"), 1)
    for a, b in zip(whole, train("broken").get_weights(), strict=True):
        assert np.abs(a - b).max() < 1e-4  # a step is up to 1.5e-3
