"""Measure speed side by side, in one run, as ratios."""

from __future__ import annotations

import contextlib
import io
import json
import math
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from benchmarks import isolation
from catdog import CatDogError
from catdog.data import augmentation, batching, imaging, manifests
from catdog.evaluation import statistics

WARM = 20  # training steps that do not count: more than the batches that are made ahead
# The article's augmentation as its Keras, 2.0.8, did it: radians, and the nearest pixel
ARTICLES = {
    "shear_range": math.degrees(0.2),
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "interpolation_order": 0,
}


def legacy(folder: str | Path, size: int, photos: list[manifests.Photo] | None = None, **how):
    """Return endless batches of 32 photos as the article got them, made when they are asked for.

    They come from Keras's legacy `ImageDataGenerator` with its defaults: photos resized to the
    nearest pixel, shuffled anew in each pass.

    Args:
        photos: lines of the manifest; by default all training photos. They are listed here, before
            the first batch is asked for.
        how: augmentation, as `ARTICLES`; by default none.

    Returns:
        an iterator of pairs: float32 (b, size, size, 3) in [0, 1], one-hot float32 (b, 2).

    Raises:
        CatDogError: the installed Keras no longer has the legacy generator.
    """
    try:
        from keras.src.legacy.preprocessing.image import ImageDataGenerator
    except ImportError:
        raise CatDogError("This Keras has no legacy ImageDataGenerator to compare with.") from None
    photos = manifests.read(folder, "train") if photos is None else photos
    files = [str(manifests.path_of(folder, photo)) for photo in photos]
    table = pd.DataFrame({"filename": files, "class": [photo.label for photo in photos]})
    with contextlib.redirect_stdout(io.StringIO()):
        return ImageDataGenerator(rescale=1 / 255, **how).flow_from_dataframe(
            table,
            target_size=(size, size),
            classes=list(manifests.LABELS),
            batch_size=32,
            seed=1,
            validate_filenames=False,
        )


@contextlib.contextmanager
def ahead(batches: Iterator, n: int = 10):
    """Have one thread make endless batches, up to n ahead of what is used; give the generator.

    So did `fit_generator` of Keras 2.0.8 by default: workers=1, max_queue_size=10
    (`GeneratorEnqueuer` in its `utils/data_utils.py`). Today's Keras makes them in turn with the
    training where the backend does not work ahead by itself, as on JAX. At the end of the `with`
    the thread has stopped.
    """
    with ThreadPoolExecutor(1) as thread:
        made = deque(thread.submit(next, batches) for _ in range(n))

        def each():
            while True:
                batch = made.popleft().result()
                made.append(thread.submit(next, batches))
                yield batch

        try:
            yield each()
        finally:
            thread.shutdown(cancel_futures=True)


