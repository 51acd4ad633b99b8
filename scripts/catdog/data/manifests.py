"""The written list of an organized data set: which photos, their labels, sizes and hashes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

from catdog import CatDogError
from catdog.core import files

LABELS = ("cat", "dog")
SPLITS = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Photo:
    """One line of the manifest; width and height in pixels."""

    file: str
    label: str
    split: str
    width: int
    height: int
    bytes: int
    sha256: str


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Say in a sentence that a data set's own file is not what was written there."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = getattr(error, "strerror", None) or error
        raise CatDogError(
            f"{path} is damaged ({why}): move {path.parent} away, and organize the photos again."
        ) from None


def metadata(folder: str | Path) -> dict:
    """Return the ``dataset.json`` of an organized data set.

    Raises:
        CatDogError: the folder is not an organized data set, or the file is damaged.
    """
    path = Path(folder) / "dataset.json"
    if not path.is_file():
        raise CatDogError(
            f"{folder} is no organized data set (dataset.json is missing). "
            "Make one with 'catdog data sample' or 'catdog data archive PATH'."
        )
    with _whole(path):
        made = json.loads(path.read_text("utf-8"))
        if missing := {"settings", "manifest_sha256", "counts", "set_aside"} - set(made):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return made


def reference(folder: str | Path) -> dict:
    """Return what a record says of a data set: its source, its manifest's hash, its counts.

    Its photo_size is the median width and height of the photos, in pixels.
    """
    made, photos = metadata(folder), read(folder)
    return {
        "name": made["settings"]["source"],
        "manifest_sha256": made["manifest_sha256"],
        "counts": made["counts"],
        "photo_size": [median_low(p.width for p in photos), median_low(p.height for p in photos)],
    }


def read(folder: str | Path, split: str | None = None) -> list[Photo]:
    """Read the manifest of an organized data set, whole or of one split.

    Raises:
        CatDogError: the folder is not an organized data set, or its manifest is not as it was made.
    """
    made, path = metadata(folder), Path(folder) / "manifest.csv"
    with _whole(path):
        if files.sha256(path) != made["manifest_sha256"]:
            raise ValueError("it is not as it was made")
        rows = [
            Photo(
                r["file"],
                r["label"],
                r["split"],
                int(r["width"]),
                int(r["height"]),
                int(r["bytes"]),
                r["sha256"],
            )
            for r in csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))
        ]
    return [r for r in rows if split is None or r.split == split]


def path_of(folder: str | Path, photo: Photo) -> Path:
    """Return where a manifest's photo stands."""
    return Path(folder) / photo.split / f"{photo.label}s" / photo.file
