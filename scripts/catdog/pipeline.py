"""Photos to batches: decode, resize, augment, shuffle, prefetch.

Every random number is derived from (seed, epoch, step), so a run that is resumed at an epoch sees
exactly the batches of one that never stopped. OpenCV does the work on pixels, `tf.data` keeps every
core at it ahead of the training step, with any Keras backend.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from sklearn.model_selection import train_test_split
from tqdm.auto import tqdm

from catdog import CatDogError, data, no_bar

SIZE = 150
tf.get_logger().setLevel("ERROR")  # warnings about retracing are no news to a reader
if keras.backend.backend() != "tensorflow":
    tf.config.set_visible_devices([], "GPU")  # its memory is the other backend's
cv2.setNumThreads(0)  # each batch is made by one thread; several are made at a time


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training photo, each drawn uniformly.

    The first three are the article's, with the meaning Keras's legacy generator gave them. Without
    arguments, half of the photos are mirrored and nothing else happens.

    Attributes:
        shear: largest angle, in degrees.
        zoom: each axis is scaled by its own factor in [1 - zoom, 1 + zoom].
        flip: mirror half of the photos left to right.
        rotate: largest angle, in degrees.
        shift: largest shift along each axis, as a part of its length.
        brightness, contrast: largest relative change.
        crop: smallest part of the area that is kept: a random rectangle of the photo, of between
            this part of its area and all of it, fills the result (Szegedy et al. 2014, arXiv
            1409.4842, section 6). 1 for the whole photo.
        stretch: largest factor between the sides of that rectangle, as a logarithm.
        nearest: take the nearest pixel instead of a mean of four, and turn about a point one pixel
            below and right of the centre: so did Keras 2.0.8 (`preprocessing/image.py`).
    """

    shear: float = 0.0
    zoom: float = 0.0
    flip: bool = True
    rotate: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    crop: float = 1.0
    stretch: float = 0.0
    nearest: bool = False


# The article writes shear_range=0.2. Its Keras, 2.0.8, took that for radians; since 2.1.3 (January
# 2018) the same line means a fifth of a degree.
ARTICLE = Augmentation(shear=math.degrees(0.2), zoom=0.2, nearest=True)


def resize(pixels: np.ndarray, size: int = SIZE, nearest: bool = False) -> np.ndarray:
    """Stretch a photo, uint8 (h, w, 3), to (size, size, 3); a new pixel is a mean of old ones.

    Args:
        nearest: a new pixel is the old one it lies in, as in Pillow's `resize` with NEAREST.
    """
    if nearest:
        return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    shrinks = min(pixels.shape[:2]) > size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(pixels, (size, size), interpolation=how)


def decode(blob: bytes | np.ndarray, size: int = SIZE, nearest: bool = False) -> np.ndarray:
    """Decode a JPEG, upright as its EXIF says, and stretch it to uint8 (size, size, 3).

    Args:
        nearest: see `resize`.

    Raises:
        CatDogError: it is no picture that can be decoded.
    """
    return resize(pixels_of(blob, sys.maxsize if nearest else size), size, nearest)


def pixels_of(blob: bytes | np.ndarray, size: int = SIZE) -> np.ndarray:
    """Decode a JPEG, upright as its EXIF says, to uint8 (h, w, 3) that is to be made size×size.

    Photos of at least twice the size are decoded at a half, a quarter or an eighth: a JPEG can give
    that without computing all its pixels.

    Raises:
        CatDogError: it is no picture that can be decoded.
    """
    height, width = _jpeg_size(bytes(blob))
    flag = cv2.IMREAD_COLOR_RGB
    for factor, reduced in (
        (8, cv2.IMREAD_REDUCED_COLOR_8),
        (4, cv2.IMREAD_REDUCED_COLOR_4),
        (2, cv2.IMREAD_REDUCED_COLOR_2),
    ):
        if min(height, width) >= factor * size:
            flag = reduced
            break
    pixels = cv2.imdecode(np.frombuffer(blob, np.uint8), flag) if len(blob) else None
    if pixels is None:
        raise CatDogError("cannot be decoded")
    return pixels if flag == cv2.IMREAD_COLOR_RGB else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _jpeg_size(blob: np.ndarray) -> tuple[int, int]:
    """Read height and width from the frame header (ITU-T T.81, B.2.2); (0, 0) if there is none."""
    at = 2
    while at + 9 < len(blob) and blob[at] == 0xFF:
        marker, length = blob[at + 1], int(blob[at + 2]) << 8 | int(blob[at + 3])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return tuple(int(blob[at + i]) << 8 | int(blob[at + i + 1]) for i in (5, 7))
        at += 2 + length
    return 0, 0


