"""Photos to arrays: decode and resize."""

from __future__ import annotations

import sys

import cv2
import keras
import numpy as np
import tensorflow as tf

from catdog import CatDogError

SIZE = 150
tf.get_logger().setLevel("ERROR")  # warnings about retracing are no news to a reader
if keras.backend.backend() != "tensorflow":
    tf.config.set_visible_devices([], "GPU")  # its memory is the other backend's
cv2.setNumThreads(0)  # each batch is made by one thread; several are made at a time


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


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Return the photos, uint8 (n, h, w, 3), as (n, size, size, 3); as they are if they are so."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([resize(pixels, size) for pixels in images])
