"""Organize labelled photos into ``data/<name>/{train,validation}/{cats,dogs}``."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
import shutil
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import files, parallel
from catdog.data import manifests, sources


def choose_split(
    hashes: dict[str, str], labels: dict[str, str], n: int | None, ratio: float, seed: int
) -> dict[str, str]:
    """Choose n photos, stratified, and give each a split; equal bytes share a side."""
    chosen: dict[str, str] = {}
    claimed: dict[str, str] = {}  # sha256 → split, across both labels
    by_label = {label: [f for f in hashes if labels[f] == label] for label in manifests.LABELS}
    total = len(hashes)
    want = total if n is None else n
    quota = _quota(want, len(by_label[manifests.LABELS[0]]), total)
    for label, number in zip(manifests.LABELS, quota, strict=True):
        rng = random.Random(f"{seed}/{label}")
        files = rng.sample(by_label[label], number)
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


def _quota(n: int, cats: int, total: int) -> tuple[int, int]:
    """Return how many cats and dogs are taken for n photos, in the source's proportion."""
    return round(n * cats / total), n - round(n * cats / total)


def _fewest(cats: int, total: int, ratio: float) -> int:
    """Return the least number of photos that gives both sides photos of both labels."""
    label = 0.5 / min(ratio, 1 - ratio)  # photos of one label, of which less than 1 rounds to 1
    rarer = min(cats, total - cats) / total
    start = max(4, int((label - 1) / rarer))
    for n in range(start, start + int(4 / rarer)):
        if all(0 < round(q * ratio) < q for q in _quota(n, cats, total)):
            return n
    return start


def _check_enough(name: str, labels: list[str], n: int | None, ratio: float) -> None:
    """Refuse a source of which not all of train and validation would get both cats and dogs."""
    total, cats = len(labels), labels.count("cat")
    if not 0 < cats < total:
        raise CatDogError(
            f"{name}: {cats:,} cats and {total - cats:,} dogs can be used, but training needs "
            "both. Name the photos cat.1.jpg, cat.2.jpg, … and dog.1.jpg, dog.2.jpg, …"
        )
    if n is not None and n > total:
        raise CatDogError(f"{n:,} photos asked for, but only {total:,} can be used. Lower n.")
    fewest = _fewest(cats, total, ratio)
    if (total if n is None else n) < fewest:
        advice = f"Raise n to at least {fewest:,}" if fewest <= total else "Add photos"
        raise CatDogError(
            f"{name}: {total if n is None else n:,} photos are too few to put a part of {ratio:g} "
            f"of both cats and dogs into validation: at least {fewest:,} are needed, as the "
            f"source has {cats:,} cats and {total - cats:,} dogs. {advice}, or change the ratio."
        )


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
    another program organizes under the same name, it waits. An archive is known by its name and
    size, a folder by its name and those of its photos, and their sizes.

    Args:
        source: a zip archive, a folder, or a `Source`.
        n: how many photos to take, of both labels in the source's proportion; all by default.
        ratio: the part of the photos that goes to validation, 0 < ratio < 1.
        seed: of the choice and of the split.

    Raises:
        CatDogError: the source cannot be used (see `entries`), n is too large, the folder exists
            with other settings or photos, a label is missing, the photos are too few for both
            labels to be on both sides, or the disk is full.
    """
    target = Path(root) / name
    if not isinstance(source, sources.Source):
        source = _source(Path(source).resolve())
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
        **({"source_photos": source.photos} if source.photos else {}),
    }
    if _is_made(target, settings, source):
        return target
    with files.lock(target.with_name(f".{name}.lock"), "organizing photos", wait=None):
        if _is_made(target, settings, source):  # by the program that was waited for
            return target
        partial = target.with_name(f".{name}.partial")
        with files.writing(target):
            if partial.exists():
                shutil.rmtree(partial)  # our own unfinished work, never the reader's
            _organize(source, partial, settings, progress)
            os.replace(partial, target)
    return target


def _source(path: Path) -> sources.Source:
    sources.must_exist(path)
    if path.is_dir():  # known by its photos: other folders have its name, and folders grow
        found = sources.entries(path)
        key = files.key([[entry.name, entry.size] for entry in found], 16)
        return sources.Source(path.name, None, lambda: found, key)
    return sources.Source(path.name, path.stat().st_size, lambda: sources.entries(path))


def _is_made(target: Path, settings: dict, source: sources.Source) -> bool:
    """Whether the data set is there; a folder that was made otherwise is refused."""
    if not target.exists():
        return False
    if (target / "dataset.json").is_file():
        made = manifests.metadata(target)
        known = "source_photos" in made["settings"] or "source_photos" not in settings
        if made["settings"] == settings if known else _is_made_before(target, settings, source):
            return True
    raise CatDogError(
        f"{target} exists already and was made from other photos, with other settings or by hand. "
        "Nothing was changed. Choose another name with --name, or move that folder away yourself."
    )


def _is_made_before(target: Path, settings: dict, source: sources.Source) -> bool:
    """Compare a data set with its folder of photos that was made before `source_photos` was noted.

    The photos of its manifest must be in the folder, in their sizes; without n, no others may be.
    """
    made = manifests.metadata(target)
    given = {entry.name: entry.size for entry in source.entries()}
    taken = {photo.file: photo.bytes for photo in manifests.read(target)}
    names = taken.keys() | {photo["file"] for photo in made["set_aside"]}
    return (
        {**made["settings"], "source_photos": settings["source_photos"]} == settings
        and taken.items() <= given.items()
        and (names == given.keys() if settings["n"] is None else names <= given.keys())
    )


def _organize(source: sources.Source, partial: Path, settings: dict, progress: bool) -> None:
    found = source.entries()
    _check_enough(source.name, [e.label for e in found], settings["n"], settings["ratio"])
    inbox = partial / "inbox"
    inbox.mkdir(parents=True)

    good, broken = _read(found, inbox, progress)
    if not good:
        raise CatDogError(
            f"{source.name}: none of its {len(found):,} photos can be read: get them again. The "
            f"first, {broken[0]['file']}: {broken[0]['reason'].rstrip('.')}."
        )
    _check_enough(
        source.name, [label for label, *_ in good.values()], settings["n"], settings["ratio"]
    )
    split = choose_split(
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
    about = {
        "settings": settings,
        "manifest_sha256": files.sha256(partial / "manifest.csv"),
        "counts": _counts(source.name, photos),
        "set_aside": broken,
    }
    (partial / "dataset.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")


def _read(found: list[sources.Entry], inbox: Path, progress: bool) -> tuple[dict, list[dict]]:
    """Copy photos into the inbox and look at each.

    Returns:
        (label, (width, height) in pixels, (bytes, sha256)) of each good one by its name, and the
        name of each broken one with the reason.
    """

    def take(entry: sources.Entry):
        try:
            blob = entry.read()
        except CatDogError as error:
            return entry, None, None, str(error)
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
    return good, broken


def _counts(name: str, photos: list[manifests.Photo]) -> dict[str, dict[str, int]]:
    """Count the photos of each split and label; a split without one of the labels is refused."""
    counts = {
        side: {
            lb: sum(p.split == side and p.label == lb for p in photos) for lb in manifests.LABELS
        }
        for side in manifests.SPLITS
    }
    for side, of in counts.items():
        if not all(of.values()):  # a label of copies alone has but one side
            raise CatDogError(
                f"{name}: {side} would get {of['cat']:,} cats and {of['dog']:,} dogs, because "
                "copies of a photo stay on one side. Add photos that differ."
            )
    return counts
