"""Time to accuracy: how long from the photos on disk to a network that is right often enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from catdog import CatDogError, bench, data, evaluation, training

TARGET = 0.894  # the article's accuracy, of its 5,000 validation photos


def timed_training(folder: str | Path, seed: int, recipe: str = "fast") -> dict:
    """Run `catdog train RECIPE` in a new process; return what it cost and what it reached.

    The clock runs from the start of the process to its end: the imports, decoding every photo,
    training, validation and writing the model are all in it.

    Returns:
        seed, seconds, training_seconds (in the epochs alone), accuracy (of the validation photos,
        each with its mirror image) and its 95 % interval, without_mirror (the accuracy without it),
        loss (of the training photos, an epoch each), peak_memory_gb.

    Raises:
        CatDogError: the training failed.
    """
    with tempfile.TemporaryDirectory() as run:  # nothing decoded before
        command = [sys.executable, "-m", "catdog", "train", recipe, "--data", str(folder)]
        environment = {**os.environ, "TQDM_DISABLE": "1", "CATDOG_FEATURES": f"{run}/pixels"}
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--seed", str(seed), "--run", run],
            env=environment,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise CatDogError(f"catdog train {recipe} failed: {done.stderr[-500:]}")
        record = json.loads((Path(run) / "record.json").read_text("utf-8"))
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "training_seconds": record["seconds"],
        "accuracy": record["validation_flip"]["accuracy"],
        "interval": record["validation_flip"]["interval"],
        "without_mirror": record["validation"]["accuracy"],
        "loss": record["history"]["loss"],
        "peak_memory_gb": record["peak_memory_gb"],
    }


def articles_rate(folder: str | Path, n: int = 1600) -> Callable[[], float]:
    """Return a function that trains the article's own way for n photos: images/s.

    That is Keras's legacy generator with its augmentation, its network in float32, batches of 32.
    A few batches that nobody counts come first.
    """
    model = training.ARTICLE.build()
    training.compile_model(model, training.ARTICLE, 1)
    batches = bench.legacy(folder, training.ARTICLE.decoded, **bench.ARTICLES)

    def rate() -> float:
        for n_now in (64, n):
            started = time.perf_counter()
            model.fit(batches, steps_per_epoch=-(-n_now // 32), verbose=0)
        return n / (time.perf_counter() - started)

    return rate


def race(folder: str | Path, seeds: int = 5, recipe: str = "fast", n: int = 1600) -> dict:
    """Compare a recipe's time to the article's accuracy with the time of the article's recipe.

    The article's time is what its epochs cost here times the epochs that its recipe needed to its
    own best (the record `article`). It is measured between our runs: each is compared with the mean
    of what was measured just before and just after it, so that a slow quarter of an hour hits both.

    Returns:
        target, recipe, runs (as from `timed_training`, and the ratio of each), seconds (spread over
        them), reached (how many), article {images_per_second (spread), seconds_an_epoch, epochs,
        seconds, accuracy}, and ratio {median, worst}: the article's seconds over ours.
    """
    record = evaluation.records()["article"]
    photos, epochs = len(data.manifest(folder, "train")), record["best_epoch"]
    rate = articles_rate(folder, n)
    rates, runs = [rate()], []
    for seed in tqdm(range(1, seeds + 1), desc=f"train {recipe}", unit="seed"):
        runs.append(timed_training(folder, seed, recipe))
        rates.append(rate())
        article = epochs * photos * (1 / rates[-2] + 1 / rates[-1]) / 2
        runs[-1]["ratio"] = article / runs[-1]["seconds"]
        text = "{seed}: {accuracy:.2%} in {seconds:.0f} s, {ratio:.1f} times faster"
        tqdm.write(text.format(**runs[-1]))
    an_epoch = photos / float(np.median(rates))
    ratios = [run["ratio"] for run in runs]
    return {
        "what": "catdog bench accuracy",
        "target": TARGET,
        "recipe": recipe,
        "runs": runs,
        "seconds": bench.spread([run["seconds"] for run in runs]),
        "reached": sum(run["accuracy"] >= TARGET for run in runs),
        "article": {
            "images_per_second": bench.spread(rates),
            "seconds_an_epoch": round(an_epoch, 1),
            "epochs": epochs,
            "seconds": round(an_epoch * epochs),
            "accuracy": record["validation"]["accuracy"],
        },
        "ratio": {"median": float(np.median(ratios)), "worst": min(ratios)},
    }


def summary(found: dict) -> str:
    """Say in two lines what `race` has found."""
    article, seconds, ratio = found["article"], found["seconds"], found["ratio"]
    return (
        f"the article's recipe: {article['epochs']} epochs of {article['seconds_an_epoch']:.0f} s, "
        f"{article['seconds']:,} s in all, {article['accuracy']:.2%}\n"
        f"{found['recipe']}: {found['reached']} of {len(found['runs'])} reach "
        f"{found['target']:.1%}, in {seconds['median']:.0f} s ({seconds['low']:.0f} to "
        f"{seconds['high']:.0f}): {ratio['median']:.1f} times faster, {ratio['worst']:.1f} in the "
        "worst case"
    )
