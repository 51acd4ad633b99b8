"""What an archive or folder of labelled photos holds.

The label of a photo comes from the file's own name (``cat.12.jpg``, ``dog.7.jpg``), or, in the
Microsoft archive, from its own folder (``PetImages/Cat/12.jpg``); never from the rest of the path.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from catdog import CatDogError
from catdog.core import files
from catdog.data import imaging

T = TypeVar("T")

MAX_PHOTO_BYTES = 64 * 2**20
MAX_ARCHIVE_BYTES = 4 * 2**30  # of an archive in an archive
MAX_EXPANSION = 200  # a JPEG barely compresses: an entry that expands more is a bomb
UNPACKED_HERE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
DAMAGED = "The archive is damaged: get it again."
UNPACK = "Unpack the archive yourself and give the folder."

_KAGGLE = re.compile(r"(cat|dog)\.(\d+)\.jpe?g", re.IGNORECASE)
_MICROSOFT = re.compile(r"PetImages/(cat|dog)/(\d+)\.jpe?g", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A labelled photo of a source, before it is read."""

    name: str
    label: str
    read: Callable[[], bytes]
    size: int | None = None  # in bytes, if it is known


@dataclass(frozen=True)
class Source:
    """Where photos come from: what it is known by, and how to list its entries.

    An archive has its size in bytes, a folder a hash of its photos' names and sizes.
    """

    name: str
    bytes: int | None
    entries: Callable[[], list[Entry]]
    photos: str | None = None


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


def photo_files(
    source: Path, known: Callable[[str], T | None], inner: str
) -> Iterator[tuple[T, str, int, Callable[[], bytes]]]:
    """Yield (what it is known by, path, bytes, how to read it) for each photo of a zip or folder.

    If there is none, but a zip of the name that is expected is in it, as in what Kaggle's
    "Download all" gives, the photos of that one are listed.

    Args:
        known: returns what a photo is known by from its path, or None if it is no such photo.
        inner: a regular expression for the name of an archive in the archive.

    Raises:
        CatDogError: the source is missing, is not a zip or folder, is damaged or unsafe, or is
            packed in a way that Python cannot unpack. Reading a photo raises it too.
    """
    must_exist(source, "test.zip" if "test" in inner else "train.zip")
    if source.is_dir():
        every = sorted(p for p in source.rglob("*") if p.is_file())
        named = {p.relative_to(source.parent).as_posix(): p for p in every}
        photos = [(it, name) for name in named if (it := known(name)) is not None]
        for it, name in photos:
            size = named[name].stat().st_size
            yield it, name, size, _reader(partial(_whole, named[name], size), name)
        for path in [] if photos else every:
            if re.fullmatch(inner, path.name, re.IGNORECASE):
                yield from _zipped(_open(path, str(path)), str(path), known, None)
    else:
        yield from _zipped(_open(source, str(source)), str(source), known, inner)


def _whole(path: Path, size: int) -> bytes:
    if size > MAX_PHOTO_BYTES:
        raise ValueError(f"{size:,} bytes, more than any photo has")
    return path.read_bytes()


def _open(file: Path | IO[bytes], name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except OSError as error:
        raise CatDogError(f"{name} cannot be read ({error.strerror or error}).") from None
    except NotImplementedError as error:  # of a later version of the format
        raise CatDogError(f"{name} cannot be unpacked here ({error}). {UNPACK}") from None
    except (zipfile.BadZipFile, ValueError):
        raise CatDogError(
            f"{name}: not a whole zip archive (a download that broke off?). Get it again."
        ) from None


def _zipped(archive: zipfile.ZipFile, where: str, known: Callable, inner: str | None) -> Iterator:
    """Yield what `photo_files` does for an archive that is open."""
    photos, archives = [], []
    for info in archive.infolist():
        path = info.filename.replace("\\", "/")
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", path):
            raise CatDogError(
                f"{where}: the entry {info.filename!r} would leave the folder. This is no archive "
                "of photos that can be trusted; download it again from its own source."
            )
        if info.is_dir():
            continue
        if (it := known(path)) is not None:
            photos.append((it, path, info))
        elif inner and re.fullmatch(inner, parts.name, re.IGNORECASE):
            archives.append((path, info))
    for it, path, info in photos:
        _check_entry(info, where, MAX_PHOTO_BYTES)
        yield it, path, info.file_size, _reader(partial(archive.read, info), path, DAMAGED)
    for path, info in archives if not photos else ():
        _check_entry(info, where, MAX_ARCHIVE_BYTES)
        name = f"{path} in {where}"
        yield from _zipped(_open(_unpacked(archive, info, where), name), name, known, None)


def _check_entry(info: zipfile.ZipInfo, where: str, most: int) -> None:
    """Refuse an entry that is far too large for what it is, or that cannot be unpacked here."""
    entry = f"{where}: the entry {info.filename!r}"
    if info.file_size > most or (
        info.file_size > 2**20 and info.file_size > MAX_EXPANSION * max(1, info.compress_size)
    ):
        raise CatDogError(
            f"{entry} claims {info.file_size:,} bytes from {info.compress_size:,}. "
            "That is no photo or archive of photos; download it again."
        )
    if info.flag_bits & 0x1:
        raise CatDogError(f"{entry} is encrypted. {UNPACK}")
    if info.compress_type not in UNPACKED_HERE:
        method = {9: "Deflate64"}.get(info.compress_type, f"method {info.compress_type}")
        raise CatDogError(f"{entry} is packed with {method}, which Python cannot unpack. {UNPACK}")


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> IO[bytes]:
    """Copy an archive in an archive to a temporary file, which goes when it is closed."""
    copy = tempfile.TemporaryFile()
    try:
        with archive.open(info) as packed:
            shutil.copyfileobj(packed, copy, 2**20)
        copy.flush()
    except Exception as error:
        copy.close()
        if isinstance(error, OSError) and error.errno in files.FULL:
            raise files.cannot_write(tempfile.gettempdir(), error) from error
        raise _unreadable(f"{info.filename} in {where}", error, DAMAGED) from None
    return copy


def _unreadable(name: str, error: Exception, advice: str = "") -> CatDogError:
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return CatDogError(f"{name} cannot be read ({why}). {advice}".rstrip())


def _reader(read: Callable[[], bytes], name: str, advice: str = "") -> Callable[[], bytes]:
    """Return how to read a photo, with all that can go wrong in one sentence."""

    def call() -> bytes:
        try:
            return read()
        except Exception as error:  # damaged archives raise many kinds
            raise _unreadable(name, error, advice) from None

    return call


def must_exist(source: Path, example: str = "train.zip") -> None:
    if not source.exists():
        raise CatDogError(f"{source}: no such file or folder. Give the path of your {example}.")


def entries(source: Path) -> list[Entry]:
    """List the labelled photos of a zip archive or folder, in a fixed order.

    Raises:
        CatDogError: as `photo_files` says, or the source holds no labelled photo, or two photos of
            one name.
    """
    found: dict[str, Entry] = {}
    for (label, name), _, size, read in photo_files(source, label_of, r"train\.zip"):
        if name in found:
            raise CatDogError(f"{source}: two photos are named {name}. Keep one of them.")
        found[name] = Entry(name, label, read, size)
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
