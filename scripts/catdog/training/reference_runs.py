"""Reference runs: train a recipe on organized photos; record what it cost and how good it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from catdog import CatDogError
from catdog.core import distribution, paths, processes, recording
from catdog.data import imaging, loading, manifests, pixel_cache
from catdog.evaluation import calibration, metrics, statistics
from catdog.models import provenance, saving
from catdog.training import loop, recipes
from catdog.training.recipes import Recipe


def run(
    recipe: Recipe,
    folder: str | Path,
    out: str | Path,
    seed: int = 1,
    everything: bool = False,
    held_back: int = 0,
    devices: int | str | None = None,
) -> dict:
    """Train on the organized photos in `folder`; leave model.keras in `out`; return the record.

    Called again with the same `out`, it goes on, or gives a finished run's result. A folder with a
    model that was not trained there is refused.

    Args:
        everything: train on the validation photos too, and measure nothing.
        held_back: leave the validation photos alone and measure on so many training photos, which
            are then not trained on.
        devices: as for `loop.train`.
    """
    out, recipe = processes.folder(out), recipes.with_native_precision(recipe)
    if (out / "model.keras").exists() and not (out / "settings.json").exists():
        raise CatDogError(f"{out} holds another model: name another folder with --run.")
    size = recipe.final_size
    (*train_set, learned), judging = _sets(recipe, folder, everything, held_back)
    judge = judging[:2] if judging and recipe.validate else None
    model, log = loop.train(recipe.build, recipe, train_set, judge, out, seed, devices=devices)
    path = out / "model.keras"
    part = imaging.resized(processes.mine(judging[0]), size) if judging else None
    t = None
    if part is not None and recipe.calibrate:
        t = _calibrate(model, part, judging[1])
    model = _keep(model, recipe, path)
    split = "all" if everything else "train minus held back" if held_back else "train"
    chooses = t or (judge and (recipe.keep == "best" or recipe.patience is not None))
    provenance.write(path, folder, split, learned, judging[2] if chooses else ())
    seconds = sum(log["seconds"])
    record = {
        "dataset": manifests.reference(folder),
        "model": {"name": model.name, "parameters": model.count_params(), "size": size},
        "megabytes": round(path.stat().st_size / 1e6, 2),
        "recipe": asdict(recipe),
        "seed": seed,
        "devices": len(distribution.available()) if processes.count() > 1 else devices or 1,
        **({"processes": processes.count()} if processes.count() > 1 else {}),
        "epochs": len(log["seconds"]),
        "best_epoch": log["best_epoch"],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(log["cpu_seconds"]), 1),
        "images_per_second": round(len(train_set[0]) * len(log["seconds"]) / seconds, 1),
        "history": log["history"],
    }
    if part is not None:
        of = "held-back training" if held_back else "validation"
        record["judged_by"] = f"{len(judging[1]):,} {of} photos"
        record |= _measured(model, part, judging[1], calibrated=t is not None)
    return record | ({"temperature": t} if t else {})


def _keep(model, recipe: Recipe, path: Path) -> keras.Model:
    """Save what training gave, and return what is in the file."""
    if not recipe.progressive_sizes:
        model.save(path)
        return model
    # what is kept, and measured, has one size, layers that any Keras can load,
    weights, model = model.get_weights(), recipe.build(recipe.final_size, fused=False)
    model.set_weights(weights)
    saving.save_small(model, path)  # and weights rounded to float16
    return saving.load_model(path)


def _answers(model, part: np.ndarray, n: int) -> np.ndarray:
    """Return the probabilities of dog (n,) of all photos, of which each process has its part."""
    return processes.gather(metrics.probabilities(model, part), n)


def _calibrate(model, part: np.ndarray, labels: np.ndarray) -> float:
    """Build the temperature that fits these photos best into the last layer, and return it."""
    answers = _answers(model, part, len(labels))
    t = calibration.temperature(labels, calibration.logits(answers))
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]
    last.set_weights([w / t for w in last.get_weights()])
    return t


def _measured(model, part: np.ndarray, labels: np.ndarray, calibrated: bool) -> dict:
    """Measure a network; by its own probabilities, or where they were fitted, cross-fitted."""
    answers = [_answers(model, x, len(labels)) for x in (part, part[:, :, ::-1])]
    plain, mirrored = calibration.cross_fitted(labels, *answers) if calibrated else answers
    return {
        "validation": metrics.measure(labels, plain),
        "validation_flip": metrics.measure(labels, (plain + mirrored) / 2),
    }


def runs(
    name: str,
    recipe: Recipe,
    folder: Path,
    seeds: tuple[int, ...] = (1,),
    out: Path | None = None,
    everything: bool = False,
    **how,
) -> Iterator[tuple[Path, dict]]:
    """Do `run` once a seed, and leave record.json beside model.keras; yield each folder and record.

    Args:
        name: of the recipe, before any of its settings was changed.
        out: folder of the run, if there is one seed; by default runs/DATA-RECIPE-SEED.
        how: passed on to `run`.
    """
    recording.origin()
    every = "-all" if everything else ""
    what = f"catdog train {name}" + (" --all" if everything else "")
    for seed in seeds:
        one = processes.folder(out or paths.RUNS / f"{folder.name}-{name}-{seed}{every}")
        record = {"what": what, **run(recipe, folder, one, seed, everything, **how)}
        recording.write(one / "record.json", record)
        yield one, record


def _sets(recipe: Recipe, folder, everything: bool, held_back: int) -> tuple:
    """Return what is trained on, and what it is measured on or None, as `pixel_cache.load` does.

    Where several processes train, none decodes all photos: see `loading.Photos`.
    """

    def load(split):
        if processes.count() > 1:
            photos, labels = loading.photos_of(folder, split)
            where = loading.paths_of(folder, photos)
            return loading.Photos(where, recipe.decode_size, recipe.nearest), labels, photos
        return pixel_cache.load(folder, split, recipe.decode_size, nearest=recipe.nearest)

    if everything:
        return load(None), None
    if not held_back:
        return load("train"), load("validation")
    images, labels, photos = load("train")
    return tuple(
        (images.take(places, 0), labels[places], [photos[i] for i in places])
        for places in loading.holdout_split(photos, held_back)
    )


def joint(records: list[dict]) -> dict:
    """Put runs that differ in their seeds into one record, with mean and Student's interval.

    The interval is that of the mean over seeds, at least two; each run has its own, for the choice
    of photos.
    """
    accuracies = [record["validation"]["accuracy"] for record in records]
    mean, (low, high) = statistics.paired_runs(accuracies, np.zeros(len(accuracies)))
    return {"accuracy": {"mean": mean, "low": low, "high": high}, "runs": records}


def line(record: dict) -> str:
    """Say in a line how good a run is, if it was measured."""
    low, high = record["validation"]["interval"]
    return (
        f"{record['validation']['accuracy']:.2%} of {record['judged_by']} "
        f"(95% interval {low:.2%} to {high:.2%}); "
        f"{record['validation_flip']['accuracy']:.2%} with mirror images averaged"
    )
