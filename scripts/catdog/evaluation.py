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
from scipy.stats import binomtest, norm
from scipy.stats import t as student
from sklearn.metrics import log_loss, roc_auc_score

from catdog import hardware, paths
from catdog.usage import peak_memory_gb


def wilson(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927, JASA 22:209)."""
    z = norm.ppf((1 + confidence) / 2)
    p = correct / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float(middle - half), float(middle + half)


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
    difference = np.asarray(a, float) - np.asarray(b, float)
    n = len(difference)
    half = student.ppf((1 + confidence) / 2, n - 1) * difference.std(ddof=1) / np.sqrt(n)
    middle = float(difference.mean())
    return middle, (middle - float(half), middle + float(half))


def probabilities(model, images: np.ndarray, flip: bool = False) -> np.ndarray:
    """Return the model's probability of dog (n,) for uint8 images (n, h, w, 3).

    Args:
        flip: average the photo's and its mirror image's.
    """
    dog = model.predict(images, batch_size=64, verbose=0)[:, 1]
    if flip:
        dog = (dog + model.predict(images[:, :, ::-1], batch_size=64, verbose=0)[:, 1]) / 2
    return dog


def measure(labels: np.ndarray, dog: np.ndarray, bins: int = 10) -> dict:
    """Compare the probabilities of dog (n,), each in [0, 1], with the labels (n,), 0 or 1.

    Returns accuracy with its 95 % interval, log loss (nats), AUC, expected calibration error
    (Guo et al. 2017, equation 3) and the confusion matrix, rows the true label.
    """
    labels, dog = np.asarray(labels), np.asarray(dog, np.float64)
    guess = (dog >= 0.5).astype(int)
    correct = int((guess == labels).sum())
    which = np.minimum((dog * bins).astype(int), bins - 1)
    gaps = [
        abs(dog[which == b].mean() - labels[which == b].mean()) * (which == b).mean()
        for b in range(bins)
        if (which == b).any()
    ]
    return {
        "n": len(labels),
        "accuracy": correct / len(labels),
        "interval": wilson(correct, len(labels)),
        "log_loss": float(log_loss(labels, dog, labels=[0, 1])),
        "auc": float(roc_auc_score(labels, dog)),
        "calibration_error": float(sum(gaps)),
        "confusion": [[int(((labels == a) & (guess == b)).sum()) for b in (0, 1)] for a in (0, 1)],
    }


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
