"""Draw cats and dogs: the sample data set, for readers who have no photos at hand.

Coats, colours, poses, backgrounds, clutter, light, noise and sizes are drawn from the same
distributions for both animals. What differs is what differs in nature: ears, muzzle, nose, eyes,
whiskers and tail.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from catdog import no_bar
from catdog.core import resources
from catdog.data import animals, backgrounds, manifests, organizing, sources
from catdog.data.drawing import Canvas

VERSION = 1  # counted up when the same seed draws other pictures


def _size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width: mostly a 4:3 picture whose longer side is up to 500, as in Kaggle's."""
    longer = int(rng.choice([500, int(rng.integers(180, 500))], p=(0.35, 0.65)))
    ratio = float(np.clip(rng.choice((0.75, rng.normal(0.85, 0.15))), 0.5, 1.0))
    shorter = int(longer * ratio)
    return (shorter, longer) if rng.random() < 0.7 else (longer, shorter)


def draw(label: str, number: int, seed: int = 1) -> np.ndarray:
    """Draw one animal, "cat" or "dog", uint8 (height, width, 3): one number, one picture."""
    cat = label == "cat"
    rng = np.random.default_rng([seed, number, 0 if cat else 1])
    height, width = _size(rng)
    canvas = Canvas(height, width)
    place = rng.choice(3, p=(0.4, 0.4, 0.2))
    scene = (backgrounds.outdoors, backgrounds.indoors, backgrounds.studio)[place]
    scene(canvas, rng, rng.uniform(0.35, 0.75))
    for _ in range(rng.integers(0, 5)):
        backgrounds.clutter(canvas, rng)
    if rng.random() < 0.5:  # out of focus behind the animal
        canvas.pixels = cv2.blur(canvas.pixels, (1 + 2 * int(rng.integers(1, 4)),) * 2)
    canvas.pixels *= rng.uniform(0.75, 1.1)
    canvas.place(0, 0, 1)
    animals.draw(canvas, rng, cat)
    if rng.random() < 0.12:  # something in front of it
        backgrounds.clutter(canvas, rng)
    pixels: np.ndarray = canvas.pixels * (rng.normal(1, 0.06, 3) * rng.uniform(0.65, 1.2)).astype(
        np.float32
    )
    if rng.random() < 0.3:
        pixels = cv2.blur(pixels, (3, 3))
    noise = rng.standard_normal((height, width), np.float32) * np.float32(rng.uniform(1, 9))
    pixels += noise[..., None]
    return np.clip(pixels, 0, 255).astype(np.uint8)


def jpeg(label: str, number: int, seed: int = 1) -> bytes:
    """Draw one animal as a JPEG file."""
    return encode(draw(label, number, seed), number)


def encode(pixels: np.ndarray, number: int) -> bytes:
    """Make a JPEG file of a drawn picture, of a quality from 75 to 92 by its number."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=75 + (number * 7) % 18)
    return out.getvalue()


def _numbered(seed: int, pair: tuple[str, int]) -> bytes:
    return jpeg(*pair, seed)


@contextmanager
def _without_main() -> Iterator[None]:
    """Within this context processes start that do not run the reader's program once more.

    They would, to know its functions, and wait for the very photos that they are to draw.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def jpegs(pairs: list, seed: int = 1, make: Callable = _numbered) -> Iterator[bytes]:
    """Draw many, (label, number) each, in order, on every core, or what `make` makes of them."""
    processes = min(resources.cores(), 61)  # Windows allows no more
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        with _without_main():
            drawn = pool.map(partial(make, seed), pairs, chunksize=20)
        yield from drawn


def source(
    name: str, photos: dict, seed: int, make: Callable = _numbered, progress: bool = True
) -> sources.Source:
    """Return a source of pictures that are drawn when its entries are asked for.

    Args:
        photos: {name of the file: what `jpegs` takes, the label first}.
    """

    def entries() -> list[sources.Entry]:
        drawn = jpegs(list(photos.values()), seed, make)
        bar = tqdm(drawn, "drawing", len(photos), unit="picture", disable=no_bar(progress))
        return [
            sources.Entry(file, label, partial(bytes, blob))
            for (file, (label, *_)), blob in zip(photos.items(), bar, strict=True)
        ]

    return sources.Source(name, None, entries)


def organize(
    root: str | Path = "data",
    name: str = "sample",
    n: int = 2000,
    ratio: float = 0.2,
    seed: int = 1,
    progress: bool = True,
) -> Path:
    """Draw n cats and dogs, half and half, organize them in `root/name`, and return that folder.

    The same seed gives the same bytes. See `organizing.organize` for the arguments and errors.
    """
    photos = {
        f"{label}.{i}.jpg": (label, i) for label in manifests.LABELS for i in range((n + 1) // 2)
    }
    drawn = source(f"drawn cats and dogs, version {VERSION}", photos, seed, progress=progress)
    return organizing.organize(drawn, root, name, n, ratio, seed, progress)
