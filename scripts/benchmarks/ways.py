"""The article's way of training beside ours, from the photos' files to the trained network."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from benchmarks import isolation, throughput
from benchmarks.flops import flops_of
from catdog.core import hardware
from catdog.data import batching, manifests, pixel_cache
from catdog.evaluation import statistics
from catdog.training import optimizers, recipes


@dataclass(frozen=True)
class Way:
    """One way from photos on the disk to a trained network.

    Attributes:
        recipe: the network, its photos' size, the batches, the precision, the optimizer.
        legacy: the batches come from Keras's legacy generator, which decodes every photo in every
            epoch, with the article's augmentation, in a thread beside the training; else from this
            pipeline, decoded once.
    """

    recipe: recipes.Recipe
    legacy: bool = False

    @property
    def size(self) -> int:
        """Height and width of the photos in training; the largest, where the recipe has several."""
        return self.recipe.size(self.recipe.epochs) or self.recipe.decode_size


FAST = "ours, the fast recipe"
WAYS = {
    "the article's way": Way(recipes.ARTICLE, legacy=True),
    "ours, the same network": Way(
        replace(recipes.ARTICLE, batch_size=64, precision="fastest"),
    ),
    FAST: Way(recipes.FAST),
}
DECODE = "decode every photo, once"
STEP, TRAIN, PREDICT = "training step alone", "training", "prediction"
_TRAIN = """
import sys
from benchmarks import ways
from catdog.core import resources
ways.train_a_little(sys.argv[1], sys.argv[2], int(sys.argv[3]))
print(resources.peak_memory_gb())
"""


def everything(
    folder: str | Path,
    rounds: int = 5,
    trained: int = 1600,
    ways: tuple[str, ...] | None = None,
) -> dict:
    """Compare the article's way with ours, from the files to the trained network, side by side.

    Each way has all training photos. The ways take turns in every round, after a round that does
    not count. How fast batches are made, by the legacy generator and by this pipeline, is another
    measurement: `throughput.pipeline_speed`.

    Args:
        trained: photos a round, of training and prediction; at least eight batches.
        ways: names in `WAYS`, by default all; the ratios are to the first.

    Returns:
        ways {name: {network, parameters, size, decode_size, batch_size, precision,
        images_per_second {what: spread}, seconds_an_epoch (spread), flops {training, prediction}
        a photo, roofline
        (the same as a part of the rate of a matrix product in that precision), waiting (see
        `throughput.data_wait`), peak_memory_gb}}, ratios {name: {what: spread}}, gflops {dtype:
        rate of a matrix product}, photos (in an epoch).
    """
    photos = len(manifests.read(folder, "train"))
    ways = ways or tuple(WAYS)
    with contextlib.ExitStack() as stack:
        rigs = {name: stack.enter_context(_Rig(WAYS[name], folder, trained)) for name in ways}
        rates = {name: {what: [] for what in rig.measures} for name, rig in rigs.items()}
        products = {rig.dtype: [] for rig in rigs.values()}
        for warm in tqdm([True] + [False] * rounds, desc="rounds"):
            for what, name in itertools.product((DECODE, STEP, TRAIN, PREDICT), rigs):
                if what in rigs[name].measures:
                    rate = rigs[name].measures[what]()
                    if not warm:
                        rates[name][what].append(rate)
            for dtype, values in products.items():
                values.append(hardware.matrix_rate(dtype=dtype, seconds=0.3))
        gflops = {dtype: float(np.median(values)) for dtype, values in products.items()}
        found = {
            name: {
                **rig.found(rates[name], gflops[rig.dtype], photos),
                "peak_memory_gb": _memory_of_training(folder, name, trained),
            }
            for name, rig in rigs.items()
        }
    return {
        "what": "catdog bench",
        "trained": trained,
        "rounds": rounds,
        "photos": photos,
        "ways": found,
        "ratios": {
            name: {
                what: statistics.spread(np.array(rates[name][what]) / rates[ways[0]][what])
                for what in (STEP, TRAIN, PREDICT)
            }
            for name in ways[1:]
        },
        "gflops": gflops,
    }


def rows(record: dict) -> list[list[str]]:
    """Return the table of a record of `everything`, the names of the columns first."""
    ways = record["ways"]
    first = next(iter(ways))
    table = [["images/s", *ways]]
    for what in (STEP, TRAIN, PREDICT):
        cells = []
        for name, way in ways.items():
            text = f"{way['images_per_second'][what]['median']:,.0f}"
            if name != first:
                ratio = record["ratios"][name][what]
                text += f" = {ratio['median']:.1f} × ({ratio['low']:.1f} to {ratio['high']:.1f})"
            cells.append(text)
        table.append([what, *cells])
    for what, cell in (
        ("network", lambda way: f"{way['network']}, {way['parameters']:,} parameters"),
        (
            "photos, batch, precision",
            lambda way: "{size} pixels, {batch_size}, {precision}".format(**way),
        ),
        (DECODE, lambda way: _once(way, record["photos"])),
        ("an epoch", lambda way: f"{way['seconds_an_epoch']['median']:.0f} s"),
        ("part of it spent waiting for photos", lambda way: f"{way['waiting']['waiting']:.1%}"),
        (
            "operations a photo, in training",
            lambda way: f"{way['flops']['training'] / 1e9:.2f} × 10⁹",
        ),
        (
            "… a second, of those of a matrix product",
            lambda way: f"{way['roofline']['training']:.0%}",
        ),
        ("peak memory", lambda way: f"{way['peak_memory_gb']:.1f} GB"),
    ):
        table.append([what, *(cell(way) for way in ways.values())])
    return table


def _once(way: dict, photos: int) -> str:
    rate = way["images_per_second"].get(DECODE)
    if rate is None:
        return "anew in every epoch"
    return f"{photos / rate['median']:.0f} s, to {way['decode_size']} pixels"


def limit(record: dict) -> dict:
    """Compute from a record of `catdog bench` how fast its race could have been on its machine.

    Returns:
        seconds: training (the operations of the fast recipe at the rate of a matrix product),
        decoding (of all photos, at the measured rate), both; and trained, what training took.
    """
    way, found = record["ways"][FAST], record["accuracy"]
    epochs = sum(n * (size / way["size"]) ** 2 for n, size in recipes.FAST.progressive_sizes)
    operations = found["photos"] * epochs * way["flops"]["training"]
    training = operations / record["gflops"][way["precision"]] / 1e9
    photos = sum(sum(split.values()) for split in record["dataset"]["counts"].values())
    decoding = photos / way["images_per_second"][DECODE]["median"]
    return {
        "training": training,
        "decoding": decoding,
        "both": training + decoding,
        "trained": float(np.median([run["training_seconds"] for run in found["runs"]])),
    }


class _Rig(contextlib.AbstractContextManager):
    """All that is measured of one way: functions that return images/s, each for one round.

    Its pixels stand in a temporary folder, which is gone at the end of the `with`.
    """

    def __init__(self, way: Way, folder: str | Path, trained: int):
        self.way, self.folder = way, folder
        self.recipe = recipes.with_native_precision(way.recipe)
        self.batch_size = self.recipe.batch_size
        self.dtype = keras.dtype_policies.get(self.recipe.precision).compute_dtype
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.recipe.precision)
        try:
            self.model = self.recipe.build(way.size)
            optimizers.compile_model(self.model, self.recipe, 1000)
        finally:
            keras.config.set_dtype_policy(policy)
        self.steps = max(8, trained // self.batch_size)  # a few, however large the batches
        self.root = tempfile.TemporaryDirectory()
        self.measures = {STEP: self._step, TRAIN: self._train, PREDICT: self._predict}
        if not way.legacy:
            self.pixels, self.labels = self._load(self.root.name)
            self.measures[DECODE] = self._decode
        with self.batches() as batches:
            self.x, self.y = (np.array(part) for part in next(iter(batches)))

    def __exit__(self, *_):
        self.pixels = None  # a mapped file cannot be deleted everywhere
        self.root.cleanup()

    def batches(self):
        """Endless training batches: the article's anew from the files, ours decoded before.

        They are for a `with`.
        """
        photos = manifests.read(self.folder, "train")
        photos = photos[: max(1, len(photos) // self.batch_size) * self.batch_size]  # full batches
        if self.way.legacy:
            return throughput.ahead(
                throughput.legacy(self.folder, self.way.size, photos, **throughput.ARTICLES)
            )
        sizes = (lambda epoch: self.way.size) if self.recipe.progressive_sizes else None
        return contextlib.nullcontext(
            batching.training_batches(
                self.pixels[: len(photos)],
                self.labels[: len(photos)],
                self.batch_size,
                self.recipe.augmentation,
                sizes=sizes,
            )
        )

    def found(self, rates: dict, product: float, photos: int) -> dict:
        """What `everything` says of this way, but for its memory."""
        flops = {"training": flops_of(self.model, self.way.size, True)}
        flops["prediction"] = flops_of(self.model, self.way.size)
        of = {"training": np.median(rates[STEP]), "prediction": np.median(rates[PREDICT])}
        with self.batches() as batches:
            waiting = throughput.data_wait(self.model, batches, self.steps, throughput.WARM)
        return {
            "network": self.model.name,
            "parameters": self.model.count_params(),
            "size": self.way.size,
            "decode_size": self.recipe.decode_size,
            "batch_size": self.batch_size,
            "precision": self.dtype,
            "images_per_second": {
                what: statistics.spread(values) for what, values in rates.items()
            },
            "seconds_an_epoch": statistics.spread(photos / np.array(rates[TRAIN])),
            "flops": flops,
            "roofline": {do: float(flops[do] * of[do] / product / 1e9) for do in flops},
            "waiting": waiting,
        }

    def _load(self, root: str) -> tuple[np.ndarray, np.ndarray]:
        how = {"root": root, "progress": False, "nearest": self.recipe.nearest}
        return pixel_cache.load(self.folder, "train", self.recipe.decode_size, **how)[:2]

    def _decode(self) -> float:
        with tempfile.TemporaryDirectory() as root:
            started = time.perf_counter()
            n = len(self._load(root)[0])
            return n / (time.perf_counter() - started)

    def _repeat(self, function: Callable) -> float:
        started = time.perf_counter()
        for _ in range(self.steps):
            function()
        return self.steps * len(self.x) / (time.perf_counter() - started)

    def _step(self) -> float:
        return self._repeat(lambda: self.model.train_on_batch(self.x, self.y))

    def _predict(self) -> float:
        return self._repeat(lambda: self.model.predict_on_batch(self.x))

    def _train(self) -> float:
        with self.batches() as batches:
            return throughput.fit_rate(self.model, batches, self.batch_size, self.steps)


def train_a_little(folder: str | Path, name: str, n: int) -> None:
    """Train in one way for n photos, with what belongs to it and nothing else."""
    with _Rig(WAYS[name], folder, n) as rig:
        rig.measures[TRAIN]()


def _memory_of_training(folder: str | Path, name: str, n: int) -> float:
    """Peak memory in GB of a process that trains in one way, for n photos."""
    return round(
        float(isolation.run_in_subprocess(_TRAIN, folder, name, n, what=f"training in {name}")), 2
    )
