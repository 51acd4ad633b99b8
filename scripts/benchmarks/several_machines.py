"""The same training by one process and by several, each with a GPU or a core of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import distribution, launching, resources
from catdog.data import manifests
from catdog.evaluation import statistics
from catdog.training import recipes

# `catdog` on one of the cores that its first argument lists: that of the process's number
ON_OWN_CORE = f"""
import os, runpy, sys
cores = sys.argv.pop(1).split(",")
os.sched_setaffinity(0, {{int(cores[int(os.environ[{launching.ID!r}])])}})
runpy.run_module("catdog", run_name="__main__", alter_sys=True)
"""


def scaling(
    folder: str | Path,
    numbers=(1, 2),
    share: int = 32,
    rounds: int = 3,
    epochs: int = 2,
    progress: bool = True,
) -> dict:
    """Train with different numbers of processes, in turns; each has as many photos of a batch.

    Without GPUs each process has one core, so that one and several have the same to compute with.
    The last epoch is timed; photos that were in nobody's share before are decoded in it.

    Args:
        share: photos of a batch that each process has.

    Returns:
        a record: for each number images_per_second and step_seconds (spread over the rounds), and
        efficiency, the rate beside that of as many times the first number; and the gradient's
        megabytes.

    Raises:
        CatDogError: there are fewer GPUs, or without GPUs cores, than processes, or no JAX.
    """
    launching.must_be_jax()
    # else this process, which only counts the GPUs, would take their memory
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    gpus, cores = distribution.gpus(), resources.allowed_cores()
    if not gpus and not hasattr(os, "sched_setaffinity"):
        raise CatDogError("without GPUs this needs Linux, which gives each process its own core.")
    if max(numbers) > (have := len(gpus or cores)):
        what = "GPUs" if gpus else "cores"
        raise CatDogError(f"{max(numbers)} processes need as many {what}: here are {have}.")
    photos = len(manifests.read(folder))
    seconds: dict[int, list[float]] = {n: [] for n in numbers}
    turns = [n for _ in range(rounds) for n in numbers]
    for n in tqdm(turns, desc="trainings", disable=no_bar(progress)):
        seconds[n].append(_epoch_seconds(folder, n, n * share, epochs, [] if gpus else cores))
    runs = {}
    for n, one in seconds.items():
        steps = -(-photos // (n * share))
        runs[str(n)] = {
            "images_per_second": statistics.spread([photos / s for s in one]),
            "step_seconds": statistics.spread([s / steps for s in one]),
        }
    first = runs[str(numbers[0])]["images_per_second"]["median"] / numbers[0]
    for n in numbers:
        run = runs[str(n)]
        run["efficiency"] = round(run["images_per_second"]["median"] / n / first, 3)
    return {
        "what": "catdog bench processes",
        "dataset": manifests.reference(folder),
        "share": share,
        "rounds": rounds,
        "photos": photos,
        "each_has": "a GPU" if gpus else "a core",
        "gradient_megabytes": 4 * recipes.IMPROVED.build().count_params() / 1e6,
        "runs": runs,
    }


def _epoch_seconds(folder, n: int, batch_size: int, epochs: int, cores: list[int]) -> float:
    """Return how long the last epoch takes n processes, each on one of these cores, if any."""
    own = ["-c", ON_OWN_CORE, ",".join(map(str, cores))] if cores else ["-m", "catdog"]
    with tempfile.TemporaryDirectory() as run:
        line = [sys.executable, *own, "train", "improved", "--all", "--run", run]
        line += ["--data", str(folder), "--precision", "float32", "--epochs", str(epochs)]
        line += ["--batch-size", str(batch_size)]
        launching.run(line, n, stdout=subprocess.DEVNULL)
        log = max(Path(run).glob("epoch-*")) / "log.json"
        return json.loads(log.read_text("utf-8"))["seconds"][-1]


def summary(found: dict) -> str:
    """Say in a line a number of processes what `scaling` has found."""
    first = next(iter(found["runs"]))
    of = "one" if first == "1" else f"one of {first}"
    return "\n".join(
        f"{n:>2} processes, {found['each_has']} each: {run['images_per_second']['median']:,.0f} "
        f"({run['images_per_second']['low']:,.0f} to {run['images_per_second']['high']:,.0f}) "
        f"images/s, {run['efficiency']:.0%} of {n} times {of}"
        for n, run in found["runs"].items()
    )
