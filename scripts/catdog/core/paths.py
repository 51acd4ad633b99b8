"""Where things stand: the project's folders, whatever the working directory."""

from __future__ import annotations

import os
from pathlib import Path

from catdog import CatDogError

ROOT = Path(os.environ.get("CATDOG_HOME", Path(__file__).resolve().parents[3]))
DATA = ROOT / "data"
FEATURES = Path(os.environ.get("CATDOG_FEATURES", ROOT / "features"))
MODELS = ROOT / "models"
DEFAULT_MODEL = MODELS / "cat_dog_efficientnet.keras"
NOTEBOOKS = ROOT / "notebooks"
RUNS = Path(os.environ.get("CATDOG_RUNS", ROOT / "runs"))
SETS = {"sample": "sample", "full": "photos"}  # the data set of each scale


def photos(scale: str) -> Path:
    """Return the folder of organized photos that a scale works on."""
    return DATA / SETS[scale]


def model_file(path: str | Path | None = None) -> Path:
    """Return the path of a model file that is there, by default of the one that ships.

    Raises:
        CatDogError: it is missing.
    """
    if path is None and not DEFAULT_MODEL.is_file():
        raise CatDogError(
            f"{DEFAULT_MODEL}: the model that ships is not there. Set CATDOG_HOME to the project's "
            "folder, the one that holds models/, or name a model with --model."
        )
    path = Path(path or DEFAULT_MODEL)
    if not path.is_file():
        raise CatDogError(f"{path}: no such model. Name a .keras file, or leave --model out.")
    return path
