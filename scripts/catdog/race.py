"""Time to accuracy: how long from the photos on disk to a network that is right often enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
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


def articles_rate(folder: str | Path, n: int = 1600, rounds: int = 3) -> list[float]:
    """Measure the article's own way: images/s in training, once a round.

    That is Keras's legacy generator with its augmentation, its network in float32, batches of 32.
    A few batches that nobody counts come first.
    """
    model = training.ARTICLE.build()
    training.compile_model(model, training.ARTICLE, 1)
    batches = bench.legacy(folder, training.ARTICLE.decoded, **bench.ARTICLES)
    rates = []
    for n_now in (64, *[n] * rounds):
        started = time.perf_counter()
        model.fit(batches, steps_per_epoch=-(-n_now // 32), verbose=0)
        rates.append(n_now / (time.perf_counter() - started))
    keras.backend.clear_session()
    return rates[1:]


def race(folder: str | Path, seeds: int = 5, recipe: str = "fast", n: int = 1600) -> dict:
    """Compare a recipe's time to the article's accuracy with the time of the article's recipe.

    The article's time is what its epochs cost here, measured before and after ours in the same
    call, times the epochs that its recipe needed to its own best (the record `article`).

    Returns:
        target, runs (as from `timed_training`), seconds (spread over them), reached (how many),
        article {images_per_second (spread), seconds_an_epoch, epochs, seconds, accuracy}, and
        ratio {median, worst}: the article's seconds over ours.
    """
    record = evaluation.records()["article"]
    photos = len(data.manifest(folder, "train"))
    rates = articles_rate(folder, n)
    runs = []
    for seed in tqdm(range(1, seeds + 1), desc=f"train {recipe}", unit="seed"):
        runs.append(timed_training(folder, seed, recipe))
        tqdm.write("{seed}: {accuracy:.2%} in {seconds:.0f} s".format(**runs[-1]))
    rates += articles_rate(folder, n)
    an_epoch = photos / float(np.median(rates))
    seconds = [run["seconds"] for run in runs]
    article = an_epoch * record["best_epoch"]
    return {
        "what": "catdog bench accuracy",
        "target": TARGET,
        "recipe": recipe,
        "runs": runs,
        "seconds": bench.spread(seconds),
        "reached": sum(run["accuracy"] >= TARGET for run in runs),
        "article": {
            "images_per_second": bench.spread(rates),
            "seconds_an_epoch": round(an_epoch, 1),
            "epochs": record["best_epoch"],
            "seconds": round(article),
            "accuracy": record["validation"]["accuracy"],
        },
        "ratio": {"median": article / np.median(seconds), "worst": article / max(seconds)},
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
