"""Random changes to photos while training: flip, shear, zoom, rotate, shift, crop, light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from catdog.data import imaging


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
    images: np.ndarray | list[np.ndarray],
    how: Augmentation,
    seed,
    size: int | None = None,
    part: tuple[np.ndarray, int] | None = None,
) -> np.ndarray:
    """Change each photo of a uint8 batch (n, h, w, 3) at random: the same for the same seed.

    Pixels from outside a photo repeat its nearest edge. One interpolation does all geometry, a
    change of size too; photos of more than twice that size are first made smaller.

    Args:
        images: with a size, also a list of photos (h, w, 3) of any sizes.
        seed: an integer or a sequence of integers.
        size: the result is (n, size, size, 3); by default as large as the photos.
        part: positions (n,) in a batch, and how many photos that has, where `images` are a part of
            it: each is changed as it would be in the whole.
    """
    rng = np.random.default_rng(seed)
    n = len(images)
    at, drawn = part or (slice(None), n)
    height, width = images.shape[1:3] if size is None else (size, size)
    matrices = transforms(drawn, height, width, how, rng)[at]
    light = np.array([[how.brightness], [how.contrast]]) * rng.uniform(-1, 1, (2, drawn))
    gain, spread = 1 + light[:, at]
    out = np.empty((n, height, width, 3), np.uint8)
    interpolation = cv2.INTER_NEAREST if how.nearest else cv2.INTER_LINEAR
    for i in range(n):
        photo = images[i]
        if size is not None and min(photo.shape[:2]) > 2 * size:  # a quarter more, for crops
            photo = imaging.resize(photo, size * 5 // 4)
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


def cutmix(images: np.ndarray, labels: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray]:
    """Paste a box of another photo into each of a batch, and mix the labels by its area.

    CutMix (Yun et al. 2019, arXiv 1905.04899, section 3.1): the box has the photo's shape and, on
    average, half of its area before the edge cuts it; it is the same for all of the batch.

    Args:
        images, labels: (n, h, w, 3), and one-hot (n, 2).
    """
    n, height, width = images.shape[:3]
    other = rng.permutation(n)
    side = np.sqrt(1 - rng.uniform())
    tall, wide = int(height * side), int(width * side)
    top, left = rng.integers(height) - tall // 2, rng.integers(width) - wide // 2
    rows = slice(max(top, 0), top + tall)
    columns = slice(max(left, 0), left + wide)
    mixed = images.copy()
    mixed[:, rows, columns] = images[other, rows, columns]
    share = np.float32(mixed[0, rows, columns, 0].size / (height * width))
    return mixed, (1 - share) * labels + share * labels[other]


def _of_the_original(matrix: np.ndarray, photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """Let a matrix (2, 3) that maps into a photo of height×width map into this one instead."""
    y, x = photo.shape[0] / height, photo.shape[1] / width
    if x == y == 1:
        return matrix
    matrix = matrix * [[x], [y]]
    matrix[:, 2] += (x - 1) / 2, (y - 1) / 2  # pixels are squares: their centres are whole numbers
    return matrix
