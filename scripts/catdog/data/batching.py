"""Arrays or files to batches: shuffled, augmented, ahead of the training that uses them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from catdog import CatDogError
from catdog.core import distribution, parallel, starting
from catdog.data import imaging
from catdog.data.augmentation import ARTICLE, Augmentation, augment

if TYPE_CHECKING:
    import tensorflow as tf


if keras.backend.backend() == "tensorflow":
    starting.tensorflow()


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int = 32,
    augmentation: Augmentation | None = ARTICLE,
    seed: int = 1,
    start_epoch: int = 0,
    also: Callable | None = None,
    sizes: Callable[[int], int] | None = None,
    share: distribution.Share | None = None,
) -> tf.data.Dataset:
    """Return endless shuffled, augmented batches (uint8 (b, h, w, 3), one-hot float32 (b, 2)).

    Each epoch is a new permutation of all photos, in ceil(n / batch_size) batches, the last one
    smaller where it does not divide. `start_epoch` begins where an interrupted run stopped.

    Args:
        also: a further change of a batch, after the augmentation: a function of images and one-hot
            labels as above, of a `numpy.random.Generator` and the epoch (the first is 0), that
            returns both.
        sizes: the height and width of an epoch's photos, from its number; their own by default.
            Needs an augmentation, which changes the size in passing.
        share: give this part of each batch alone, and weights: (x, y, weights (b,)). With `also`,
            which may mix any two photos, the whole batch is made first.
    """
    tf = starting.tensorflow()
    n, shape = len(images), images.shape[1:] if sizes is None else (None, None, 3)
    one_hot = np.eye(2, dtype=np.float32)[labels]

    def epoch_batches(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(n), tf.stack([seed, epoch]))
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size).enumerate()
        return batches.map(lambda step, chosen: (epoch, step, chosen))

    def batch(epoch, step, chosen):
        rows, weights, part = slice(None), (), None
        if share is not None:
            rows, *weights = share.rows(len(chosen))
            if also is None:
                chosen, part, rows = chosen[rows], (rows, len(chosen)), slice(None)
        x = images[chosen]
        if augmentation is not None:
            size = sizes(int(epoch)) if sizes else None
            x = augment(x, augmentation, (seed, epoch, step), size, part)
        y = one_hot[chosen]
        if also is not None:
            x, y = also(x, y, np.random.default_rng((seed, epoch, step, 1)), int(epoch))
        return x[rows], y[rows], *weights

    return (
        tf.data.Dataset.counter(start_epoch)
        .flat_map(epoch_batches)
        .map(_called(batch, shape, share), num_parallel_calls=os.cpu_count(), deterministic=True)
        .prefetch(4)
    )


def _called(batch: Callable, shape: tuple, share: distribution.Share | None) -> Callable:
    """Return a function for `Dataset.map` that calls `batch`, in Python, for photos of a shape."""
    tf = starting.tensorflow()
    types = (tf.uint8, tf.float32, tf.float32)[: 2 if share is None else 3]
    shapes = ((None, *shape), (None, 2), (None,))

    def call(*which):
        made = tf.numpy_function(batch, which, types)
        return tuple(map(tf.ensure_shape, made, shapes[: len(types)]))

    return call


def validation_batches(
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int = 64,
    share: distribution.Share | None = None,
    size: int | None = None,
) -> tf.data.Dataset:
    """Return the photos in their order, unchanged, in batches as `training_batches` makes them.

    Args:
        size: the height and width they get; their own by default.
    """
    tf = starting.tensorflow()
    shape = (size, size, 3) if size else images.shape[1:]

    def sized(x):
        return imaging.resized(x, size) if size else x

    if share is None:
        with tf.device("cpu"):
            both = tf.data.Dataset.from_tensor_slices((sized(images), tf.one_hot(labels, 2)))
        return both.batch(batch_size).prefetch(tf.data.AUTOTUNE)
    one_hot = np.eye(2, dtype=np.float32)[labels]

    def batch(chosen):
        rows, weights = share.rows(len(chosen))
        chosen = chosen[rows]
        return sized(images[chosen]), one_hot[chosen], weights

    order = tf.data.Dataset.range(len(images)).batch(batch_size)
    made = order.map(_called(batch, shape, share), num_parallel_calls=os.cpu_count())
    return made.prefetch(tf.data.AUTOTUNE)


def file_batches(
    paths: Sequence[str | Path],
    batch_size: int = 32,
    size: int = imaging.SIZE,
    augmentation: Augmentation | None = None,
    seed: int = 1,
    nearest: bool = False,
) -> Iterator[np.ndarray]:
    """Yield one pass over JPEG files as uint8 batches (b, size, size, 3), in their order.

    For sets too large for memory, and to measure what decoding costs. A few batches are made ahead.
    With an augmentation a photo is interpolated once for both, its new size and its changes.

    Args:
        nearest: see `resize`; without an augmentation.
    """
    how = partial(imaging.decode, nearest=nearest)

    def batch(start: int) -> np.ndarray:
        some = paths[start : start + batch_size]
        if augmentation is None:
            return np.stack([_decode_file(path, size, how) for path in some])
        images = [_decode_file(path, size, imaging.pixels_of) for path in some]
        return augment(images, augmentation, (seed, start), size)

    yield from parallel.parallel_map(batch, range(0, len(paths), batch_size))


def _decode_file(path: str | Path, size: int, how: Callable) -> np.ndarray:
    try:
        return how(Path(path), size)
    except OSError as error:
        raise CatDogError(f"{path} cannot be read ({error.strerror}).") from None
    except CatDogError as error:
        raise CatDogError(
            f"{path} {error}. It was whole when it was organized: put it back, or organize the "
            "photos again under another name."
        ) from None
