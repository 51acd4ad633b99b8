"""The written list of an organized data set: which photos, their labels, sizes and hashes."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

from catdog import CatDogError

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


def metadata(folder: str | Path) -> dict:
    """Return the ``dataset.json`` of an organized data set.

    Raises:
        CatDogError: the folder is not an organized data set.
    """
    path = Path(folder) / "dataset.json"
    if not path.is_file():
        raise CatDogError(
            f"{folder} is no organized data set (dataset.json is missing). "
            "Make one with 'catdog data sample' or 'catdog data archive PATH'."
        )
    return json.loads(path.read_text("utf-8"))


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
    """Read the manifest of an organized data set, whole or of one split."""
    metadata(folder)
    with open(Path(folder) / "manifest.csv", newline="", encoding="utf-8") as stream:
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
            for r in csv.DictReader(stream)
        ]
    return [r for r in rows if split is None or r.split == split]


def path_of(folder: str | Path, photo: Photo) -> Path:
    """Return where a manifest's photo stands."""
    return Path(folder) / photo.split / f"{photo.label}s" / photo.file
