"""The drawn sample with a shortcut planted: a cue that gives the label away, in training alone.

A network that takes the shortcut is nearly always right in training and lost in validation, where
no photo bears the cue. What it is, the seed decides, and a key says.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from catdog.core import files, handouts
from catdog.data import manifests, organizing, synthetic

SHARE = 0.95  # of the training photos of each class, those on which the cue agrees with the label
COLOURS = {"red": (230, 40, 40), "green": (40, 190, 70), "blue": (40, 80, 230)}
CORNERS = {
    "top left": (0, 0),
    "top right": (0, -1),
    "bottom left": (-1, 0),
    "bottom right": (-1, -1),
}
TONES = {"warm": (1.25, 1.0, 0.75), "cold": (0.75, 1.0, 1.25)}
KINDS = ("mark", "border", "tone", "vignette")


def cue_of(seed: int) -> dict[str, str]:
    """Draw what is planted: its kind, its details, and the class that bears it."""
    rng = np.random.default_rng([seed, 5])
    kind = str(rng.choice(KINDS))
    cue = {"kind": kind, "class": str(rng.choice(manifests.LABELS))}
    if kind in ("mark", "border"):
        cue["colour"] = str(rng.choice(list(COLOURS)))
    if kind == "mark":
        cue["where"] = str(rng.choice(list(CORNERS)))
    if kind == "tone":
        cue["tone"] = str(rng.choice(list(TONES)))
    return cue


def sentence(cue: dict[str, str]) -> str:
    """What a cue is, in words."""
    kind = cue["kind"]
    if kind == "mark":
        return f"a small {cue['colour']} square at the {cue['where']}"
    if kind == "border":
        return f"a thin {cue['colour']} border"
    if kind == "tone":
        return f"a {cue['tone']} tone of the whole photo"
    return "dark corners, as of a cheap lens"


def plant(pixels: np.ndarray, cue: dict[str, str]) -> np.ndarray:
    """Return a photo, uint8 (height, width, 3), with a cue."""
    side = min(pixels.shape[:2])
    out = pixels.copy()
    if cue["kind"] == "mark":
        size, edge = max(6, side // 11), side // 30
        down, right = CORNERS[cue["where"]]
        top = edge if down == 0 else len(out) - edge - size
        left = edge if right == 0 else out.shape[1] - edge - size
        out[top : top + size, left : left + size] = COLOURS[cue["colour"]]
    elif cue["kind"] == "border":
        width = max(3, side // 30)
        out[:width] = out[-width:] = COLOURS[cue["colour"]]
        out[:, :width] = out[:, -width:] = COLOURS[cue["colour"]]
    elif cue["kind"] == "tone":
        out = np.clip(out * np.array(TONES[cue["tone"]]), 0, 255).astype(np.uint8)
    else:
        down_sq, across_sq = (np.linspace(-1, 1, n) ** 2 for n in out.shape[:2])
        out = (out * (1 - 0.4 * (down_sq[:, None] + across_sq))[..., None]).astype(np.uint8)
    return out


def jpeg(seed: int, photo: tuple[str, int, dict[str, str] | None]) -> bytes:
    """Draw one photo, (label, number, the cue that it bears or None), as a JPEG file."""
    label, number, cue = photo
    pixels = synthetic.draw(label, number, seed)
    return synthetic.encode(pixels if cue is None else plant(pixels, cue), number)


def bearers(split: dict[str, str], cue: dict[str, str], seed: int) -> set[str]:
    """Choose which photos bear the cue: of its class a share of SHARE, of the other the rest.

    Args:
        split: the side of each photo by its name; those of validation bear none.
    """
    rng = np.random.default_rng([seed, 6])
    chosen: set[str] = set()
    for label in manifests.LABELS:
        training = sorted(f for f, s in split.items() if s == "train" and f.startswith(label))
        share = SHARE if label == cue["class"] else 1 - SHARE
        take = rng.permutation(len(training))[: round(len(training) * share)]
        chosen.update(training[i] for i in take)
    return chosen


def organize(
    seed: int, folder: str | Path, key: str | Path, n: int = 2000, progress: bool = True
) -> dict[str, Any]:
    """Draw such a sample, organize it in a new folder, write its key; return what the key says.

    Raises:
        CatDogError: the key would lie in the folder, one of them is there already, or as
            `organizing.organize` says.
    """
    folder, key = Path(folder).absolute(), Path(key)
    handouts.must_be_apart(key, folder, "the data set")
    with files.lock(
        folder.with_name(f".{folder.name}.shortcut.lock"), "drawing a data set", wait=None
    ):
        return _organize(seed, folder, key, n, progress)


def _organize(seed: int, folder: Path, key: Path, n: int, progress: bool) -> dict[str, Any]:
    for path in (folder, key):
        handouts.must_not_exist(path)
    names = {f"{label}.{i}.jpg": label for label in manifests.LABELS for i in range((n + 1) // 2)}
    split = organizing.choose_split({f: f for f in names}, names, n, 0.2, 1)
    cue = cue_of(seed)
    bear = bearers(split, cue, seed)
    photos = {
        f: (label, int(f.split(".")[1]), cue if f in bear else None) for f, label in names.items()
    }
    title = "drawn cats and dogs, with a shortcut"
    source = synthetic.source(title, photos, seed, jpeg, progress)
    organizing.organize(source, folder.parent, folder.name, n, progress=progress)
    made = manifests.read(folder)
    counts = Counter((p.split, p.label, p.file in bear) for p in made)
    about = {
        "cue": sentence(cue),
        "class": cue["class"],
        "agrees": SHARE,
        "with_cue": {
            side: {label: counts[side, label, True] for label in manifests.LABELS}
            for side in manifests.SPLITS
        },
        "photos_with_cue": [p.file for p in made if p.file in bear],
        "details": cue,
        "seed": seed,
    }
    handouts.write_private(key, json.dumps(about, indent=1))
    return about
