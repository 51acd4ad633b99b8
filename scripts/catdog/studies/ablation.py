"""One change at a time: the experiments of chapter 12, how each is trained, and its effect."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from catdog import CatDogError
from catdog.data import batching
from catdog.evaluation import metrics, statistics
from catdog.studies.components import (
    LOSSES,
    OPTIMIZERS,
    REFERENCE,
    SCHEDULES,
    Experiment,
    ExperimentConfig,
    TrainingBudget,
    build,
    changes,
    probability,
)
from catdog.training import optimizers, recipes


def _experiments() -> dict[str, Experiment]:
    gentle = REFERENCE.augmentation
    assert gentle is not None
    turned = replace(gentle, rotate=15.0, shear=15.0, shift=0.1)
    bright = replace(gentle, brightness=0.3, contrast=0.3)
    strong = replace(turned, brightness=0.3, contrast=0.3)
    known = {"reference": Experiment("reference", "the reference", REFERENCE, None)}

    def add(
        section: str, name: str, change: str, baseline: str = "reference", **changes: Any
    ) -> None:
        setup = replace(known[baseline].setup, **changes)
        known[name] = Experiment(section, change, setup, baseline)

    add("augmentation", "no-augmentation", "no augmentation", augmentation=None)
    add("augmentation", "rotation", "rotation, shear, shift", augmentation=turned)
    add("augmentation", "colour", "brightness, contrast, colour", augmentation=bright, colour=0.3)
    add("augmentation", "cutout", "cutout, 40% of the side", cutout=0.4)
    add("augmentation", "mixup", "mixup, α = 0.2", mixup=0.2)
    everything: dict[str, Any] = {
        "augmentation": strong,
        "colour": 0.3,
        "cutout": 0.4,
        "mixup": 0.2,
    }
    add("augmentation", "all-augmentation", "all of these together", **everything)
    add("depth", "two-blocks", "two blocks of layers", filters=(32, 32))
    add("depth", "four-blocks", "four blocks of layers", filters=(32, 32, 64, 64))
    add("depth", "half-the-filters", "half the filters", filters=(16, 16, 32))
    add("depth", "twice-the-filters", "twice the filters", filters=(64, 64, 128))
    add("kernel", "kernel-5", "kernels of 5×5", kernel=5)
    add("normalization", "batch-norm", "batch normalization", normalize=True)
    add("residual", "two-convolutions", "two convolutions a block", block="twice")
    add("residual", "residual", "a way around the two", "two-convolutions", block="residual")
    add("optimizer", "sgd", "SGD, learning rate 0.3", optimizer="sgd", learning_rate=0.3)
    add("optimizer", "nesterov", "Nesterov's momentum", optimizer="nesterov", learning_rate=0.03)
    add("optimizer", "rmsprop", "RMSprop", optimizer="rmsprop", learning_rate=1e-3)
    add("optimizer", "adamw", "AdamW, weight decay 0.05", optimizer="adamw", weight_decay=0.05)
    add("schedule", "constant", "constant learning rate", schedule="constant")
    add("schedule", "cosine", "half a cosine, no warm-up", schedule="cosine")
    add("schedule", "step", "two steps down", schedule="step")
    add("loss", "one-logit", "one logit", loss="one-logit")
    add("loss", "focal", "focal loss, γ = 2", loss="focal")
    add("loss", "smoothing", "label smoothing, 10%", loss="smoothing")
    add("dense", "no-dense", "no dense layer, means instead", dense=0)
    add("dense", "dense-256", "dense layer of 256 units", dense=256)
    add("dropout", "dropout-0", "no dropout", dropout=0.0)
    add("dropout", "dropout-25", "dropout 25%", dropout=0.25)
    add("dropout", "dropout-70", "dropout 70%", dropout=0.7)
    add("size", "size-48", "48×48 pixels", size=48)
    add("size", "size-96", "96×96 pixels", size=96)
    add("size", "size-128", "128×128 pixels", size=128)
    add("photos", "photos-16th", "a sixteenth of the photos", train_fraction=1 / 16)
    add("photos", "photos-4th", "a quarter of the photos", train_fraction=1 / 4)
    return known


EXPERIMENTS = _experiments()


def some(labels: np.ndarray, part: float, seed: int) -> np.ndarray:
    """Draw a part of the photos, as many of each class as there are, in their order."""
    if part >= 1:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    classes = [rng.permutation(np.flatnonzero(labels == k)) for k in (0, 1)]
    return np.sort(np.concatenate([k[: round(part * len(k))] for k in classes]))


def fit(
    setup: ExperimentConfig,
    train_set: tuple[np.ndarray, np.ndarray],
    length: TrainingBudget,
    seed: int = 1,
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, dict]:
    """Train once and return the model, as it is at the end, and what it cost.

    A setup with fewer photos takes as many steps as the reference: it sees each more often.

    Args:
        train_set: uint8 images (n, size, size, 3) and labels (n,).

    Returns:
        the model, and a dictionary of its parameters' number, the loss of each epoch, the seconds
        and the processor's seconds, all cores added up.
    """
    images, labels = train_set
    per_epoch = math.ceil(len(labels) / length.batch_size)
    rate = SCHEDULES[setup.schedule](setup.learning_rate, per_epoch * length.epochs)
    chosen = some(labels, setup.train_fraction, seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision())
    try:
        keras.utils.set_random_seed(seed)
        model = build(setup)
        decay = {"weight_decay": setup.weight_decay} if setup.weight_decay else {}
        model.compile(OPTIMIZERS[setup.optimizer](learning_rate=rate, **decay), LOSSES[setup.loss])
        optimizers.make_variables(model)
        images, labels = (a if setup.train_fraction >= 1 else a[chosen] for a in train_set)
        batches = batching.training_batches(
            images, labels, length.batch_size, setup.augmentation, seed, also=changes(setup)
        )
        started, cpu = time.perf_counter(), time.process_time()
        history = model.fit(
            batches,
            epochs=length.epochs,
            steps_per_epoch=per_epoch,
            shuffle=False,
            callbacks=list(callbacks),
            verbose=0,
        ).history
    finally:
        keras.config.set_dtype_policy(policy)
    cost = {
        "parameters": model.count_params(),
        "history": {name: [round(v, 5) for v in values] for name, values in history.items()},
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }
    return model, cost


def precision() -> str:
    """Return this machine's fastest dtype policy, in which the experiments train."""
    return recipes.with_native_precision(recipes.Recipe(precision="fastest")).precision


