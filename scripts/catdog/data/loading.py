"""A data set in memory: its photos as one array, their labels, and parts of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import parallel
from catdog.data import batching, imaging, manifests


def load(
    folder: str | Path,
    split: str | None,
    size: int = imaging.SIZE,
    progress: bool = True,
    nearest: bool = False,
) -> tuple[np.ndarray, np.ndarray, list[manifests.Photo]]:
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
        images[i] = batching._decode_file(paths[i], size, partial(imaging.decode, nearest=nearest))

    done = parallel.parallel_map(put, range(len(paths)))
    for _ in tqdm(
        done, total=len(paths), desc=f"decoding {split}", unit="photo", disable=no_bar(progress)
    ):
        pass
    return images, labels, photos


class Photos:
    """The photos of a data set, uint8 (n, size, size, 3), each decoded when it is first asked for.

    Where several processes share each batch, each decodes its own part alone.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: list[Path], size: int, nearest: bool = False):
        self.paths, self.size, self.nearest = paths, size, nearest
        self.shape = len(paths), size, size, 3
        self._pixels = np.empty(self.shape, np.uint8)  # takes memory where it is written to
        self._there = np.zeros(len(paths), bool)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, which) -> np.ndarray:
        wanted = np.arange(len(self))[which]
        decode = partial(imaging.decode, nearest=self.nearest)
        for i in np.unique(wanted[~self._there[wanted]]):
            self._pixels[i] = batching._decode_file(self.paths[i], self.size, decode)
            self._there[i] = True
        return self._pixels[wanted]

    def take(self, which: np.ndarray, axis: int = 0) -> Photos:
        """Return some of them, as NumPy's method does, and decode none."""
        return Photos([self.paths[i] for i in which], self.size, self.nearest)


def photos_of(folder: str | Path, split: str | None) -> tuple[list[manifests.Photo], np.ndarray]:
    """Return a split's lines in the manifest, and their labels, int32 (n,): 0 cat, 1 dog."""
    photos = manifests.read(folder, split)
    if not photos:
        raise CatDogError(f"{folder} has no photos in the split {split!r}.")
    return photos, labels_of(photos)


def labels_of(photos: list[manifests.Photo]) -> np.ndarray:
    """Return the labels of lines of a manifest, int32 (n,): 0 for cat and 1 for dog."""
    return np.array([manifests.LABELS.index(photo.label) for photo in photos], np.int32)


def paths_of(folder: str | Path, photos: list[manifests.Photo]) -> list[Path]:
    """Return where photos of a manifest stand, once all of them are there."""
    paths = [manifests.path_of(folder, photo) for photo in photos]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise CatDogError(
            f"{missing[0]} is missing ({len(missing):,} of {len(paths):,} photos). Put the photos "
            "back, or organize them again under another name."
        )
    return paths


def holdout_split(photos: list[manifests.Photo], n: int | float, seed: int = 1) -> tuple:
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


HELD_BACK = 0.1  # of the training photos, to calibrate on
