"""Model files: small ones to ship, and errors that say what is wrong with one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np

from catdog import CatDogError
from catdog.core import files, paths


def save_small(model: keras.Model, path: str | Path) -> None:
    """Save a model with weights rounded to float16, compressed: about half the size.

    It is read, and computes, in float32 as any other.
    """
    small = keras.models.clone_model(model)
    with np.errstate(over="ignore"):
        rounded = [w.astype(np.float16).astype(np.float32) for w in model.get_weights()]
    if not all(np.isfinite(w).all() for w in rounded):
        raise CatDogError("a weight is too large for float16: save the model as it is.")
    small.set_weights(rounded)
    with files.atomic_write(path) as part:
        whole = part.with_name("whole.keras")
        small.save(whole)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as new:
            for item in old.infolist():
                new.writestr(item.filename, old.read(item), compresslevel=9)


DEFAULT = paths.MODELS / "cat_dog_efficientnet.keras"


def load_model(path: str | Path | None = None) -> keras.Model:
    """Load a saved model, by default the one that ships with the project.

    Raises:
        CatDogError: the file is missing or is no Keras model.
    """
    path = Path(path or DEFAULT)
    if not path.is_file():
        raise CatDogError(f"{path}: no such model. Name a .keras file, or leave --model out.")
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        raise CatDogError(f"{path} is not a Keras model that can be read ({error}).") from error
