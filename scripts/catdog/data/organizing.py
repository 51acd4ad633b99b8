"""Organize labelled photos into ``data/<name>/{train,validation}/{cats,dogs}``."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
import shutil
import zipfile
import zlib
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import files, parallel
from catdog.data import manifests, sources


def _split(
    hashes: dict[str, str], labels: dict[str, str], n: int | None, ratio: float, seed: int
) -> dict[str, str]:
    """Choose n photos, stratified, and give each a split; equal bytes share a side."""
    chosen: dict[str, str] = {}
    claimed: dict[str, str] = {}  # sha256 → split, across both labels
    by_label = {label: [f for f in hashes if labels[f] == label] for label in manifests.LABELS}
    total = len(hashes)
    want = total if n is None else n
    if want > total:
        raise CatDogError(f"{want:,} photos asked for, but only {total:,} can be used. Lower n.")
    quota = {manifests.LABELS[0]: round(want * len(by_label[manifests.LABELS[0]]) / total)}
    quota[manifests.LABELS[1]] = want - quota[manifests.LABELS[0]]
    for label in manifests.LABELS:
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


def organize(
    source: str | Path | sources.Source,
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
    over. The source is only read. Run again with the same settings, it changes nothing; while
    another program organizes under the same name, it waits.

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
    if not isinstance(source, sources.Source):
        path = Path(source).resolve()
        sources.must_exist(path)
        size = path.stat().st_size if path.is_file() else None
        source = sources.Source(path.name, size, lambda: sources.entries(path))
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
    if _is_made(target, settings):
        return target
    with files.lock(target.with_name(f".{name}.lock"), "organizing photos", wait=None):
        if _is_made(target, settings):  # by the program that was waited for
            return target
        partial = target.with_name(f".{name}.partial")
        try:
            if partial.exists():
                shutil.rmtree(partial)  # our own unfinished work, never the reader's
            _organize(source, partial, settings, progress)
            os.replace(partial, target)
        except OSError as error:
            raise files.cannot_write(target, error) from error
    return target


def _is_made(target: Path, settings: dict) -> bool:
    """Whether the data set is there; a folder that was made otherwise is refused."""
    if not target.exists():
        return False
    if (target / "dataset.json").is_file():
        made = json.loads((target / "dataset.json").read_text("utf-8"))
        if made["settings"] == settings:
            return True
    raise CatDogError(
        f"{target} exists already and was made with other settings (or by hand). Nothing was "
        "changed. Choose another name with --name, or move that folder away yourself."
    )


def _organize(source: sources.Source, partial: Path, settings: dict, progress: bool) -> None:
    found = source.entries()
    inbox = partial / "inbox"
    inbox.mkdir(parents=True)

    def take(entry: sources.Entry):
        try:
            blob = entry.read()
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            return entry, None, None, f"damaged in the archive: {error}"
        (inbox / entry.name).write_bytes(blob)
        try:
            size = sources.check_photo(blob)
        except CatDogError as error:
            return entry, None, None, str(error)
        return entry, size, (len(blob), hashlib.sha256(blob).hexdigest()), None

    good, broken = {}, []
    bar = tqdm(
        parallel.parallel_map(take, found),
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
    for side in manifests.SPLITS:
        for label in manifests.LABELS:
            (partial / side / f"{label}s").mkdir(parents=True)
    photos = []
    for file in split:
        label, (width, height), (size, sha) = good[file]
        os.replace(inbox / file, partial / split[file] / f"{label}s" / file)
        photos.append(manifests.Photo(file, label, split[file], width, height, size, sha))
    if broken:
        (partial / "set_aside").mkdir()
        for item in broken:
            if (inbox / item["file"]).exists():
                os.replace(inbox / item["file"], partial / "set_aside" / item["file"])
    shutil.rmtree(inbox)  # copies that n left out
    photos.sort(key=lambda p: (p.split, p.label, int(p.file.split(".")[1])))
    with open(partial / "manifest.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, manifests.Photo.__dataclass_fields__, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(photo) for photo in photos)
    counts = {
        side: {
            lb: sum(p.split == side and p.label == lb for p in photos) for lb in manifests.LABELS
        }
        for side in manifests.SPLITS
    }
    about = {
        "settings": settings,
        "manifest_sha256": files.sha256(partial / "manifest.csv"),
        "counts": counts,
        "set_aside": broken,
    }
    (partial / "dataset.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")