def load(
    folder: str | Path,
    split: str | None,
    size: int = SIZE,
    progress: bool = True,
    nearest: bool = False,
) -> tuple[np.ndarray, np.ndarray, list[data.Photo]]:
    """Decode a split of an organized data set into memory, in the manifest's order.

    Args:
        nearest: see `resize`.

    Returns:
        images: uint8 (n, size, size, 3), 0 to 255. 20,000 photos at 150×150 take 1.35 GB.
        labels: int32 (n,), 0 for cat and 1 for dog.
        photos: their lines in the manifest.
    """
    photos, labels = photos_of(folder, split)
    paths = paths_of(folder, photos)
    images = np.empty((len(photos), size, size, 3), np.uint8)

    def put(i: int) -> None:
        images[i] = _decode_file(paths[i], size, partial(decode, nearest=nearest))

    done = data.by_all_cores(put, range(len(paths)))
    for _ in tqdm(
        done, total=len(paths), desc=f"decoding {split}", unit="photo", disable=no_bar(progress)
    ):
        pass
    return images, labels, photos


def photos_of(folder: str | Path, split: str | None) -> tuple[list[data.Photo], np.ndarray]:
    """Return a split's lines in the manifest, and their labels, int32 (n,): 0 cat, 1 dog."""
    photos = data.manifest(folder, split)
    if not photos:
        raise CatDogError(f"{folder} has no photos in the split {split!r}.")
    return photos, labels_of(photos)


def labels_of(photos: list[data.Photo]) -> np.ndarray:
    """Return the labels of lines of a manifest, int32 (n,): 0 for cat and 1 for dog."""
    return np.array([data.LABELS.index(photo.label) for photo in photos], np.int32)


def paths_of(folder: str | Path, photos: list[data.Photo]) -> list[Path]:
    """Return where photos of a manifest stand, once all of them are there."""
    paths = [data.path_of(folder, photo) for photo in photos]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise CatDogError(
            f"{missing[0]} is missing ({len(missing):,} of {len(paths):,} photos). Put the photos "
            "back, or organize them again under another name."
        )
    return paths


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Return the photos, uint8 (n, h, w, 3), as (n, size, size, 3); as they are if they are so."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([resize(pixels, size) for pixels in images])


def held_back(photos: list[data.Photo], n: int | float, seed: int = 1) -> tuple:
    """Set photos apart to choose or calibrate by, as many of each label as there are in all.

    Photos of equal bytes stay on one side, and count once. The same seed sets the same ones apart.

    Args:
        photos: lines of a manifest.
        n: how many are set apart, or, below 1, which share of them.

    Returns:
        positions in `photos`, ascending, int (m,) each: of those left, and of those set apart.

    Raises:
        CatDogError: so many cannot be set apart.
    """
    hashes = np.array([photo.sha256 for photo in photos])
    once = np.sort(np.unique(hashes, return_index=True)[1])
    labels = labels_of(photos)[once]
    try:
        _, apart = train_test_split(once, test_size=n, stratify=labels, random_state=seed)
    except ValueError as error:
        text = f"{n} of {len(photos):,} photos cannot be set apart ({error})."
        raise CatDogError(text) from None
    inside = np.isin(hashes, hashes[apart])
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def transforms(n: int, height: int, width: int, how: Augmentation, rng) -> np.ndarray:
    """Draw n affine matrices (n, 2, 3) that map a point (x, y) of the result into the original.

    Rotation, shear and zoom are those of Keras's legacy `ImageDataGenerator`, about the centre.
    """
    draw = rng.uniform(-1, 1, (7, n))
    shear, turn = np.radians(how.shear) * draw[0], np.radians(how.rotate) * draw[1]
    zoom_y, zoom_x = 1 + how.zoom * draw[2], 1 + how.zoom * draw[3]
    mirror = np.where(draw[4] < 0, -1.0, 1.0) if how.flip else np.ones(n)
    cos, sin, zero, one = np.cos(turn), np.sin(turn), np.zeros(n), np.ones(n)
    rotation = np.array([[cos, sin], [-sin, cos]])
    slant = np.array([[np.cos(shear), zero], [-np.sin(shear), one]])
    scale = np.array([[mirror * zoom_x, zero], [zero, zoom_y]])
    matrix = np.einsum("abn,bcn,cdn->nad", rotation, slant, scale)
    shift = how.shift * draw[5:7].T * (width, height)
    if how.crop < 1:
        side, ratio = np.sqrt(rng.uniform(how.crop, 1, n)), rng.uniform(-1, 1, n)
        ratio = np.exp(how.stretch / 2 * ratio)
        sides = np.minimum(np.stack([side * ratio, side / ratio], 1), 1)
        shift += (1 - sides) / 2 * rng.uniform(-1, 1, (n, 2)) * (width, height)
        matrix = matrix * sides[:, None, :]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = centre - matrix @ centre + shift
    if how.nearest:
        offset += 1 - np.einsum("nab,bn->na", matrix, np.stack([mirror, one]))
    return np.concatenate([matrix, offset[:, :, None]], axis=2)


