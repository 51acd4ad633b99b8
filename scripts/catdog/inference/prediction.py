"""Read new photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catdog import CatDogError
from catdog.data import imaging
from catdog.inference import web

if TYPE_CHECKING:
    import keras


def read_photo(source: str | Path | bytes | np.ndarray, size: int) -> np.ndarray:
    """Read a photo upright, in colour, stretched to a square: uint8 (size, size, 3).

    Args:
        source: a file, a web address, the bytes of either, or pixels, uint8 (h, w, 3).

    Raises:
        CatDogError: it is missing, is no picture, is damaged, or has too many pixels
            (imaging.TooLarge).
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.shape[2:] != (3,) or not source.size:
            found = f"{source.dtype} pixels of shape {source.shape}"
            raise CatDogError(f"{found}: uint8 (height, width, 3), 0 to 255, is expected.")
        return imaging.resize(np.ascontiguousarray(source), size)
    if web.is_address(source):
        name, source = web.shown(source), web.fetch(source)
    else:
        name = "this file" if isinstance(source, bytes) else str(source)
    try:
        blob = source if isinstance(source, bytes) else imaging.read(Path(source))
        return imaging.resize(imaging.pixels_of(blob, 2 * size), size)
    except OSError as error:
        raise CatDogError(f"{name} cannot be read: {error.strerror}.") from None
    except imaging.TooLarge as error:
        raise imaging.TooLarge(f"{name} {error}.") from None
    except CatDogError as error:
        if imaging.is_heic(blob):
            raise CatDogError(f"{name} {error}.") from None
        raise CatDogError(f"{name} is no photo that can be read (JPEG, PNG, WebP…).") from None


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return a Keras model's probability of dog (n,) for uint8 photos (n, size, size, 3)."""
    from catdog.evaluation import metrics

    return metrics.probabilities(model, np.asarray(images))
