"""Use a trained model on new photos."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import keras
import numpy as np
from PIL import Image, ImageOps

from catdog import CatDogError
from catdog.data import imaging, sources
from catdog.evaluation import metrics, ood
from catdog.inference import web

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")  # the JPEGs of telephones, MPO, are JPEG
Image.init()  # registers them all


class TooLarge(CatDogError):
    """A photo of more bytes or pixels than are read."""


class OutOfDistribution(CatDogError):
    """A picture that looks like no photo of a cat or a dog.

    Attributes:
        dog: the probability of dog that the model gives it all the same.
    """

    def __init__(self, name: object, dog: float):
        self.dog = dog
        super().__init__(f"{name} looks like no photo of a cat or a dog.")


def read_photo(source: str | Path | bytes | np.ndarray, size: int) -> np.ndarray:
    """Read a photo upright, in colour, stretched to a square: uint8 (size, size, 3).

    Args:
        source: a file, a web address, the bytes of either, or pixels, uint8 (h, w, 3).

    Raises:
        CatDogError: it is missing, is no picture, is damaged or is absurdly large (TooLarge).
    """
    if isinstance(source, np.ndarray):
        if source.ndim != 3 or source.shape[2] != 3:
            raise CatDogError(f"pixels of shape {source.shape}: (height, width, 3) is expected.")
        return imaging.resize(np.ascontiguousarray(source), size)
    if web.is_address(source):
        source, name = web.fetch(source), web.shown(source)
    else:
        name = "this file" if isinstance(source, bytes) else str(source)
    try:
        blob = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise CatDogError(f"{name} cannot be read: {error.strerror}.") from None
    too_many = TooLarge(f"{name} has more than {sources.MAX_PIXELS:,} pixels: make it smaller.")
    try:
        with Image.open(io.BytesIO(blob), formats=FORMATS) as image:
            if image.width * image.height > sources.MAX_PIXELS:
                raise too_many
            image.draft("RGB", (2 * size, 2 * size))
            image = ImageOps.exif_transpose(image).convert("RGB")
            pixels = np.array(image)
    except CatDogError:
        raise
    except Image.DecompressionBombError:
        raise too_many from None
    except Exception:  # Pillow raises many kinds on damaged files
        raise CatDogError(f"{name} is no photo that can be read (JPEG, PNG, WebP…).") from None
    return imaging.resize(pixels, size)


def photos_in(named: Iterable[str | Path]) -> Iterator[Path | str]:
    """Yield what is named: web addresses, files, and the pictures inside folders, in order."""
    for name in named:
        path = name if web.is_address(name) else Path(name)
        if isinstance(path, Path) and path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
        else:
            yield path


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return the probability of dog (n,) for uint8 photos (n, size, size, 3); cat's is the rest.

    Each is averaged over the photo and its mirror image.
    """
    return metrics.probabilities(model, np.asarray(images), flip=True)


def stream(
    model: keras.Model,
    files: Iterable[str | Path],
    batch_size: int = 64,
    refuse: ood.OODDetector | None = None,
) -> Iterator[tuple[Path | str, float | CatDogError]]:
    """Yield each file with its probability of dog, or with what is wrong with it, in their order.

    Memory does not grow with the number of files. The files are only read.

    Args:
        files: paths or web addresses.
        refuse: what to refuse strange pictures with: they are yielded with a `Neither`.
    """
    size = model.inputs[0].shape[1]

    def read(path):
        try:
            return read_photo(path, size)
        except CatDogError as error:
            return error

    files = iter(files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while some := list(islice(files, batch_size)):
            some = [name if web.is_address(name) else Path(name) for name in some]
            found = list(pool.map(read, some))
            whole = [photo for photo in found if not isinstance(photo, CatDogError)]
            answers = iter(answer(model, whole, refuse) if whole else ())
            for name, photo in zip(some, found, strict=True):
                if isinstance(photo, CatDogError):
                    yield name, photo
                else:
                    dog, strange = next(answers)
                    yield name, OutOfDistribution(web.shown(str(name)), dog) if strange else dog


def answer(
    model: keras.Model, images: np.ndarray, refuse: ood.OODDetector | None = None
) -> list[tuple[float, bool]]:
    """Return for each photo the probability of dog, and whether it is refused as too strange."""
    if refuse is None:
        return [(float(dog), False) for dog in predict(model, images)]
    dogs, features = ood.predict_with_features(model, images)
    strange = refuse.is_ood(features)
    return [(float(d), bool(s)) for d, s in zip(dogs.mean(0), strange, strict=True)]
