"""Measure a classifier's probabilities, and write down the run that made it."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.stats import binomtest, norm, ttest_rel
from sklearn.metrics import log_loss, roc_auc_score

from catdog import hardware, paths
from catdog.usage import peak_memory_gb

CLIPS = (0.0, 1e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2e-2, 5e-2)


def wilson(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927, JASA 22:209)."""
    low, high = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    return float(low), float(high)


def paired(only_a: int, only_b: int, n: int, confidence: float = 0.95):
    """Compare two classifiers, a and b, on the same n photos.

    Args:
        only_a, only_b: how many photos only a, and only b, gets right.

    Returns:
        the accuracy of a minus that of b; its interval, that of Wald with half a photo added to
        each of the four cells (Agresti & Min 2005, Statistics in Medicine 24:729); and the p-value
        of the exact test of McNemar: how often luck alone would part them at least so far.
    """
    more, m = only_a - only_b, n + 2
    half = norm.ppf((1 + confidence) / 2) * np.sqrt(only_a + only_b + 1 - more**2 / m) / m
    apart = only_a + only_b
    p = binomtest(only_a, apart).pvalue if apart else 1.0
    return more / n, (float(more / m - half), float(more / m + half)), float(p)


def paired_runs(a, b, confidence: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Compare two ways of training, run with the same seeds: accuracies a and b, each (seeds,).

    Returns the mean difference, a minus b, and Student's interval for it. At least two seeds.
    """
    low, high = ttest_rel(a, b).confidence_interval(confidence)
    return float(np.mean(a) - np.mean(b)), (float(low), float(high))


def probabilities(model, images: np.ndarray, flip: bool = False) -> np.ndarray:
    """Return the model's probability of dog (n,) for uint8 images (n, h, w, 3).

    Args:
        flip: average the photo's and its mirror image's.
    """
    dog = model.predict(images, batch_size=64, verbose=0)[:, 1]
    if flip:
        dog = (dog + model.predict(images[:, :, ::-1], batch_size=64, verbose=0)[:, 1]) / 2
    return dog


def measure(labels: np.ndarray, dog: np.ndarray, bins: int = 15) -> dict:
    """Compare the probabilities of dog (n,), each in [0, 1], with the labels (n,), 0 or 1.

    Returns accuracy with its 95 % interval, log loss (nats), AUC, the expected calibration error
    "ece" (Guo et al. 2017, equation 3: how far the confidence, the larger one of both
    probabilities, is from the share of right answers, in bins of equal width), and the confusion
    matrix, rows the true label.
    """
    labels, dog = np.asarray(labels), np.asarray(dog, np.float64)
    guess = (dog >= 0.5).astype(int)
    right, confidence = guess == labels, np.maximum(dog, 1 - dog)
    gaps = np.bincount(np.ceil(confidence * bins).astype(int), right - confidence)
    return {
        "n": len(labels),
        "accuracy": int(right.sum()) / len(labels),
        "interval": wilson(int(right.sum()), len(labels)),
        "log_loss": float(log_loss(labels, dog, labels=[0, 1])),
        "auc": float(roc_auc_score(labels, dog)),
        "ece": float(np.abs(gaps).sum() / len(labels)),
        "confusion": [[int(((labels == a) & (guess == b)).sum()) for b in (0, 1)] for a in (0, 1)],
    }


def clipped_losses(labels: np.ndarray, dog: np.ndarray, clips=CLIPS) -> list[dict]:
    """Return the log loss for each clip c, with probabilities pulled into [c, 1 - c]."""
    dog = np.asarray(dog, np.float64)
    return [
        {
            "clip": c,
            "log_loss": float(log_loss(labels, np.clip(dog, c, 1 - c), labels=[0, 1])),
        }
        for c in clips
    ]


def calibration(measured: dict) -> tuple[str, float]:
    """Return the name and the value of what a record says of calibration.

    Older records hold another quantity, from which this one does not follow: in ten bins, how far
    the probability of dog is from the share of dogs.
    """
    if "ece" in measured:
        return "expected calibration error", measured["ece"]
    return "calibration error of P(dog)", measured["calibration_error"]


def versions() -> dict:
    """Return the versions of Python and of the libraries a result depends on."""
    found = {"python": platform.python_version()}
    for package in ("keras", "tensorflow-cpu", "tensorflow", "numpy", "pillow"):
        try:
            found[package] = version(package)
        except ModuleNotFoundError:
            continue
    return found


def records(folder: str | Path | None = None) -> dict[str, dict]:
    """Read the committed records of the reference runs: {file name without .json: record}."""
    folder = Path(folder or paths.MODELS / "records")
    return {p.stem: json.loads(p.read_text("utf-8")) for p in sorted(folder.glob("*.json"))}


def article_2017(network: str) -> dict:
    """Return what the article of 2017 reports of its "cnn" or its "vgg16_head".

    That is accuracy, n (its validation photos) and epochs, as its text states them, with Wilson's
    interval, and its history as read off its pictures.
    """
    path = paths.MODELS / "records" / "article-2017.json"
    found = json.loads(path.read_text("utf-8"))["networks"][network]
    return {**found, "interval": wilson(round(found["accuracy"] * found["n"]), found["n"])}


def runs_of(record: dict, photos: int | None = None) -> list[dict]:
    """Return the runs of a record that joins several seeds; a record of one run is its only one.

    Args:
        photos: only runs that were trained on so many, where there are such.
    """
    runs = record.get("runs", [record])
    if photos is None:
        return runs
    same = [run for run in runs if sum(run["dataset"]["counts"]["train"].values()) == photos]
    return same or runs


def accuracy_of(record: dict) -> dict:
    """Return the validation accuracy of a record as {"mean", "low", "high"}.

    Of several runs these are the mean and its interval over their seeds, as the record has them; of
    one, its accuracy, and the interval for the choice of its photos.
    """
    if "accuracy" in record:
        return record["accuracy"]
    low, high = record["validation"]["interval"]
    return {"mean": record["validation"]["accuracy"], "low": low, "high": high}


@cache
def origin() -> dict:
    """Return the command line and the git commit of this process, as far as they can be known.

    The commit is that of the first call: a long run calls it when it begins.
    """
    found = {}
    if Path(sys.argv[0]).stem in ("catdog", "__main__"):
        found["command"] = shlex.join(["catdog", *sys.argv[1:]])
    git = ("git", "-C", str(paths.ROOT), "describe", "--always", "--dirty", "--abbrev=40")
    with contextlib.suppress(OSError):
        said = subprocess.run([*git, "--exclude=*"], capture_output=True, text=True)
        if said.returncode == 0:
            found["commit"] = said.stdout.strip()
    return found


def write_record(path: str | Path, record: dict) -> None:
    """Write a record as JSON, in one step; its origin, hardware, versions and date are added."""
    full = {
        **record,
        **origin(),
        "peak_memory_gb": round(peak_memory_gb(), 2),
        "hardware": {**hardware.describe(), "matrix_gflops": hardware.matrix_rates()},
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".json.part")
    part.write_text(json.dumps(full, indent=1) + "\n", "utf-8")
    os.replace(part, path)
