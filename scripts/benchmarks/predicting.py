"""The speed of `catdog predict`, of an earlier commit beside today's, each in its own process."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from benchmarks import isolation
from catdog import CatDogError, no_bar
from catdog.core import paths
from catdog.data import manifests
from catdog.evaluation.statistics import spread, wilson

WAYS = ("before", "now")


@contextmanager
def _trees(commit: str) -> Iterator[dict[str, Path]]:
    """Yield the folders of both: the commit's code and models in a temporary one, and this."""
    archive = ["git", "archive", commit, "scripts", "models"]
    done = subprocess.run(archive, cwd=paths.ROOT, capture_output=True)
    if done.returncode:
        raise CatDogError(f"no commit {commit} here: name one of `git log`, in a clone with git.")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)  # since Python 3.11.4
            tar.extractall(folder)
        yield {"before": Path(folder), "now": paths.ROOT}


# A process begins with the peak memory of the one that starts it: so a small one does that.
_LAUNCHER = """
import json, os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
seconds, cpu = time.perf_counter() - started, used.ru_utime + used.ru_stime
unit = 1 if sys.platform == "darwin" else 1024
peak = used.ru_maxrss * unit / 1e9
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_memory_gb": peak}))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _predict(tree: Path, photos: Sequence[str | Path], out: Path) -> dict[str, float]:
    """Run `catdog predict` in a process of its own.

    Returns:
        its seconds, by the clock and of all cores, and its peak memory in GB.
    """
    command = [sys.executable, "-m", "catdog", "predict", *map(str, photos), "--csv", str(out)]
    environment = os.environ | {"PYTHONPATH": str(tree / "scripts"), "CATDOG_HOME": str(tree)}
    said = isolation.run_in_subprocess(_LAUNCHER, *command, what="catdog predict", env=environment)
    return json.loads(said)


def measure(
    folder: str | Path, commit: str, rounds: int = 5, n: int = 400, progress: bool = True
) -> dict:
    """Compare both on validation photos: one from a cold start, some as a folder, in turns.

    Then each is asked about all of them, once, and how many it gets right. Photos that have been
    read before are in the system's cache for both.

    Args:
        commit: with which the shipped model may be another one, too.
        n: how many photos make the folder, of the validation photos, drawn at random.

    Returns:
        of each way under "one" and "folder" spreads of seconds, processor seconds, photos a second
        and peak memory; "ratio" of photos a second, and of the seconds of one; "accuracy".
    """
    photos = manifests.read(folder, "validation")
    truth = {str(manifests.path_of(folder, p).absolute()): p.label for p in photos}
    some = [str(name) for name in np.random.default_rng(1).permutation(list(truth))]
    n = min(n, len(some))
    found: dict[str, dict[str, list]] = {way: {} for way in WAYS}
    accuracy = {}
    with _trees(commit) as trees, tempfile.TemporaryDirectory() as work:
        bar = tqdm(total=2 * (rounds + 2), desc="runs", disable=no_bar(progress))
        for count in range(rounds + 1):
            for way, tree in trees.items():
                out = Path(work) / f"{way}-{count}"
                one = _predict(tree, some[:1], out.with_suffix(".one.csv"))
                many = _predict(tree, some[:n], out.with_suffix(".many.csv"))
                if count:  # the first round warms up
                    for name, run in (("one", one), ("folder", many)):
                        for key, value in run.items():
                            found[way].setdefault(f"{name} {key}", []).append(value)
                bar.update()
        for way, tree in trees.items():
            out = Path(work) / f"{way}-all.csv"
            _predict(tree, some, out)
            accuracy[way] = _right(out, truth)
            bar.update()
        bar.close()
    rates = {way: n / np.array(found[way]["folder seconds"]) for way in WAYS}
    return {
        "what": f"catdog bench predict --before {commit} --rounds {rounds} -n {n}",
        "rounds": rounds,
        "photos": n,
        **{way: {key: spread(values) for key, values in found[way].items()} for way in WAYS},
        "images_per_second": {way: spread(rates[way]) for way in WAYS},
        "ratio": {
            "folder": spread(rates["now"] / rates["before"]),
            "one": spread(
                np.array(found["before"]["one seconds"]) / np.array(found["now"]["one seconds"])
            ),
        },
        "accuracy": accuracy,
    }


def _right(out: Path, truth: dict[str, str]) -> dict:
    """How many answers of a CSV file are right, with "neither" judged by its probability."""
    with open(out, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    guess = {row["photo"]: float(row["probability_of_dog"]) >= 0.5 for row in rows}
    right = sum((label == "dog") == guess[name] for name, label in truth.items())
    neither = sum(row["label"] == "neither" for row in rows)
    n = len(truth)
    return {"n": n, "accuracy": right / n, "interval": wilson(right, n), "neither": neither}


def memory(numbers: Sequence[int] = (1_000, 100_000)) -> dict[int, float]:
    """Return the peak memory in GB of asking about so many small pictures, all of the same bytes.

    The network is a very small one: what is measured is the way around it.
    """
    import keras

    from catdog.models import export

    keras.utils.set_random_seed(1)
    taken = keras.Input((8, 8, 3))
    answer = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(taken))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        model, picture = Path(folder) / "tiny.onnx", Path(folder) / "0.png"
        export.export(keras.Model(taken, answer), model)
        Image.new("RGB", (8, 8), "orange").save(picture)
        for n in numbers:
            inside = Path(folder) / str(n)
            inside.mkdir()
            for i in range(n):
                shutil.copyfile(picture, inside / f"{i}.png")
            arguments: list[str | Path] = [inside, "--model", model]
            used = _predict(paths.ROOT, arguments, Path(folder) / f"{n}.csv")
            found[n] = round(used["peak_memory_gb"], 3)
    return found


def summary(found: dict) -> str:
    """Say in lines what `measure` has found."""
    lines = []
    for way in WAYS:
        one, right = found[way], found["accuracy"][way]
        lines.append(
            f"{way:7} one photo {one['one seconds']['median']:.2f} s "
            f"({one['one cpu_seconds']['median']:.2f} s of processor time), a folder "
            f"{found['images_per_second'][way]['median']:.1f} images/s, "
            f"{right['accuracy']:.2%} of {right['n']:,} right"
        )
    for name, ratio in found["ratio"].items():
        lines.append(
            f"{name}: {ratio['median']:.1f} times as fast ({ratio['low']:.1f} to "
            f"{ratio['high']:.1f})"
        )
    return "\n".join(lines)
