"""What an archive or folder of labelled photos holds.

The label of a photo comes from the file's own name (``cat.12.jpg``, ``dog.7.jpg``), or, in the
Microsoft archive, from its own folder (``PetImages/Cat/12.jpg``); never from the rest of the path.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from catdog import CatDogError
from catdog.data import imaging

MAX_PHOTO_BYTES = 64 * 2**20
MAX_EXPANSION = 200  # a JPEG barely compresses: an entry that expands more is a bomb

_KAGGLE = re.compile(r"(cat|dog)\.(\d+)\.jpe?g", re.IGNORECASE)
_MICROSOFT = re.compile(r"PetImages/(cat|dog)/(\d+)\.jpe?g", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A labelled photo of a source, before it is read."""

    name: str
    label: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Source:
    """Where photos come from: a name and size to know it by, and how to list its entries."""

    name: str
    bytes: int | None
    entries: Callable[[], list[Entry]]


def label_of(path: str) -> tuple[str, str] | None:
    """Return ``(label, canonical name)`` of a photo's path, or None if it is no labelled photo.

    >>> label_of("dogs/cat.12.jpg")
    ('cat', 'cat.12.jpg')
    >>> label_of("cats/holiday.jpg") is None
    True
    """
    posix = path.replace("\\", "/")
    found = _KAGGLE.fullmatch(PurePosixPath(posix).name)
    if not found:
        found = _MICROSOFT.fullmatch("/".join(PurePosixPath(posix).parts[-3:]))
    if not found:
        return None
    label = found[1].lower()
    return label, f"{label}.{int(found[2])}.jpg"


def zip_entries(archive: zipfile.ZipFile, where: Path) -> Iterator[tuple[str, Callable]]:
    """Yield (name, how to read it) for the files in an archive.

    Raises:
        CatDogError: an entry would leave the folder, or is far too large for a photo.
    """
    for info in archive.infolist():
        parts = PurePosixPath(info.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", info.filename):
            raise CatDogError(
                f"{where}: the entry {info.filename!r} would leave the folder. This is no archive "
                "of photos that can be trusted; download it again from its own source."
            )
        if info.file_size > MAX_PHOTO_BYTES or (
            info.file_size > 2**20 and info.file_size > MAX_EXPANSION * max(1, info.compress_size)
        ):
            raise CatDogError(
                f"{where}: the entry {info.filename!r} claims {info.file_size:,} bytes from "
                f"{info.compress_size:,}. That is no photo; download the archive again."
            )
        if not info.is_dir():
            yield info.filename, lambda info=info: archive.read(info)


def must_exist(source: Path) -> None:
    if not source.exists():
        raise CatDogError(f"{source}: no such file or folder. Give the path of your train.zip.")


def entries(source: Path) -> list[Entry]:
    """List the labelled photos of a zip archive or folder, in a fixed order.

    Raises:
        CatDogError: the source is missing, is not a zip or folder, is damaged or unsafe, holds no
            labelled photo, or holds two photos of one name.
    """
    must_exist(source)
    if source.is_dir():
        files = sorted(p for p in source.rglob("*") if p.is_file())
        pairs: Iterator = ((p.relative_to(source.parent).as_posix(), p.read_bytes) for p in files)
    else:
        try:
            pairs = zip_entries(zipfile.ZipFile(source), source)
        except zipfile.BadZipFile:
            raise CatDogError(
                f"{source}: not a whole zip archive (a download that broke off?). Get it again."
            ) from None
    found: dict[str, Entry] = {}
    for path, read in pairs:
        named = label_of(path)
        if named is None:
            continue
        label, name = named
        if name in found:
            raise CatDogError(f"{source}: two photos are named {name}. Keep one of them.")
        found[name] = Entry(name, label, read)
    if not found:
        raise CatDogError(
            f"{source}: no photo named like cat.12.jpg or dog.12.jpg in it. "
            "Kaggle's train.zip and the PetImages archive are what is expected here."
        )
    return sorted(found.values(), key=lambda e: (e.label, int(e.name.split(".")[1])))


def check_photo(blob: bytes) -> tuple[int, int]:
    """Decode a JPEG wholly and return ``(width, height)`` in pixels, as they are stored.

    Raises:
        CatDogError: it is no JPEG, is truncated or damaged, or has too many pixels, see
            `imaging.pixels_of`.
    """
    imaging.pixels_of(blob, None)
    with imaging.opened(blob) as image:
        if image.format not in ("JPEG", "MPO"):
            raise CatDogError(f"not a JPEG but {image.format}")
        return image.size
