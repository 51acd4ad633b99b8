"""Where things stand: the project's folders, whatever the working directory."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(os.environ.get("CATDOG_HOME", Path(__file__).resolve().parents[3]))
DATA = ROOT / "data"
FEATURES = Path(os.environ.get("CATDOG_FEATURES", ROOT / "features"))
MODELS = ROOT / "models"
NOTEBOOKS = ROOT / "notebooks"
RUNS = Path(os.environ.get("CATDOG_RUNS", ROOT / "runs"))
SETS = {"sample": "sample", "full": "photos"}  # the data set of each scale


def photos(scale: str) -> Path:
    """Return the folder of organized photos that a scale works on."""
    return DATA / SETS[scale]