class _Clock(keras.callbacks.Callback):
    """Note when each training step ended."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())


def fit_rate(model: keras.Model, batches: Iterable, batch_size: int, steps: int) -> float:
    """Train a compiled model; return the photos a second, its input's making and all.

    The first `WARM` steps are left out: what was made ahead of them, and the compilation, do not
    count.
    """
    clock = _Clock()
    model.fit(batches, steps_per_epoch=WARM + steps, shuffle=False, verbose=0, callbacks=[clock])
    return steps * batch_size / (clock.ends[-1] - clock.ends[WARM - 1])


def _rate(batches: Iterable, n: int) -> float:
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


def _some(folder: str | Path, n: int | None) -> list[manifests.Photo]:
    """n training photos, or all, in a random order: the same for the same n."""
    photos = manifests.read(folder, "train")
    return [photos[i] for i in np.random.default_rng(1).permutation(len(photos))[:n]]


OLD, NEW = "legacy generator", "this pipeline"


def pipeline_speed(folder: str | Path, n: int | None = None, rounds: int = 5) -> dict:
    """Compare the input pipeline with Keras's legacy `ImageDataGenerator`, doing the same work.

    Both read the same JPEG files, resize them to 150×150 by the nearest pixel, apply the article's
    augmentation (shear 0.2 radians, zoom 0.2, mirror) and give float32 batches of 32 in [0, 1]. The
    files are listed before the clock starts. The ways take turns, so that a change of the machine's
    mood hits all alike; a first round does not count.

    Args:
        n: so many of the training photos, at random; by default all.

    Returns:
        n, rounds, images_per_second {way: spread}, and the ratios ratio_plain, ratio_augmented and,
        of the passes after the first, which need not decode again, ratio_later (spreads), where
        a spread is {"median", "low", "high"} over the rounds

    Raises:
        CatDogError: the installed Keras no longer has the legacy generator.
    """
    photos = _some(folder, n)
    paths = [manifests.path_of(folder, photo) for photo in photos]
    images = np.concatenate(list(batching.file_batches(paths, nearest=True)))
    memory = images, np.zeros(len(images), np.int32)
    ways = {
        f"{OLD}: decode, resize": lambda: legacy(folder, imaging.SIZE, photos),
        f"{NEW}: decode, resize": lambda: batching.file_batches(paths, nearest=True),
        f"{OLD}: decode, resize, augment": lambda: legacy(folder, imaging.SIZE, photos, **ARTICLES),
        f"{NEW}: decode, resize, augment": lambda: batching.file_batches(
            paths, augmentation=augmentation.ARTICLE
        ),
        f"{NEW}: augment, decoded before": lambda: batching.training_batches(
            *memory
        ).as_numpy_iterator(),
    }
    rates = {name: [] for name in ways}
    for warm in tqdm([True] + [False] * rounds, desc="rounds"):
        for name, make in ways.items():
            rate = _rate(make(), len(paths))
            if not warm:
                rates[name].append(rate)
    old, new, old_augmented, new_augmented, later = map(np.array, rates.values())
    return {
        "what": "catdog bench pipeline",
        "n": len(paths),
        "rounds": rounds,
        "images_per_second": {name: statistics.spread(values) for name, values in rates.items()},
        "ratio_plain": statistics.spread(new / old),
        "ratio_augmented": statistics.spread(new_augmented / old_augmented),
        "ratio_later": statistics.spread(later / old_augmented),
    }


FEATURES = {
    "vgg16": {"size": 150, "weights": None},  # random ones compute as fast as the trained
    "efficientnet-lite0": {"size": 224, "weights": "imagenet"},
    "efficientnet-lite2": {"size": 260, "weights": "imagenet"},
}
_PEAK = """
import json, sys
from catdog.models import features
features.extract(progress=False, **json.loads(sys.argv[1]))
from catdog.core import resources
print(resources.peak_memory_gb())
"""


def summary_of_pipeline(found: dict) -> str:
    """Say in lines what `pipeline_speed` has found."""
    lines = [
        f"{name:44} {way['median']:8,.0f} images/s ({way['low']:,.0f} to {way['high']:,.0f})"
        for name, way in found["images_per_second"].items()
    ]
    for name in ("plain", "augmented", "later"):
        ratio = found[f"ratio_{name}"]
        lines.append(
            f"ratio, {name}: {ratio['median']:.1f} times the legacy generator "
            f"({ratio['low']:.1f} to {ratio['high']:.1f})"
        )
    return "\n".join(lines)


def feature_speed(folder: str | Path, n: int = 512, rounds: int = 3) -> dict:
    """Compare the extraction of features with the article's way, for the same backbones.

    The article's way: Keras's legacy generator in a thread of its own (see `ahead`), 1/255, batches
    of 32, `predict` in float32. Ours: `features.extract`'s. Both from the same n JPEG files to
    features, the network built and the files listed before the clock starts; they take turns.
    The peak memory is that of a process that extracts the maps, not averaged, and nothing else: for
    4 n photos, and, with the smallest backbone at 64×64 pixels, for all photos.

    Returns:
        backbones {name: {size, way, images_per_second {way: spread}, ratio (spread),
        peak_memory_gb}}, and peak_memory_gb_of_all with n_of_all.
    """
    from catdog.models import backbones, features

    photos = _some(folder, n)
    paths = [manifests.path_of(folder, photo) for photo in photos]
    found = {}
    for name, how in FEATURES.items():
        size = how["size"]
        compute = features.runner(name, size, False, how["weights"])
        model = backbones.build(name, size, how["weights"])

        def ours(compute=compute, size=size):
            for batch in batching.file_batches(paths, 32, size):
                compute(batch)

        def articles(batches, model=model):
            with ahead(batches) as batches:
                model.predict(batches, steps=-(-len(paths) // 32), verbose=0)

        rates = {"the article's way": [], "features.extract": []}
        for warm in tqdm([True] + [False] * rounds, desc=name):
            listed = legacy(folder, size, photos)
            for way, run in zip(rates, (partial(articles, listed), ours), strict=True):
                started = time.perf_counter()
                run()
                if not warm:
                    rates[way].append(len(paths) / (time.perf_counter() - started))
        old, new = map(np.array, rates.values())
        found[name] = {
            "size": size,
            "way": features.compute_precision(name),
            "images_per_second": {way: statistics.spread(values) for way, values in rates.items()},
            "ratio": statistics.spread(new / old),
            "peak_memory_gb": _peak_memory(folder, name, size, how["weights"], 4 * n),
        }
    every = len(manifests.read(folder))
    return {
        "what": "catdog bench features",
        "n": len(paths),
        "rounds": rounds,
        "backbones": found,
        "n_of_all": every,
        "peak_memory_gb_of_all": _peak_memory(folder, "efficientnet-lite0", 64, "imagenet", None),
    }


def summary_of_features(found: dict) -> str:
    """Say in lines what `feature_speed` has found."""
    lines = []
    for name, one in found["backbones"].items():
        old, new = (way["median"] for way in one["images_per_second"].values())
        ratio = one["ratio"]
        lines.append(
            f"{name}, {one['size']} pixels: {new:.1f} images/s, the article's way {old:.1f}: "
            f"{ratio['median']:.1f} times ({ratio['low']:.1f} to {ratio['high']:.1f}); "
            f"peak memory {one['peak_memory_gb']} GB"
        )
    n, peak = found["n_of_all"], found["peak_memory_gb_of_all"]
    return "\n".join([*lines, f"{n:,} photos at 64 pixels: peak memory {peak} GB"])


def extraction_rate(
    folder: str | Path,
    backbone: str,
    size: int | None = None,
    n: int = 64,
    rounds: int = 3,
    weights: str | Path | None = "imagenet",
) -> dict:
    """Measure how fast `features.extract` is here, from JPEG files to averaged features.

    The network is built, and has computed once, before the clock starts.

    Returns:
        images_per_second {median, low, high} of the rounds, cpu_seconds_per_image (the least
        of them; all cores added up, which other work at the same time changes less), way, n.
    """
    from catdog.models import backbones, features

    size = size or backbones.spec(backbone).size
    photos = manifests.read(folder, "train")[:n]
    paths = [manifests.path_of(folder, photo) for photo in photos]
    compute = features.runner(backbone, size, weights=weights)
    clock, processor = [], []
    for _ in range(rounds + 1):
        started = time.perf_counter(), time.process_time()
        for batch in batching.file_batches(paths, size=size):
            compute(batch)
        clock.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return {
        "images_per_second": statistics.spread(len(paths) / np.array(clock[1:])),
        "cpu_seconds_per_image": min(processor[1:]) / len(paths),
        "way": features.compute_precision(backbone),
        "n": len(paths),
    }


def _peak_memory(folder, backbone: str, size: int, weights: str | None, n: int | None) -> float:
    """Peak memory in GB of a process that extracts the features of n photos, or of all."""
    with tempfile.TemporaryDirectory() as root:
        how = {"folder": str(folder), "split": None, "backbone": backbone, "size": size}
        how |= {"weights": weights, "pool": False, "root": root, "limit": n}
        what = f"the extraction with {backbone}"
        return round(float(isolation.run_in_subprocess(_PEAK, json.dumps(how), what=what)), 2)


def data_wait(model: keras.Model, batches: Iterable, steps: int = 50, warm: int = 5) -> dict:
    """Measure how long the training of a compiled model waits for its batches.

    Args:
        batches: pairs of photos and labels, as from `batching.training_batches`.
        warm: so many steps before them, with the compilation, do not count.

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
    for step in range(-warm, steps):
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
