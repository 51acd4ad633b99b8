"""Measure speed side by side, in one run, as ratios."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from catdog import CatDogError, data, hardware, pipeline, training, usage


def _rate(batches, n: int) -> float:
    """Images a second over one pass; bytes are scaled to [0, 1] as a network would get them."""
    started = time.perf_counter()
    seen, scaled = 0, None
    for x in batches:
        x = x[0] if isinstance(x, tuple) else x
        if x.dtype == np.uint8:
            scaled = np.empty(x.shape, np.float32) if scaled is None else scaled
            np.multiply(x, np.float32(1 / 255), out=scaled[: len(x)])
        seen += len(x)
        if seen >= n:
            break
    return seen / (time.perf_counter() - started)


def legacy(folder: str | Path, size: int, **how):
    """Batches of 32 training photos in [0, 1] as the article got them, augmented as `how` says."""
    try:
        from keras.src.legacy.preprocessing.image import ImageDataGenerator
    except ImportError:
        raise CatDogError("This Keras has no legacy ImageDataGenerator to compare with.") from None
    generator = ImageDataGenerator(rescale=1 / 255, **how)
    with contextlib.redirect_stdout(io.StringIO()):
        return generator.flow_from_directory(
            Path(folder) / "train",
            target_size=(size, size),
            interpolation="bilinear",
            batch_size=32,
            seed=1,
        )


ARTICLES = {"shear_range": 0.2, "zoom_range": 0.2, "horizontal_flip": True}


def spread(values) -> dict:
    """Return the median, the lowest and the highest of some measurements."""
    return {
        "median": float(np.median(values)),
        "low": float(min(values)),
        "high": float(max(values)),
    }


def pipeline_speed(folder: str | Path, n: int = 2000, rounds: int = 5) -> dict:
    """Compare the input pipeline with Keras's legacy `ImageDataGenerator`, doing the same work.

    Both read the same JPEG files, resize them to 150×150, apply the article's augmentation (shear
    0.2, zoom 0.2, mirror) and give float32 batches of 32 in [0, 1]. The ways take turns, so that a
    change of the machine's mood hits all alike.

    Returns:
        images_per_second {way: spread}, and the ratios ratio_plain, ratio_augmented and, of the
        passes after the first, which need not decode again, ratio_later (spreads), where
        a spread is {"median", "low", "high"} over the rounds

    Raises:
        CatDogError: the installed Keras no longer has the legacy generator.
    """
    photos = data.manifest(folder, "train")[:: max(1, len(data.manifest(folder, "train")) // n)][:n]
    paths = [str(data.path_of(folder, photo)) for photo in photos]

    images = np.concatenate(list(pipeline.file_batches(paths)))
    memory = images, np.zeros(len(images), np.int32)
    ways = {
        "legacy generator: decode, resize": lambda: legacy(folder, pipeline.SIZE),
        "this pipeline: decode, resize": lambda: pipeline.file_batches(paths),
        "legacy generator: decode, resize, augment": lambda: legacy(
            folder, pipeline.SIZE, **ARTICLES
        ),
        "this pipeline: decode, resize, augment": lambda: pipeline.file_batches(
            paths, augmentation=pipeline.ARTICLE
        ),
        "this pipeline: augment, decoded before": lambda: pipeline.training_batches(
            *memory
        ).as_numpy_iterator(),
    }
    rates = {name: [] for name in ways}
    for _ in tqdm(range(rounds), desc="rounds"):
        for name, make in ways.items():
            rates[name].append(_rate(make(), len(paths)))

    old, old_augmented = (np.array(rates[name]) for name in list(ways)[0:3:2])
    new, new_augmented = (np.array(rates[name]) for name in list(ways)[1:4:2])
    later = np.array(rates["this pipeline: augment, decoded before"])
    return {
        "what": "catdog bench pipeline",
        "n": len(paths),
        "rounds": rounds,
        "images_per_second": {name: spread(values) for name, values in rates.items()},
        "ratio_plain": spread(new / old),
        "ratio_augmented": spread(new_augmented / old_augmented),
        "ratio_later": spread(later / old_augmented),
    }


FEATURES = {
    "vgg16": {"size": 150, "weights": None},  # random ones compute as fast as the trained
    "efficientnet-lite0": {"size": 224, "weights": "imagenet"},
    "efficientnet-lite2": {"size": 260, "weights": "imagenet"},
}
_PEAK = """
import json, sys
from catdog import features
features.extract(progress=False, **json.loads(sys.argv[1]))
from catdog import usage
print(usage.peak_memory_gb())
"""


def feature_speed(folder: str | Path, n: int = 256, rounds: int = 3) -> dict:
    """Compare the extraction of features with the article's way, for the same backbones.

    The article's way: Keras's legacy generator, 1/255, batches of 32, `predict` in float32. Ours:
    `features.extract`'s. Both from JPEG files to features, the network built before the clock
    starts; they take turns. The peak memory is that of a process that extracts the maps, not
    averaged, and nothing else: for 4 n photos, and, with the smallest backbone at 64×64 pixels,
    for all photos.

    Returns:
        backbones {name: {size, way, images_per_second {way: spread}, ratio (spread),
        peak_memory_gb}}, and peak_memory_gb_of_all with n_of_all.
    """
    from catdog import backbones, features

    photos = data.manifest(folder, "train")[:n]
    paths = [data.path_of(folder, photo) for photo in photos]
    found = {}
    for name, how in FEATURES.items():
        size = how["size"]
        compute = features.runner(name, size, False, how["weights"])
        model = backbones.build(name, size, how["weights"])

        def ours(compute=compute, size=size):
            for batch in pipeline.file_batches(paths, 32, size):
                compute(batch)

        def articles(model=model, size=size):
            model.predict(legacy(folder, size), steps=-(-len(paths) // 32), verbose=0)

        rates = {"the article's way": [], "features.extract": []}
        for warm in tqdm([True] + [False] * rounds, desc=name):
            for way, run in zip(rates, (articles, ours), strict=True):
                started = time.perf_counter()
                run()
                if not warm:
                    rates[way].append(len(paths) / (time.perf_counter() - started))
        old, new = map(np.array, rates.values())
        found[name] = {
            "size": size,
            "way": features.way(name),
            "images_per_second": {way: spread(values) for way, values in rates.items()},
            "ratio": spread(new / old),
            "peak_memory_gb": _peak_memory(folder, name, size, how["weights"], 4 * n),
        }
    every = len(data.manifest(folder))
    return {
        "what": "catdog bench features",
        "n": len(paths),
        "rounds": rounds,
        "backbones": found,
        "n_of_all": every,
        "peak_memory_gb_of_all": _peak_memory(folder, "efficientnet-lite0", 64, "imagenet", None),
    }


def _peak_memory(folder, backbone: str, size: int, weights: str | None, n: int | None) -> float:
    """Peak memory in GB of a process that extracts the features of n photos, or of all."""
    with tempfile.TemporaryDirectory() as root:
        how = {"folder": str(folder), "split": None, "backbone": backbone, "size": size}
        how |= {"weights": weights, "pool": False, "root": root, "limit": n}
        what = f"the extraction with {backbone}"
        return round(float(usage.said_by(_PEAK, json.dumps(how), what=what)), 2)


@dataclass(frozen=True)
class Way:
    """One way from photos on the disk to a trained network.

    Attributes:
        recipe: the network, its photos' size, the batches, the precision, the optimizer.
        legacy: the batches come from Keras's legacy generator, which decodes every photo in every
            epoch, with the article's augmentation; else from this pipeline, decoded once.
    """

    recipe: training.Recipe
    legacy: bool = False

    @property
    def size(self) -> int:
        """Height and width of the photos in training; the largest, where the recipe has several."""
        return self.recipe.size(self.recipe.epochs) or self.recipe.decoded


WAYS = {
    "the article's way": Way(training.ARTICLE, legacy=True),
    "ours, the same network": Way(
        replace(training.ARTICLE, batch_size=64, precision="fastest"),
    ),
    "ours, the fast recipe": Way(training.FAST),
}
DECODE, FIRST, LATER = "decode, resize", "decode, resize, augment", "batches of a later epoch"
STEP, TRAIN, PREDICT = "training step alone", "training", "prediction"
_TRAIN = """
import sys
from catdog import bench, usage
bench.train_a_little(sys.argv[1], sys.argv[2], int(sys.argv[3]))
print(usage.peak_memory_gb())
"""


def everything(
    folder: str | Path,
    n: int = 1500,
    rounds: int = 5,
    trained: int = 480,
    ways: tuple[str, ...] | None = None,
) -> dict:
    """Compare the article's way with ours, from the files to the trained network, side by side.

    The ways take turns in every round, after a round that does not count.

    Args:
        n: photos a round, of decoding and augmentation.
        trained: photos a round, of training and prediction; at least eight batches.
        ways: names in `WAYS`, by default all; the ratios are to the first.

    Returns:
        ways {name: {network, parameters, size, batch_size, precision, images_per_second {what:
        spread}, seconds_an_epoch (spread), flops {training, prediction} a photo, roofline (the
        same as a part of the rate of a matrix product in that precision), waiting (see
        `data_wait`), peak_memory_gb}}, ratios {name: {what: spread}}, gflops {dtype: rate of a
        matrix product}, photos (in an epoch).
    """
    photos = data.manifest(folder, "train")
    chosen = photos[:: max(1, len(photos) // n)][:n]
    ways = ways or tuple(WAYS)
    rigs = {name: _Rig(WAYS[name], folder, chosen, trained) for name in ways}
    rates = {name: {what: [] for what in rig.measures} for name, rig in rigs.items()}
    products = {rig.dtype: [] for rig in rigs.values()}
    for warm in tqdm([True] + [False] * rounds, desc="rounds"):
        for what in (DECODE, FIRST, LATER, STEP, TRAIN, PREDICT):
            for name, rig in rigs.items():
                if what in rig.measures:
                    rate = rig.measures[what]()
                    if not warm:
                        rates[name][what].append(rate)
        for dtype, values in products.items():
            values.append(hardware.matrix_rate(dtype=dtype, seconds=0.3))
    gflops = {dtype: float(np.median(values)) for dtype, values in products.items()}
    found = {}
    for name, rig in rigs.items():
        flops = {"training": flops_of(rig.model, rig.way.size, True)}
        flops["prediction"] = flops_of(rig.model, rig.way.size)
        medians = {what: float(np.median(values)) for what, values in rates[name].items()}
        of = {"training": medians[STEP], "prediction": medians[PREDICT]}
        found[name] = {
            "network": rig.model.name,
            "parameters": rig.model.count_params(),
            "size": rig.way.size,
            "batch_size": rig.way.recipe.batch_size,
            "precision": rig.dtype,
            "images_per_second": {what: spread(values) for what, values in rates[name].items()},
            "seconds_an_epoch": spread(len(photos) / np.array(rates[name][TRAIN])),
            "flops": flops,
            "roofline": {do: flops[do] * of[do] / gflops[rig.dtype] / 1e9 for do in flops},
            "waiting": data_wait(rig.model, rig.batches(), max(8, rig.steps)),
            "peak_memory_gb": _memory_of_training(folder, name, trained),
        }
    first = rates[ways[0]]
    return {
        "what": "catdog bench",
        "n": len(chosen),
        "trained": trained,
        "rounds": rounds,
        "photos": len(photos),
        "ways": found,
        "ratios": {
            name: {
                what: spread(np.array(values) / first.get(what, first[FIRST]))
                for what, values in rates[name].items()
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
    for what in (DECODE, FIRST, LATER, STEP, TRAIN, PREDICT):
        cells = []
        for name, way in ways.items():
            rate = way["images_per_second"].get(what)
            text = f"{rate['median']:,.0f}" if rate else "as in the first"
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
        ("decoding, once", lambda way: _once(way, record["photos"])),
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
    rates = way["images_per_second"]
    return f"{photos / rates[DECODE]['median']:.0f} s" if LATER in rates else "anew in every epoch"


class _Rig:
    """All that is measured of one way: functions that return images/s, each for one round."""

    def __init__(self, way: Way, folder, chosen: list[data.Photo], trained: int):
        self.way, self.folder = way, folder
        paths = [data.path_of(folder, photo) for photo in chosen]
        recipe = training.resolved(way.recipe)
        self.batch_size, self.augmentation = recipe.batch_size, recipe.augmentation
        self.dtype = keras.dtype_policies.get(recipe.precision).compute_dtype
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(recipe.precision)
        try:
            self.model = recipe.build(way.size)
            training.compile_model(self.model, recipe, 1000)
        finally:
            keras.config.set_dtype_policy(policy)
        self.steps = max(8, trained // self.batch_size)  # a few, however large the batches
        if way.legacy:  # one pass over the photos is all it has for a call of fit
            photos = len(data.manifest(folder, "train"))
            self.steps = max(1, min(self.steps, photos // self.batch_size))
            self.measures = {
                DECODE: lambda: _rate(legacy(folder, way.size), len(paths)),
                FIRST: lambda: _rate(self.batches(), len(paths)),
            }
        else:
            self.decoded = np.concatenate(list(pipeline.file_batches(paths, size=recipe.decoded)))
            self.labels = pipeline.labels_of(chosen)
            self.measures = {
                DECODE: lambda: _rate(self._files(paths, None), len(paths)),
                FIRST: lambda: _rate(self._files(paths, recipe.augmentation), len(paths)),
                LATER: lambda: _rate(self.batches().as_numpy_iterator(), len(paths)),
            }
        self.measures |= {STEP: self._step, TRAIN: self._train, PREDICT: self._predict}
        self.x, self.y = (np.array(part) for part in next(iter(self.batches())))

    def batches(self):
        """Endless training batches: the article's anew from the files, ours decoded before."""
        if self.way.legacy:
            return legacy(self.folder, self.way.size, **ARTICLES)
        sizes = (lambda epoch: self.way.size) if self.way.recipe.sizes else None
        return pipeline.training_batches(
            self.decoded, self.labels, self.batch_size, self.augmentation, sizes=sizes
        )

    def _files(self, paths, augmentation):
        return pipeline.file_batches(paths, size=self.way.size, augmentation=augmentation)

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
        batches = self.batches()
        started = time.perf_counter()
        self.model.fit(batches, steps_per_epoch=self.steps, shuffle=self.way.legacy, verbose=0)
        return self.steps * self.batch_size / (time.perf_counter() - started)


