"""Model files: small ones to ship, and errors that say what is wrong with one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np

from catdog import CatDogError
from catdog.core import files, paths
from catdog.models import backbones, networks  # noqa: F401 (their layers can be in a file)

SIZE = 160  # of the photos for a model that takes any


def save_small(model: keras.Model, path: str | Path) -> None:
    """Save a model with weights rounded to float16, compressed: less than half the size.

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
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(part, "w", zipfile.ZIP_LZMA) as new:
            for item in old.infolist():  # LZMA, as it takes numbers of four bytes for what they are
                new.writestr(item.filename, old.read(item))


def load_model(path: str | Path | None = None) -> keras.Model:
    """Load a saved model, by default the one that ships with the project.

    It takes photos (n, size, size, 3) and gives probabilities (n, 2) of cat and dog. A model with
    one sigmoid, the probability of dog, gets the second column; one that takes photos of any size
    gets them at 160 pixels.

    Raises:
        CatDogError: the file is missing, is no Keras model, or takes or gives something else.
    """
    path = paths.model_file(path)
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):  # Keras says: not found
        raise CatDogError(
            f"{path} is not a whole .keras file (a copy that broke off?). Get it again."
        )
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:
        raise CatDogError(f"{path} is not a Keras model that can be read ({error}).") from error
    try:
        return _of_cats_and_dogs(model)
    except CatDogError as error:
        raise CatDogError(f"{path} {error}") from None


def _of_cats_and_dogs(model: keras.Model) -> keras.Model:
    """Return a model that takes and gives what `load_model` says, or say what is in the way."""
    try:
        ends = [tuple(x.shape) for x in model.inputs], [tuple(x.shape) for x in model.outputs]
    except (AttributeError, TypeError, ValueError):  # neither built nor a graph of layers
        ends = [], []
    if (len(ends[0]), len(ends[1])) != (1, 1):
        raise CatDogError("must have one input, photos, and one output, their probabilities.")
    (taken,), (given,) = ends
    if len(taken) != 4 or taken[3] != 3:
        raise CatDogError(f"takes {taken}: photos in colour (n, size, size, 3) are expected.")
    height, width = taken[1] or taken[2], taken[2] or taken[1]
    if height != width:
        raise CatDogError(f"takes photos of {height}×{width} pixels: square ones are expected.")
    if given not in ((None, 1), (None, 2)):
        raise CatDogError(
            f"gives {given}: the probabilities of cat and dog (n, 2), or that of dog (n, 1), are "
            "expected."
        )
    if _activation(model) != ("softmax" if given[1] == 2 else "sigmoid"):
        raise CatDogError(
            "must end in a softmax over cat and dog, or in one sigmoid, the probability of dog: "
            "add it as a last layer, and save the model again."
        )
    photos, answer = model.inputs[0], model.outputs[0]
    if given[1] == 1:
        answer = keras.layers.Concatenate(name="cat_and_dog")([1 - answer, answer])
    if given[1] == 1 or not {type(model.input_shape), type(model.output_shape)} <= {tuple}:
        model = keras.Model(photos, answer, name=model.name)  # no lists of one, either
    if None in taken[1:]:
        sized = keras.Input((height or SIZE, width or SIZE, 3))
        weights = model.get_weights()
        model = keras.models.clone_model(keras.Model(photos, answer), input_tensors=sized)
        model.set_weights(weights)
    return model


def _activation(model: keras.Model) -> str:
    """Return the name of the function that a model ends in."""
    last = model
    while isinstance(last, keras.Model):
        last = last.outputs[0]._keras_history.operation
    last = getattr(last, "activation", last)
    return getattr(last, "__name__", type(last).__name__).lower()