class Diverged(CatDogError):
    """A network whose weights have grown without bound."""


def evaluate(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> dict:
    """Measure the model on photos; also "right", a hexadecimal number with a bit for each photo.

    Raises:
        Diverged: what it predicts are no numbers.
    """
    dog = probability(model.predict(images, batch_size=128, verbose=0))
    if not np.isfinite(dog).all():
        raise Diverged(
            "the network predicts no numbers: its weights grew without bound. Train with a smaller "
            "learning rate, or with precision float32."
        )
    found = metrics.measure(labels, dog)
    right = np.packbits((dog >= 0.5) == labels)
    return {**found, "right": right.tobytes().hex()}


def effect(
    record: dict, name: str, confidence: float = 0.95
) -> tuple[float, tuple[float, float]] | None:
    """Return what an experiment changed: the difference of mean accuracies, and its interval.

    It answers for new seeds on these photos: with the same seeds on both sides, several of them, it
    is `statistics.paired_runs`, else `statistics.separate_runs`. None for the reference, and for an
    experiment that is not in the record.
    """
    this = record["experiments"].get(name)
    if this is None or this["baseline"] is None:
        return None
    both = this["runs"], record["experiments"][this["baseline"]]["runs"]
    ours, theirs = ([run["accuracy"] for run in runs] for runs in both)
    seeds, others = ([run["seed"] for run in runs] for runs in both)
    if seeds == others and len(seeds) > 1:
        return statistics.paired_runs(ours, theirs, confidence)
    return statistics.separate_runs(ours, theirs, confidence)


def verdict(change: tuple[float, tuple[float, float]]) -> str:
    """Say what an effect's interval says."""
    low, high = change[1]
    return "helps" if low > 0 else "costs" if high < 0 else "not statistically distinguishable"


def in_points(interval: tuple[float, float]) -> str:
    """Write an interval of differences in percentage points."""
    low, high = interval
    if not np.isfinite(high):
        return "(one run each)"
    return f"({100 * low:+.1f} to {100 * high:+.1f})"
