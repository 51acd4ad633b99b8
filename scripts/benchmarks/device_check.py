"""What this machine can do: its devices checked, several compared, a GPU measured at full scale."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import distribution, files, hardware, paths
from catdog.data import augmentation, loading, manifests
from catdog.evaluation import metrics, reported
from catdog.models import features, networks
from catdog.training import loop, optimizers, recipes, transfer_runs

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
ARTICLES_ACCURACY, GOAL = reported.article_2017("cnn")["accuracy"], 0.99


def describe() -> dict:
    """Name what computes here.

    Returns:
        backend, its version, devices, GPU models, the NVIDIA driver's version, and the CUDA version
        and GPU generations that TensorFlow was built for; None where there is no such thing.
    """
    backend = keras.backend.backend()
    module = import_module(backend)
    built = module.sysconfig.get_build_info() if backend == "tensorflow" else {}
    return {
        "backend": backend,
        "version": module.__version__,
        "devices": distribution.available(),
        "gpus": distribution.gpus(),
        "driver": _driver(),
        "cuda": built.get("cuda_version"),
        "generations": built.get("cuda_compute_capabilities"),
    }


def _driver() -> str | None:
    line = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(line, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return said.split("\n")[0].strip() or None


def step_rate(precision: str = "float32", batch_size: int = 64, seconds: float = 2.0) -> float:
    """Return how many photos a second the training step of chapter 9 takes, one batch repeated.

    No photo is read or changed: what the network itself costs, on one device.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = networks.article_cnn()
        optimizers.compile_model(model, replace(recipes.ARTICLE, batch_size=batch_size), 1)
    finally:
        keras.config.set_dtype_policy(policy)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (batch_size, 150, 150, 3), dtype=np.uint8)
    y = np.eye(2, dtype=np.float32)[rng.integers(0, 2, batch_size)]
    for _ in range(2):  # the first traces and compiles
        model.train_on_batch(x, y)
    times, until = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        model.train_on_batch(x, y)  # returns the loss, and so waits for it
        times.append(time.perf_counter() - started)
    return batch_size / float(np.median(times))


def check(precisions=None, size: int | None = None, seconds: float = 2.0) -> dict:
    """Measure this machine in a few seconds: matrix products and training steps.

    Args:
        precisions: by default float32 and, where the machine has one, its native half precision.
        size: of the matrices; by default 1024, on a GPU 8192, which takes more to be kept busy.

    Returns:
        about, and for each precision gflops and images_per_second of a step of 64 photos.
    """
    if precisions is None:
        half = distribution.half_precision()
        precisions = ["float32"] + ([f"mixed_{half}"] if half else [])
    size = size or (8192 if distribution.gpus() else 1024)
    found = {"about": describe(), "matrix_size": size, "gflops": {}, "images_per_second": {}}
    for precision in precisions:
        dtype = precision.removeprefix("mixed_")
        found["gflops"][precision] = round(hardware.matrix_rate(size, dtype, seconds / 4), 1)
        found["images_per_second"][precision] = round(step_rate(precision, 64, seconds), 1)
    return found


# --- several devices -------------------------------------------------------------------------


# learns something even from few photos
QUICK = replace(
    recipes.IMPROVED,
    learning_rate=5e-4,
    label_smoothing=0.0,
    ema=0.9,
    precision="float32",
    augmentation=augmentation.ARTICLE,
)


def summary_of_check(found: dict) -> str:
    """Say in a line a precision what `check` has found."""
    return "\n".join(
        f"{precision:15} {found['gflops'][precision]:9,.0f} GFLOP/s in matrix products, "
        f"{rate:8,.0f} images/s in training steps"
        for precision, rate in found["images_per_second"].items()
    )