def augment(
    images: np.ndarray | list[np.ndarray], how: Augmentation, seed, size: int | None = None
) -> np.ndarray:
    """Change each photo of a uint8 batch (n, h, w, 3) at random: the same for the same seed.

    Pixels from outside a photo repeat its nearest edge. One interpolation does all geometry, a
    change of size too; photos of more than twice that size are first made smaller.

    Args:
        images: with a size, also a list of photos (h, w, 3) of any sizes.
        seed: an integer or a sequence of integers.
        size: the result is (n, size, size, 3); by default as large as the photos.
    """
    rng = np.random.default_rng(seed)
    n = len(images)
    height, width = images.shape[1:3] if size is None else (size, size)
    matrices = transforms(n, height, width, how, rng)
    gain, spread = 1 + np.outer((how.brightness, how.contrast), np.ones(n)) * rng.uniform(
        -1, 1, (2, n)
    )
    out = np.empty((n, height, width, 3), np.uint8)
    interpolation = cv2.INTER_NEAREST if how.nearest else cv2.INTER_LINEAR
    for i in range(n):
        photo = images[i]
        if size is not None and min(photo.shape[:2]) > 2 * size:  # a quarter more, for crops
            photo = resize(photo, size * 5 // 4)
        cv2.warpAffine(
            photo,
            _of_the_original(matrices[i], photo, height, width),
            (width, height),
            dst=out[i],
            flags=interpolation | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        if how.brightness or how.contrast:
            middle = out[i].mean()
            table = (np.arange(256) - middle) * spread[i] + middle * gain[i]
            out[i] = cv2.LUT(out[i], np.clip(table, 0, 255).astype(np.uint8))
    return out


def _of_the_original(matrix: np.ndarray, photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """Let a matrix (2, 3) that maps into a photo of height×width map into this one instead."""
    y, x = photo.shape[0] / height, photo.shape[1] / width
    if x == y == 1:
        return matrix
    matrix = matrix * [[x], [y]]
    matrix[:, 2] += (x - 1) / 2, (y - 1) / 2  # pixels are squares: their centres are whole numbers
    return matrix


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int = 32,
    augmentation: Augmentation | None = ARTICLE,
    seed: int = 1,
    start_epoch: int = 0,
    also: Callable | None = None,
    sizes: Callable[[int], int] | None = None,
) -> tf.data.Dataset:
    """Return endless shuffled, augmented batches (uint8 (b, h, w, 3), one-hot float32 (b, 2)).

    Each epoch is a new permutation of all photos, in ceil(n / batch_size) batches, the last one
    smaller where it does not divide. `start_epoch` begins where an interrupted run stopped.

    Args:
        also: a further change of a batch, after the augmentation: a function of images and one-hot
            labels as above, and of a `numpy.random.Generator`, that returns both.
        sizes: the height and width of an epoch's photos, from its number; their own by default.
            Needs an augmentation, which changes the size in passing.
    """
    n, shape = len(images), images.shape[1:] if sizes is None else (None, None, 3)
    one_hot = np.eye(2, dtype=np.float32)[labels]

    def epoch_batches(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(n), tf.stack([seed, epoch]))
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size).enumerate()
        return batches.map(lambda step, chosen: (epoch, step, chosen))

    def batch(epoch, step, chosen):
        x = images[chosen]
        if augmentation is not None:
            size = sizes(int(epoch)) if sizes else None
            x = augment(x, augmentation, (seed, epoch, step), size)
        y = one_hot[chosen]
        if also is not None:
            x, y = also(x, y, np.random.default_rng((seed, epoch, step, 1)))
        return x, y

    def with_shapes(x, y):
        return tf.ensure_shape(x, (None, *shape)), tf.ensure_shape(y, (None, 2))

    return (
        tf.data.Dataset.counter(start_epoch)
        .flat_map(epoch_batches)
        .map(
            lambda *which: with_shapes(*tf.numpy_function(batch, which, (tf.uint8, tf.float32))),
            num_parallel_calls=os.cpu_count(),
            deterministic=True,
        )
        .prefetch(4)
    )


def validation_batches(images: np.ndarray, labels: np.ndarray, batch_size: int = 64):
    """Return the photos in their order, unchanged, in batches as `training_batches` makes them."""
    with tf.device("cpu"):
        both = tf.data.Dataset.from_tensor_slices((images, tf.one_hot(labels, 2)))
    return both.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def file_batches(
    paths: list[str | Path],
    batch_size: int = 32,
    size: int = SIZE,
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
    how = partial(decode, nearest=nearest)

    def batch(start: int) -> np.ndarray:
        some = paths[start : start + batch_size]
        if augmentation is None:
            return np.stack([_decode_file(path, size, how) for path in some])
        images = [_decode_file(path, size, pixels_of) for path in some]
        return augment(images, augmentation, (seed, start), size)

    yield from data.by_all_cores(batch, range(0, len(paths), batch_size))


def _decode_file(path: str | Path, size: int, how: Callable) -> np.ndarray:
    try:
        return how(Path(path).read_bytes(), size)
    except OSError as error:
        raise CatDogError(f"{path} cannot be read ({error.strerror}).") from None
    except CatDogError as error:
        raise CatDogError(
            f"{path} {error}. It was whole when it was organized: put it back, or organize the "
            "photos again under another name."
        ) from None