def train_a_little(folder: str | Path, name: str, n: int) -> None:
    """Train in one way for n photos, with what belongs to it and nothing else."""
    _Rig(WAYS[name], folder, data.manifest(folder, "train")[:n], n).measures[TRAIN]()


def _memory_of_training(folder: str | Path, name: str, n: int) -> float:
    """Peak memory in GB of a process that trains in one way, for n photos."""
    return round(float(usage.said_by(_TRAIN, folder, name, n, what=f"training in {name}")), 2)


def data_wait(model: keras.Model, batches: Iterable, steps: int = 50) -> dict:
    """Measure how long the training of a compiled model waits for its batches.

    Args:
        batches: pairs of photos and labels, as from `pipeline.training_batches`.
        steps: of which five before them, with the compilation, do not count.

    Returns:
        waiting: the part of the time between the steps, in [0, 1], in which the next batch was
            not there yet.
        seconds_a_step: with its wait; and seconds_a_repeated_step, the same batch again and again:
            what the two differ by is the wait, and the cores that making batches takes from the
            steps.
        steps.
    """
    batches = iter(getattr(batches, "as_numpy_iterator", lambda: batches)())
    waited, worked = [], []
    for step in range(-5, steps):
        started = time.perf_counter()
        x, y = next(batches)
        there = time.perf_counter()
        model.train_on_batch(x, y)  # returns the loss, and so waits for it
        if step >= 0:
            waited.append(there - started)
            worked.append(time.perf_counter() - there)
    started = time.perf_counter()
    for _ in range(steps):
        model.train_on_batch(x, y)
    return {
        "steps": steps,
        "waiting": sum(waited) / (sum(waited) + sum(worked)),
        "seconds_a_step": (sum(waited) + sum(worked)) / steps,
        "seconds_a_repeated_step": (time.perf_counter() - started) / steps,
    }


def flops_of(model: keras.Model, size: int | None = None, training: bool = False) -> int:
    """Count the operations that a photo takes in the convolutions and dense layers.

    A product and a sum are two operations; activations, normalization and pooling are left out.

    Args:
        size: height and width of the photo, for a network that takes any.
        training: a step: forward, then backward to the weights and, but for the first layer, to
            what came in, each of which costs as much as forward.
    """
    shape = (None, size or model.input_shape[1], size or model.input_shape[2], 3)
    costs = _layer_flops(model, shape)
    return 3 * sum(costs) - costs[0] if training else sum(costs)


def _layer_flops(model: keras.Model, shape: tuple) -> list[int]:
    """Operations of each layer that multiplies, in their order, for an input of this shape."""
    if None in model.input_shape[1:]:
        model = keras.models.clone_model(model, keras.Input(shape[1:]))
    costs = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            costs += _layer_flops(layer, layer.input_shape)
            continue
        kernels = [w for w in layer.weights if "kernel" in w.name]
        if kernels:
            where = layer.output.shape[1:-1]  # () after Flatten, else (h, w)
            costs.append(sum(2 * int(np.prod(w.shape)) for w in kernels) * int(np.prod(where)))
    return costs