def curve(n: int, folder: str, photos: int, epochs: int, batch_size: int) -> dict:
    """Train chapter 9's network, without dropout, on n devices; return history and images/s.

    Without GPUs the processor is split into n logical devices. The last epoch is timed.
    """
    distribution.use_logical_devices(n)  # of the processor, which is not used where there are GPUs
    sets = []
    for split in ("train", "validation"):
        images, labels, _ = loading.load(folder, split, progress=False)
        step = max(1, len(images) // photos)
        sets.append((images[::step][:photos], labels[::step][:photos]))
    recipe = replace(QUICK, epochs=epochs, batch_size=batch_size)

    def build():
        return networks.article_cnn(zero_centered=True, dropout=(0, 0))

    with tempfile.TemporaryDirectory() as run:
        _, log = loop.train(build, recipe, *sets, run, progress=False, devices=n)
    return {"history": log["history"], "images_per_second": len(sets[0][0]) / log["seconds"][-1]}


def compare_devices(
    folder: str | Path,
    numbers=(1, 2, 4),
    backends=("tensorflow", "jax"),
    photos: int = 250,
    epochs: int = 6,
    batch_size: int = 32,
    progress: bool = True,
) -> dict:
    """Train the same on different numbers of devices, with each backend, and compare.

    Each training runs in a process of its own, for a backend divides a machine only once.

    Returns:
        a record: for each backend and number the history, images_per_second, and the largest
        relative difference of any loss from that of one device.
    """
    found = {}
    jobs = [(backend, n) for backend in backends for n in numbers]
    for backend, n in tqdm(jobs, desc="trainings", disable=no_bar(progress)):
        one = _outside(backend, n, str(folder), photos, epochs, batch_size)
        found.setdefault(backend, {})[str(n)] = one
        first = found[backend][str(numbers[0])]["history"]
        one["difference"] = max(
            abs(a / b - 1)
            for name in ("loss", "val_loss")
            for a, b in zip(one["history"][name], first[name], strict=True)
        )
    return {
        "what": "catdog bench devices",
        "dataset": manifests.reference(folder),
        "photos": photos,
        "batch_size": batch_size,
        "logical": not distribution.gpus(),
        "runs": found,
    }


def summary_of_devices(found: dict) -> str:
    """Say in a line a training what `compare_devices` has found."""
    return "\n".join(
        f"{backend:10} {n:>2} devices: {one['images_per_second']:7.0f} images/s, losses within "
        f"{one['difference']:.1g} of those with {next(iter(runs))}"
        for backend, runs in found["runs"].items()
        for n, one in runs.items()
    )


def _outside(backend: str, *order) -> dict:
    code = "import json; from benchmarks import device_check as it; "
    code += f"print(json.dumps(it.curve(*{order!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CatDogError(f"the training on {order[0]} devices with {backend} failed: {last}")
    return json.loads(done.stdout.splitlines()[-1])


# --- a GPU at full scale ---------------------------------------------------------------------


def need_gpu(device: str) -> None:
    """Refuse to measure what would not be measured.

    Raises:
        CatDogError: there is no GPU and `device` is not "cpu", or there is one and it is.
    """
    if device == "cpu" and distribution.gpus():
        raise CatDogError("Keras would train on the GPU: set CUDA_VISIBLE_DEVICES= (nothing).")
    if device == "gpu" and not distribution.gpus():
        raise CatDogError(
            f"Keras on {keras.backend.backend()} sees no GPU here. On a GPU machine (chapter 18) "
            "install requirements/gpu.txt and look at 'nvidia-smi'. With --device cpu the same is "
            "measured on the processor: hours at full scale, so give it few photos with --data."
        )


def seconds_to(accuracy: float, log: dict) -> float | None:
    """Return after how many seconds of training a validation accuracy was first reached."""
    for epoch, reached in enumerate(log["history"]["val_accuracy"]):
        if reached >= accuracy:
            return round(sum(log["seconds"][: epoch + 1]), 1)
    return None


def measure(
    folder: str | Path,
    run: str | Path,
    device: str = "gpu",
    epochs: int | None = None,
    backbone: str = "efficientnet-lite2",
    size: int | None = None,
    precisions=PRECISIONS,
    devices: int | str | None = None,
    say=print,
) -> dict:
    """Do the work of chapters 9 to 11 and measure it. What is done already is not done again.

    Args:
        run: folder that keeps each finished part; a training that was killed goes on in it.
        epochs: of the training from scratch; by default the recipe's.
        size: of the photos for the backbone; by default its own.
        devices: how many share the batches of the training from scratch, see `loop.train`.

    Returns:
        a record: check, images_per_second {precision: of a whole training}, scratch (with seconds
        to 89.4%), frozen, fine_tuned, and seconds_to_99.
    """
    need_gpu(device)
    run = Path(run)
    recipe = replace(recipes.IMPROVED, epochs=epochs or recipes.IMPROVED.epochs)
    settings = {
        "dataset": manifests.reference(folder),
        "hardware": hardware.describe(),
        "backend": keras.backend.backend(),
        "recipe": asdict(recipe),
        "backbone": backbone,
        "size": size,
        "precisions": list(precisions),
        "devices": devices or 1,
    }
    parts = {
        "check": lambda: check(precisions),
        "images_per_second": lambda: {p: _whole(folder, run, p, devices) for p in precisions},
        "scratch": lambda: _scratch(folder, run / "scratch", recipe, devices),
        "transfer": lambda: _transfer(folder, run / "transfer", backbone, size),
    }
    record = {"what": "catdog bench gpu", "device": device, **settings}
    for name, part in parts.items():
        note = run / f"{name}.json"
        done = json.loads(note.read_text("utf-8")) if note.exists() else None
        if done and done["settings"] != json.loads(json.dumps(settings)):
            raise CatDogError(f"{run} holds measurements of something else. Name another --run.")
        say(f"{name}{': done already' if done else ' …'}")
        found = done["found"] if done else part()
        if not done:
            files.write(note, json.dumps({"settings": settings, "found": found}))
        record |= found if name == "transfer" else {name: found}
    return record


def _sets(folder):
    return [loading.load(folder, split)[:2] for split in ("train", "validation")]


def _centred():
    return networks.article_cnn(zero_centered=True)


def _whole(folder, run: Path, precision: str, devices) -> float:
    """Images a second of a whole training, input and all, in the last of three epochs."""
    train_set, _ = _sets(folder)
    recipe = replace(recipes.IMPROVED, epochs=3, precision=precision)
    where = run / f"speed-{precision}"
    _, log = loop.train(_centred, recipe, train_set, None, where, devices=devices)
    return round(len(train_set[0]) / log["seconds"][-1], 1)


def _scratch(folder, run: Path, recipe, devices) -> dict:
    train_set, held_out = _sets(folder)
    model, log = loop.train(_centred, recipe, train_set, held_out, run, devices=devices)
    dog = metrics.probabilities(model, held_out[0])
    return {
        "precision": recipes.with_native_precision(recipe).precision,
        "seconds": round(sum(log["seconds"]), 1),
        "seconds_to_89_4": seconds_to(ARTICLES_ACCURACY, log),
        "history": log["history"],
        "validation": metrics.measure(held_out[1], dog),
    }


def _transfer(folder, run: Path, backbone: str, size: int | None) -> dict:
    """Chapters 10 and 11, with features computed anew, so that their time is theirs."""
    cache = run / "features"
    shutil.rmtree(cache, ignore_errors=True)  # of a measurement that was cut off
    started = time.perf_counter()
    count = 0
    for split in ("train", "validation"):
        for flip in (False, True):
            count += len(features.extract(folder, split, backbone, size, flip=flip, root=cache))
    extracted = time.perf_counter() - started
    model, frozen = transfer_runs.frozen(folder, backbone, size, root=cache)
    head_done = time.perf_counter() - started
    tuned_run = run / "training"
    _, tuned = transfer_runs.fine_tune(
        folder, backbone, transfer_runs.head_of(model), size, run=tuned_run
    )
    to_goal = None
    if frozen["validation"]["accuracy"] >= GOAL:
        to_goal = round(head_done, 1)
    elif tuned["validation"]["accuracy"] >= GOAL:
        to_goal = round(head_done + tuned["seconds"], 1)
    return {
        "frozen": {
            "images_per_second": round(count / extracted, 1),
            "seconds": round(head_done, 1),
            "validation": frozen["validation"],
        },
        "fine_tuned": {
            key: tuned[key] for key in ("epochs", "seconds", "images_per_second", "validation")
        },
        "seconds_to_99": to_goal,
    }


def summary(record: dict) -> str:
    """Say in a few lines what `measure` found."""
    gpus = record["hardware"]["gpus"]
    name = gpus[0] if gpus else record["hardware"]["processor"]
    lines = [f"{name}, {record['backend']}"]
    for precision, rate in record["images_per_second"].items():
        step = record["check"]["images_per_second"][precision]
        lines.append(f"  {precision:15} {rate:9,.0f} images/s in training, {step:9,.0f} the step")

    def when(seconds):
        return "not reached" if seconds is None else f"after {seconds:,.0f} s"

    scratch, frozen, tuned = record["scratch"], record["frozen"], record["fine_tuned"]
    lines += [
        f"  from scratch {scratch['validation']['accuracy']:.1%}; {ARTICLES_ACCURACY:.1%} "
        f"{when(scratch['seconds_to_89_4'])}",
        f"  features {frozen['images_per_second']:,.0f} images/s, "
        f"head {frozen['validation']['accuracy']:.1%}",
        f"  fine-tuning {tuned['images_per_second']:,.0f} images/s, "
        f"{tuned['validation']['accuracy']:.1%}; {GOAL:.0%} {when(record['seconds_to_99'])}",
    ]
    return "\n".join(lines)


def record_path(device: str = "gpu") -> Path:
    """Return where the record of this machine's measurement goes: named after its GPU."""
    gpus = distribution.gpus()
    name = gpus[0] if device == "gpu" and gpus else "processor"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return paths.MODELS / "records" / f"gpu-{slug}.json"
