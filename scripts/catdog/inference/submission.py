"""The file that Kaggle's competition asks for: a probability of dog for each test photo."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import files
from catdog.data import sources
from catdog.inference import prediction
from catdog.inference.answers import CLIP
from catdog.inference.classifier import Classifier


def number_of(path: str) -> int | None:
    """Return the number of a test photo's path, or None if it is no test photo.

    >>> number_of("test1/12.jpg")
    12
    """
    found = re.fullmatch(r"(\d+)\.jpe?g", PurePosixPath(path).name, re.IGNORECASE)
    return int(found[1]) if found and "__MACOSX" not in path else None


def test_photos(source: str | Path) -> list[tuple[int, str, Callable[[], bytes]]]:
    """List the test photos of an archive or folder: (id, name, how to read it), sorted by id.

    A test photo is named by its number: `test/12.jpg`, `test1/12.jpg`, `12.jpg`.

    Raises:
        CatDogError: as `sources.photo_files` says, or the source holds no test photo, or two of
            one number.
    """
    source, found = Path(source), {}
    for number, name, _, read in sources.photo_files(source, number_of, r"test1?\.zip"):
        if number in found:
            raise CatDogError(f"{source}: two photos have the number {number}. Keep one of them.")
        found[number] = (name, read)
    if not found:
        raise CatDogError(
            f"{source}: no photo named by a number, such as test/1.jpg, in it. Kaggle's test.zip "
            "or test1.zip is what is expected here."
        )
    return [(number, *found[number]) for number in sorted(found)]


def submit(
    classifier: Classifier,
    source: str | Path,
    out: str | Path,
    clip: float = CLIP,
    progress: bool = True,
) -> list[tuple[int, str]]:
    """Write a submission: a line `id,label` a test photo, the label its probability of dog.

    The competition is judged by log loss, to which one answer that is sure and wrong does endless
    harm; so probabilities are pulled into [clip, 1 - clip]. A photo that cannot be read gets 0.5.
    Memory does not grow with the number of photos. The file appears when it is complete.

    Returns:
        the photos that could not be read: (id, why).

    Raises:
        CatDogError: `out` exists or cannot be written, the clip is not in [0, 0.5), the source is
            unusable, or not one of its photos can be read.
    """
    out = Path(out)
    if not 0 <= clip < 0.5:
        raise CatDogError(f"a clip of {clip:g}: it must be at least 0 and below 0.5.")
    files.must_be_new(out)
    photos, broken = test_photos(source), []

    def read(photo: tuple[int, str, Callable[[], bytes]]) -> np.ndarray:
        _, name, get = photo
        try:
            return prediction.read_photo(get(), classifier.size)
        except CatDogError as error:
            raise CatDogError(str(error).replace("this file", name, 1)) from None
        except Exception as error:  # zip files break in many ways
            raise CatDogError(f"{name} cannot be read ({error}).") from None

    with (
        files.atomic_write(out, new=True) as part,
        open(part, "w", newline="", encoding="utf-8") as stream,
        tqdm(total=len(photos), unit="photo", disable=no_bar(progress)) as bar,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id", "label"))
        for (number, *_), found in classifier.each(photos, read):
            if isinstance(found, CatDogError):
                broken.append((number, str(found)))
                writer.writerow((number, 0.5))
            else:
                dog = min(max(found[0], clip), 1 - clip)
                writer.writerow((number, f"{dog:.6f}"))
            bar.update()
        if len(broken) == len(photos):
            raise CatDogError(f"not one photo could be read: {out} is not written. {broken[0][1]}")
    return broken
