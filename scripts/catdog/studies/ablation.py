"""One change at a time: the experiments of chapter 12, run, each with its effect and cost."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import files, paths
from catdog.data import batching, loading, manifests
from catdog.evaluation import metrics, statistics
from catdog.studies.components import (
    LENGTHS,
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
from catdog.training import config, recipes


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


def evaluate(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> dict:
    """Measure the model on photos; also "right", a hexadecimal number with a bit for each photo."""
    dog = probability(model.predict(images, batch_size=128, verbose=0))
    found = metrics.measure(labels, dog)
    right = np.packbits((dog >= 0.5) == labels)
    return {**found, "right": right.tobytes().hex()}


def known(names: Collection[str]) -> list[str]:
    """Return the names of experiments, with those they are compared with, or all for none.

    Raises:
        CatDogError: an experiment is unknown.
    """
    for name in names:
        if name not in EXPERIMENTS:
            every = ", ".join(EXPERIMENTS)
            raise CatDogError(f"no experiment is called {name!r}. The experiments: {every}.")
    wanted = set(names or EXPERIMENTS)
    while more := {a for n in wanted if (a := EXPERIMENTS[n].baseline)} - wanted:
        wanted |= more
    return [name for name in EXPERIMENTS if name in wanted]


def _settings(name: str, length: TrainingBudget, seed: int, reference: dict) -> dict:
    settings = {
        "name": name,
        "setup": asdict(EXPERIMENTS[name].setup),
        "length": {k: v for k, v in asdict(length).items() if k != "seeds"},
        "precision": precision(),
        "photos": reference["manifest_sha256"],
        "seed": seed,
    }
    return json.loads(json.dumps(settings))


def _file(folder: Path, settings: dict) -> Path:
    return folder / f"{settings['name']}-{settings['seed']}-{files.key(settings, 8)}.json"


def run(
    names: Collection[str] = (),
    scale: str | None = None,
    seeds: int | None = None,
    folder: str | Path | None = None,
    force: bool = False,
    progress: bool = True,
    epochs: int | None = None,
) -> dict:
    """Run experiments, each with several seeds, and return their record.

    Each run is written down as it ends, in a file that is named after its settings: called again,
    those are skipped, unless `force`. The photos of a size are decoded once for all.

    Args:
        names: keys of `EXPERIMENTS`, all for none; those they are compared with run too.
        scale: "sample" or "full", by default that of `config.scale`.
        seeds: how many; by default the scale's.
        folder: of the runs; by default runs/experiments/SCALE.
        epochs: how long each trains; by default the scale's.
    """
    names = known(names)
    chosen = config.scale(scale)
    length, reference = LENGTHS[chosen.name], manifests.reference(chosen.folder)
    length = replace(length, epochs=epochs or length.epochs, seeds=seeds or length.seeds)
    folder = Path(folder or paths.RUNS / "experiments" / chosen.name)
    folder.mkdir(parents=True, exist_ok=True)
    todo = []
    for seed in range(1, length.seeds + 1):
        for name in names:
            settings = _settings(name, length, seed, reference)
            if force or not _file(folder, settings).exists():
                todo.append(settings)
    todo.sort(key=lambda s: (s["setup"]["size"] != REFERENCE.size, s["setup"]["size"], s["seed"]))
    size = 0
    photos: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    bar = tqdm(todo, desc="experiments", unit="run", disable=no_bar(progress))
    for settings in bar:
        name, seed = settings["name"], settings["seed"]
        bar.set_postfix_str(f"{name}, seed {seed}")
        setup = EXPERIMENTS[name].setup
        if setup.size != size:
            size, photos = setup.size, {}
            for split in ("train", "validation"):
                photos[split] = loading.load(chosen.folder, split, size, progress)[:2]
        keras.utils.clear_session(free_memory=True)
        model, cost = fit(setup, photos["train"], length, seed)
        found = {**settings, **cost, **evaluate(model, *photos["validation"])}
        files.write(_file(folder, settings), json.dumps(found))
    return gather(chosen.name, folder, names, epochs)


def gather(
    scale: str,
    folder: str | Path | None = None,
    names: Collection[str] = (),
    epochs: int | None = None,
) -> dict:
    """Gather the runs that are written down into one record.

    Each experiment has its section, its change in words and in settings, what it is compared with,
    and its runs: seed, accuracy, log loss, cost, and, counted against the run of the same seed that
    it is compared with, how many photos only this one and only that one gets right.
    """
    names, chosen = known(names), config.scale(scale)
    folder = Path(folder or paths.RUNS / "experiments" / scale)
    reference = manifests.reference(chosen.folder)
    length = replace(LENGTHS[scale], epochs=epochs or LENGTHS[scale].epochs)
    runs: dict[str, dict[int, dict]] = {}
    for name in names:
        seed, runs[name] = 1, {}
        while (file := _file(folder, _settings(name, length, seed, reference))).exists():
            runs[name][seed] = files.read_json(file)
            seed += 1
    if missing := [name for name in names if not runs[name]]:
        raise CatDogError(f"not run yet: {', '.join(missing)}. Run: catdog experiment {missing[0]}")
    found = {}
    for name in names:
        experiment, rows = EXPERIMENTS[name], []
        for seed, r in runs[name].items():
            row = {k: r[k] for k in ("seed", "accuracy", "log_loss", "seconds", "cpu_seconds")}
            row["interval"] = r["interval"]
            row["loss"] = r["history"]["loss"]
            if experiment.baseline and seed in runs[experiment.baseline]:
                this, that = (
                    np.unpackbits(np.frombuffer(bytes.fromhex(x["right"]), np.uint8))
                    for x in (r, runs[experiment.baseline][seed])
                )
                row["only_this"] = int((this > that).sum())
                row["only_that"] = int((this < that).sum())
            rows.append(row)
        plain = asdict(EXPERIMENTS[experiment.baseline or name].setup)
        now = asdict(experiment.setup)
        found[name] = {
            "section": experiment.section,
            "change": experiment.change,
            "settings": {k: v for k, v in now.items() if v != plain[k]},
            "baseline": experiment.baseline,
            "parameters": next(iter(runs[name].values()))["parameters"],
            "runs": rows,
        }
    return {
        "what": f"catdog experiment --scale {scale}{f' --epochs {epochs}' if epochs else ''}",
        "dataset": reference,
        "reference": asdict(REFERENCE),
        "epochs": length.epochs,
        "batch_size": length.batch_size,
        "precision": precision(),
        "n": {split: sum(counts.values()) for split, counts in reference["counts"].items()},
        "experiments": found,
    }


def accuracy(record: dict, name: str) -> float:
    """Return an experiment's accuracy, the mean over its seeds."""
    return float(np.mean([r["accuracy"] for r in record["experiments"][name]["runs"]]))


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


def cost(record: dict, name: str) -> float:
    """Return an experiment's processor seconds, all cores added up, the median over its seeds."""
    return float(np.median([r["cpu_seconds"] for r in record["experiments"][name]["runs"]]))


def table(record: dict) -> str:
    """Return the record as lines: experiment, accuracy, change in points, verdict, cost."""
    lines = [
        f"{'experiment':18} {'accuracy':>8}  {'points, 95% interval':24} {'cpu s':>6}  verdict"
    ]
    for name, one in record["experiments"].items():
        points = said = ""
        if change := effect(record, name):
            points = f"{100 * change[0]:+5.1f} " + in_points(change[1])
            said = verdict(change)
            if one["baseline"] != "reference":
                said += f" (compared with {one['baseline']})"
        seconds = f"{cost(record, name):6.1f}"
        lines.append(f"{name:18} {accuracy(record, name):8.1%}  {points:24} {seconds}  {said}")
    return "\n".join(line.rstrip() for line in lines)


def in_points(interval: tuple[float, float]) -> str:
    """Write an interval of differences in percentage points."""
    low, high = interval
    if not np.isfinite(high):
        return "(one run each)"
    return f"({100 * low:+.1f} to {100 * high:+.1f})"
