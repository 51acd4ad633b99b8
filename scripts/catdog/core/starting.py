"""Start Keras: quietly, and only with settings that the project can work with."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache

from catdog import CatDogError


def load_keras(verbose: bool = False) -> None:
    """Import Keras and its backend without their greetings, which no setting turns off.

    Args:
        verbose: with their greetings, and TensorFlow's log.

    Raises:
        CatDogError: Keras has settings that it, or the project, cannot work with.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "3")
    quiet = contextlib.nullcontext() if verbose or "keras" in sys.modules else _no_stderr()
    try:
        with quiet:
            import keras
    except (AssertionError, ImportError, ValueError) as error:
        raise CatDogError(f"Keras does not start ({error}). {_advice()}") from error
    wanted = {"image_data_format": "channels_last", "floatx": "float32"}
    for name, value in wanted.items():
        if (found := getattr(keras.config, name)()) != value:
            raise CatDogError(f'Keras is set to "{name}": "{found}". {_advice(name, value)}')


@cache
def tensorflow():
    """Import TensorFlow, whose input pipeline makes the batches on every backend; return it.

    With another backend it is imported only here, and leaves the GPU to that one.
    """
    import keras

    with contextlib.nullcontext() if "tensorflow" in sys.modules else _no_stderr():
        import tensorflow as tf
    tf.get_logger().setLevel("ERROR")  # warnings about retracing are no news to a reader
    if keras.backend.backend() != "tensorflow":
        tf.config.set_visible_devices([], "GPU")
    return tf


@contextlib.contextmanager
def _no_stderr():
    """Within this context nothing reaches stderr, from libraries in C either."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _advice(name: str = "backend", value: str = "tensorflow") -> str:
    """Say where a setting of Keras is changed."""
    chosen = os.environ.get("KERAS_BACKEND")
    if name == "backend" and chosen and chosen != value:
        return (
            f"The environment variable KERAS_BACKEND is {chosen}: set it to {value}, or unset it."
        )
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    file = os.path.join(home, "keras.json")
    if name == "backend" and not os.path.exists(file):
        return "Install the packages again, as the README says."
    return f'Write "{name}": "{value}" in {file}, or remove that file.'
