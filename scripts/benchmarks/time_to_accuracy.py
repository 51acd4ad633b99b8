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

from benchmarks import throughput
from catdog import CatDogError
from catdog.data import manifests
from catdog.evaluation import reported, statistics
from catdog.training import optimizers, recipes

TARGET = reported.article_2017("cnn")["accuracy"]


def timed_training(folder: str | Path, seed: int, recipe: str = "fast") -> dict:
    """Run `catdog train RECIPE` in a new process; return what it cost and what it reached.

    The clock runs from the start of the process to its end: the imports, decoding every photo,
    training, validation and writing the model are all in it.

    Returns:
        seed, seconds, training_seconds (in the epochs alone), accuracy (of the validation photos,
        each with its mirror image) and its 95% interval, without_mirror (the accuracy without it),
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
            raise CatDogError(f"catdog train {recipe} failed: {done.stderr[-2000:]}")
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


def baseline_throughput(folder: str | Path, n: int = 3200) -> Callable[[], float]:
    """Return a function that trains the article's own way for n photos: images/s.

    That is Keras's legacy generator with its augmentation, in a thread beside the training as its
    Keras had it (`throughput.ahead`), its network in float32, batches of 32. The files are listed,
    and `throughput.WARM` steps done, before the clock starts.
    """
    model = recipes.ARTICLE.build()
    optimizers.compile_model(model, recipes.ARTICLE, 1)
    photos = manifests.read(folder, "train")
    photos = photos[: max(1, len(photos) // 32) * 32]  # full batches

    def rate() -> float:
        listed = throughput.legacy(
            folder, recipes.ARTICLE.decode_size, photos, **throughput.ARTICLES
        )
        with throughput.ahead(listed) as batches:
            return throughput.fit_rate(model, batches, 32, -(-n // 32))

    return rate


def race(folder: str | Path, seeds: int = 5, recipe: str = "fast", n: int = 3200) -> dict:
    """Measure a recipe's time to the article's accuracy, and the speed of the article's recipe.

    The article's way is measured between our runs: each is compared with the mean of what was
    measured just before and just after it, so that a slow quarter of an hour hits both. `against`
    makes the comparison.

    Args:
        n: photos that the article's way trains on in each measurement.

    Returns:
        target, recipe, seeds, n, photos (in an epoch), runs (as from `timed_training`, each with
        article_images_per_second, measured around it), seconds (spread over the runs), reached
        (how many reach the target).
    """
    rate = baseline_throughput(folder, n)
    rates, runs = [rate()], []
    for seed in tqdm(range(1, seeds + 1), desc=f"train {recipe}", unit="seed"):
        run = timed_training(folder, seed, recipe)
        rates.append(rate())
        run["article_images_per_second"] = 2 / (1 / rates[-2] + 1 / rates[-1])
        runs.append(run)
        text = "{seed}: {accuracy:.2%} in {seconds:.0f} s; the article's way: "
        tqdm.write((text + "{article_images_per_second:.0f} images/s").format(**run))
    return {
        "what": "catdog bench accuracy",
        "target": TARGET,
        "recipe": recipe,
        "seeds": seeds,
        "n": n,
        "photos": len(manifests.read(folder, "train")),
        "runs": runs,
        "seconds": statistics.spread([run["seconds"] for run in runs]),
        "reached": sum(run["accuracy"] >= TARGET for run in runs),
    }


def against(found: dict, article: dict) -> dict:
    """Compare what `race` found with the article's recipe, whose record says where it ended.

    The article's time is that of all the epochs that its recipe ran, in the median of its seeds, at
    the rate measured around each of our runs. Starting, compiling and validating, which are in our
    time, are not in it: the ratio is its least.

    Args:
        article: the record of one run or several; those on as many photos as the race count, if
            there are such.

    Returns:
        runs (of the article's recipe), epochs, accuracy {mean, low, high}, reached (how many of its
        runs reach the target), seconds_an_epoch, seconds (medians over our runs), and ratio
        {median, worst}: its seconds over ours.
    """
    runs = reported.runs_of(article, found["photos"])
    epochs = float(np.median([run["epochs"] for run in runs]))
    each = [found["photos"] / run["article_images_per_second"] for run in found["runs"]]
    ours = [run["seconds"] for run in found["runs"]]
    ratios = epochs * np.array(each) / ours
    return {
        "runs": len(runs),
        "epochs": epochs,
        "accuracy": reported.accuracy_of(article),
        "reached": sum(run["validation"]["accuracy"] >= found["target"] for run in runs),
        "seconds_an_epoch": float(np.median(each)),
        "seconds": epochs * float(np.median(each)),
        "ratio": {"median": float(np.median(ratios)), "worst": float(ratios.min())},
    }


def article_says(article: dict, target: float) -> str:
    """Say how the article's recipe ended, and whether it reached the target: from `against`."""
    accuracy, runs, reached = article["accuracy"], article["runs"], article["reached"]
    text = f"{accuracy['mean']:.1%} ({accuracy['low']:.1%} to {accuracy['high']:.1%})"
    if runs == 1:
        return f"{text} in its one run, which {'reaches' if reached else 'misses'} {target:.1%}"
    return f"{text} on average over {runs} seeds, of which {reached} reach {target:.1%}"


def summary(found: dict, article: dict) -> str:
    """Say in three lines what `race` has found, beside the record of the article's recipe."""
    seconds, article = found["seconds"], against(found, article)
    ratio = article["ratio"]
    return (
        f"the article's recipe: {article['epochs']:g} epochs of {article['seconds_an_epoch']:.0f} "
        f"s, {article['seconds']:,.0f} s in all\n"
        f"it ends at {article_says(article, found['target'])}\n"
        f"{found['recipe']}: {found['reached']} of {len(found['runs'])} reach "
        f"{found['target']:.1%}, in {seconds['median']:.0f} s ({seconds['low']:.0f} to "
        f"{seconds['high']:.0f}): {ratio['median']:.1f} times faster, {ratio['worst']:.1f} in the "
        "worst case"
    )
