"""The one place where SCALE=sample and SCALE=full differ."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from catdog import CatDogError
from catdog.core import paths
from catdog.data import imaging, manifests, synthetic
from catdog.data.augmentation import Augmentation
from catdog.training import recipes
from catdog.training.recipes import Recipe


@dataclass(frozen=True)
class Scale:
    """What a chapter takes at this scale.

    Attributes:
        folder: the organized photos.
        size: height and width of the photos that chapter 9 trains on; the article's is 150.
        article, improved: the recipes of the CNN from scratch, with their epochs.
    """

    name: str
    folder: Path
    size: int
    article: Recipe
    improved: Recipe


SMALL = 64  # less than a fifth of the work, where the size is not the point
SCALES = {
    "sample": Scale(
        "sample",
        paths.photos("sample"),
        size=SMALL,
        article=replace(recipes.ARTICLE, decode_size=SMALL, epochs=10, patience=None),
        # a short run on few pictures gets going only with smaller steps and gentler changes
        improved=replace(
            recipes.IMPROVED,
            decode_size=SMALL,
            epochs=10,
            batch_size=32,
            learning_rate=1e-3,
            ema=0.98,
            augmentation=Augmentation(
                shear=5.0, zoom=0.2, rotate=5.0, brightness=0.1, contrast=0.1
            ),
        ),
    ),
    "full": Scale("full", paths.photos("full"), imaging.SIZE, recipes.ARTICLE, recipes.IMPROVED),
}


def scale(name: str | None = None) -> Scale:
    """Return the scale of that name, by default that of the environment variable SCALE, or sample.

    At sample scale the drawings are made if they are not there yet.

    Raises:
        CatDogError: no scale has that name, or the photos of the full scale are not organized yet.
    """
    name = name or os.environ.get("SCALE", "sample")
    if name not in SCALES:
        raise CatDogError(f"SCALE is {name!r}, but must be one of {', '.join(SCALES)}.")
    chosen = SCALES[name]
    if name == "sample":
        synthetic.organize(chosen.folder.parent, chosen.folder.name)
    else:
        manifests.metadata(chosen.folder)
    return chosen
