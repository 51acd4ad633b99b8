"""Organize labelled photos into ``data/<name>/{train,validation}/{cats,dogs}``.

The label of a photo comes from the file's own name (``cat.12.jpg``, ``dog.7.jpg``), or, in the
Microsoft archive, from its own folder (``PetImages/Cat/12.jpg``); never from the rest of the path.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import re
import shutil
import zipfile
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from statistics import median_low

from PIL import Image
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar

LABELS = ("cat", "dog")
SPLITS = ("train", "validation")
MAX_PHOTO_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
MAX_EXPANSION = 200  # a JPEG barely compresses: an entry that expands more is a bomb

_KAGGLE = re.compile(r"(cat|dog)\.(\d+)\.jpe?g", re.IGNORECASE)
_MICROSOFT = re.compile(r"PetImages/(cat|dog)/(\d+)\.jpe?g", re.IGNORECASE)


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


def _must_exist(source: Path) -> None:
    if not source.exists():
        raise CatDogError(f"{source}: no such file or folder. Give the path of your train.zip.")


def entries(source: Path) -> list[Entry]:
    """List the labelled photos of a zip archive or folder, in a fixed order.

    Raises:
        CatDogError: the source is missing, is not a zip or folder, is damaged or unsafe, holds no
            labelled photo, or holds two photos of one name.
    """
    _must_exist(source)
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
    """Decode a JPEG wholly and return ``(width, height)`` in pixels.

    Raises:
        CatDogError: it is no JPEG, is truncated or damaged, or has more than 50 million pixels.
    """
    try:
        with Image.open(io.BytesIO(blob)) as image:
            if image.format != "JPEG":
                raise CatDogError(f"not a JPEG but {image.format}")
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise CatDogError(f"{width}×{height} pixels: over the limit of {MAX_PIXELS:,}")
            image.load()
    except CatDogError:
        raise
    except Image.DecompressionBombError:
        raise CatDogError(f"over the limit of {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise CatDogError(f"cannot be decoded: {error}") from None
    return width, height


def _split(
    hashes: dict[str, str], labels: dict[str, str], n: int | None, ratio: float, seed: int
) -> dict[str, str]:
    """Choose n photos, stratified, and give each a split; equal bytes share a side."""
    chosen: dict[str, str] = {}
    claimed: dict[str, str] = {}  # sha256 → split, across both labels
    by_label = {label: [f for f in hashes if labels[f] == label] for label in LABELS}
    total = len(hashes)
    want = total if n is None else n
    if want > total:
        raise CatDogError(f"{want:,} photos asked for, but only {total:,} can be used. Lower n.")
    quota = {LABELS[0]: round(want * len(by_label[LABELS[0]]) / total)}
    quota[LABELS[1]] = want - quota[LABELS[0]]
    for label in LABELS:
        rng = random.Random(f"{seed}/{label}")
        files = rng.sample(by_label[label], quota[label])
        groups = defaultdict(list)
        for file in files:
            groups[hashes[file]].append(file)
        room = round(len(files) * ratio)
        for sha, members in groups.items():
            side = claimed.get(sha)
            if side is None:
                side = "validation" if len(members) <= room else "train"
            claimed[sha] = side
            if side == "validation":
                room -= len(members)
            chosen.update(dict.fromkeys(members, side))
    return chosen


def by_all_cores(function: Callable, items: Iterable) -> Iterator:
    """Call a function on each item, in threads; yield what it returns in the order of the items.

    It is a few items ahead of what is used, not more, so that memory does not grow with them.
    """
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                if len(ahead) > 2 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def organize(
    source: str | Path | Source,
    root: str | Path = "data",
    name: str = "photos",
    n: int | None = None,
    ratio: float = 0.2,
    seed: int = 1,
    progress: bool = True,
) -> Path:
    """Organize a source's photos into ``root/name`` and return that folder.

    Everything is written to a partial folder beside it, which takes the final name in one step
    when it is complete: an interrupted run leaves no half-made data set, and the next run starts
    over. The source is only read. Run again with the same settings, it changes nothing.

    Args:
        source: a zip archive, a folder, or a `Source`.
        n: how many photos to take, of both labels in the source's proportion; all by default.
        ratio: the part of the photos that goes to validation, 0 < ratio < 1.
        seed: of the choice and of the split.

    Raises:
        CatDogError: the source cannot be used (see `entries`), n is too large, the folder exists
            with other settings, or the disk is full.
    """
    target = Path(root) / name
    if not isinstance(source, Source):
        path = Path(source).resolve()
        _must_exist(path)
        size = path.stat().st_size if path.is_file() else None
        source = Source(path.name, size, lambda: entries(path))
    if not 0 < ratio < 1:
        raise CatDogError(f"ratio is {ratio}, but must lie between 0 and 1, such as 0.2.")
    if n is not None and n < 4:
        raise CatDogError(f"n is {n}, but at least 4 photos are needed.")
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise CatDogError(f"{name!r} cannot name a data set: use letters, digits, '-' and '_'.")
    settings = {
        "source": source.name,
        "source_bytes": source.bytes,
        "n": n,
        "ratio": ratio,
        "seed": seed,
    }
    if target.exists():
        if (target / "dataset.json").is_file():
            made = json.loads((target / "dataset.json").read_text("utf-8"))
            if made["settings"] == settings:
                return target
        raise CatDogError(
            f"{target} exists already and was made with other settings (or by hand). Nothing was "
            "changed. Choose another name with --name, or move that folder away yourself."
        )
    partial = target.with_name(f".{name}.partial")
    if partial.exists():
        shutil.rmtree(partial)  # our own unfinished work, never the reader's
    try:
        _organize(source, partial, settings, progress)
        os.replace(partial, target)
    except OSError as error:
        raise CatDogError(
            f"{target} could not be written ({error.strerror or error}). The source is untouched. "
            "Make room or choose another folder with --root, then run again."
        ) from error
    return target


def _organize(source: Source, partial: Path, settings: dict, progress: bool) -> None:
    found = source.entries()
    inbox = partial / "inbox"
    inbox.mkdir(parents=True)

    def take(entry: Entry):
        try:
            blob = entry.read()
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            return entry, None, None, f"damaged in the archive: {error}"
        (inbox / entry.name).write_bytes(blob)
        try:
            size = check_photo(blob)
        except CatDogError as error:
            return entry, None, None, str(error)
        return entry, size, (len(blob), hashlib.sha256(blob).hexdigest()), None

    good, broken = {}, []
    bar = tqdm(
        by_all_cores(take, found),
        total=len(found),
        desc="reading photos",
        unit="photo",
        disable=no_bar(progress),
    )
    for entry, size, digest, reason in bar:
        if reason is None:
            good[entry.name] = (entry.label, size, digest)
        else:
            broken.append({"file": entry.name, "reason": reason})
    if not good:
        raise CatDogError(f"{source.name}: none of its {len(found):,} photos can be read.")
    split = _split(
        {file: digest[1] for file, (_, _, digest) in good.items()},
        {file: label for file, (label, _, _) in good.items()},
        settings["n"],
        settings["ratio"],
        settings["seed"],
    )
    for side in SPLITS:
        for label in LABELS:
            (partial / side / f"{label}s").mkdir(parents=True)
    photos = []
    for file in split:
        label, (width, height), (size, sha) = good[file]
        os.replace(inbox / file, partial / split[file] / f"{label}s" / file)
        photos.append(Photo(file, label, split[file], width, height, size, sha))
    if broken:
        (partial / "set_aside").mkdir()
        for item in broken:
            if (inbox / item["file"]).exists():
                os.replace(inbox / item["file"], partial / "set_aside" / item["file"])
    shutil.rmtree(inbox)  # copies that n left out
    photos.sort(key=lambda p: (p.split, p.label, int(p.file.split(".")[1])))
    with open(partial / "manifest.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, Photo.__dataclass_fields__, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(photo) for photo in photos)
    counts = {
        side: {lb: sum(p.split == side and p.label == lb for p in photos) for lb in LABELS}
        for side in SPLITS
    }
    about = {
        "settings": settings,
        "manifest_sha256": hashlib.sha256((partial / "manifest.csv").read_bytes()).hexdigest(),
        "counts": counts,
        "set_aside": broken,
    }
    (partial / "dataset.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")


def about(folder: str | Path) -> dict:
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
    made, photos = about(folder), manifest(folder)
    return {
        "name": made["settings"]["source"],
        "manifest_sha256": made["manifest_sha256"],
        "counts": made["counts"],
        "photo_size": [median_low(p.width for p in photos), median_low(p.height for p in photos)],
    }


def manifest(folder: str | Path, split: str | None = None) -> list[Photo]:
    """Read the manifest of an organized data set, whole or of one split."""
    about(folder)
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
