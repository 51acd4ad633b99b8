"""What a model file says of the photos that it was made from.

A `.keras` file is a zip archive of which Keras reads the members it knows. One more, `catdog.json`,
names the data set, and each photo by the first 8 bytes of its SHA-256: 128 KB for 16,000 photos.
Other files of the same bytes are thus known again, whatever they are called and wherever they
stand. An `.onnx` file that was exported from it has the same text among its metadata.
"""

from __future__ import annotations

import base64
import json
import shutil
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from catdog import CatDogError
from catdog.core import files
from catdog.data import manifests
from catdog.models import onnxfile

MEMBER, PROPERTY = "catdog.json", "made_from"
PARTS = ("trained", "chosen")  # by these photos the weights, and by those an epoch, a temperature


def hashes(photos: Iterable[manifests.Photo]) -> np.ndarray:
    """Return the first 8 bytes of each photo's SHA-256, uint64 (n,)."""
    return np.frombuffer(b"".join(bytes.fromhex(p.sha256[:16]) for p in photos), "<u8")


def write(
    path: str | Path,
    folder: str | Path,
    split: str,
    trained: Iterable[manifests.Photo],
    chosen: Iterable[manifests.Photo] = (),
) -> None:
    """Add to a `.keras` file, just saved, which photos it was made from.

    Args:
        folder: the organized data set.
        split: in words, such as "train", "all" or "train minus held back".
        trained: lines of the manifest, of the photos that weights were fitted to.
        chosen: of those that something else was chosen or calibrated by, such as the epoch.
    """
    made = manifests.metadata(folder)
    about = {
        "dataset": {name: made[name] for name in ("settings", "manifest_sha256")},
        "split": split,
    }
    for part, photos in zip(PARTS, (trained, chosen), strict=True):
        about[part] = base64.b64encode(np.unique(hashes(photos)).tobytes()).decode()
    with files.atomic_write(path) as new:
        shutil.copyfile(path, new)
        with zipfile.ZipFile(new, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr(MEMBER, json.dumps(about))


def text(path: str | Path) -> str | None:
    """Return what `write` wrote, as JSON; None if the file does not say."""
    if Path(path).suffix.lower() == ".onnx":
        return onnxfile.session(path).get_modelmeta().custom_metadata_map.get(PROPERTY)
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return archive.read(MEMBER).decode() if MEMBER in archive.namelist() else None


def read(path: str | Path) -> dict | None:
    """Return what `write` wrote: the photos as in `hashes`; None if the file does not say.

    Raises:
        CatDogError: what it says is damaged.
    """
    try:
        if not (said := text(path)):
            return None
        about = json.loads(said)
        for part in PARTS:
            about[part] = np.frombuffer(base64.b64decode(about[part], validate=True), "<u8")
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, TypeError) as error:
        raise CatDogError(
            f"{path}: its list of photos ({MEMBER}) is damaged ({error}). Get it again."
        ) from None
    return about


def seen(path: str | Path, photos: list[manifests.Photo]) -> dict | None:
    """Count which of the photos a model file was made from.

    Returns:
        "trained", "chosen" (see `write`) and "of" (all); None if the file does not say.
    """
    about = read(path)
    if about is None:
        return None
    counts = {part: int(np.isin(hashes(photos), about[part]).sum()) for part in PARTS}
    return counts | {"of": len(photos)}


def sentence(counts: dict | None) -> str:
    """Say in a sentence what `seen` found of photos that a model is measured on."""
    if counts is None:
        return "This file does not say which photos it was trained on."
    trained, chosen, n = (f"{counts[name]:,}" for name in (*PARTS, "of"))
    if counts["trained"]:
        return f"It was trained on {trained} of these {n} photos: this says nothing of new ones."
    if counts["chosen"]:
        return (
            f"It was trained on none of these {n} photos, but {chosen} of them chose its epoch or "
            "calibrated it: its figures are a little too good."
        )
    return f"It was made without any of these {n} photos."
