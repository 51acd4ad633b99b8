"""What `catdog experiment` does: run the experiments of chapter 12, and gather their record."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import files, paths
from catdog.data import loading, manifests
from catdog.studies import ablation
from catdog.studies.components import LENGTHS, REFERENCE, TrainingBudget
from catdog.training import config


def known(names: Collection[str]) -> list[str]:
    """Return the names of experiments, with those they are compared with, or all for none.

    Raises:
        CatDogError: an experiment is unknown.
    """
    for name in names:
        if name not in ablation.EXPERIMENTS:
            every = ", ".join(ablation.EXPERIMENTS)
            raise CatDogError(f"no experiment is called {name!r}. The experiments: {every}.")
    wanted = set(names or ablation.EXPERIMENTS)
    while more := {a for n in wanted if (a := ablation.EXPERIMENTS[n].baseline)} - wanted:
        wanted |= more
    return [name for name in ablation.EXPERIMENTS if name in wanted]


def _settings(name: str, length: TrainingBudget, seed: int, reference: dict) -> dict:
    settings = {
        "name": name,
        "setup": asdict(ablation.EXPERIMENTS[name].setup),
        "length": {k: v for k, v in asdict(length).items() if k != "seeds"},
        "precision": ablation.precision(),
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
        names: keys of `ablation.EXPERIMENTS`, all for none; those they are compared with run too.
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
        setup = ablation.EXPERIMENTS[name].setup
        if setup.size != size:
            size, photos = setup.size, {}
            for split in ("train", "validation"):
                photos[split] = loading.load(chosen.folder, split, size, progress)[:2]
        keras.utils.clear_session(free_memory=True)
        model, cost = ablation.fit(setup, photos["train"], length, seed)
        found = {**settings, **cost, **ablation.evaluate(model, *photos["validation"])}
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
        experiment, rows = ablation.EXPERIMENTS[name], []
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
        plain = asdict(ablation.EXPERIMENTS[experiment.baseline or name].setup)
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
        "precision": ablation.precision(),
        "n": {split: sum(counts.values()) for split, counts in reference["counts"].items()},
        "experiments": found,
    }


def accuracy(record: dict, name: str) -> float:
    """Return an experiment's accuracy, the mean over its seeds."""
    return float(np.mean([r["accuracy"] for r in record["experiments"][name]["runs"]]))


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
        if change := ablation.effect(record, name):
            points = f"{100 * change[0]:+5.1f} " + ablation.in_points(change[1])
            said = ablation.verdict(change)
            if one["baseline"] != "reference":
                said += f" (compared with {one['baseline']})"
        seconds = f"{cost(record, name):6.1f}"
        lines.append(f"{name:18} {accuracy(record, name):8.1%}  {points:24} {seconds}  {said}")
    return "\n".join(line.rstrip() for line in lines)
