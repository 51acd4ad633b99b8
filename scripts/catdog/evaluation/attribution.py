"""What a network looks at: gradients with any backend, and the Grad-CAM heat map."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

import cv2
import keras
import numpy as np
from keras import layers, ops

from catdog import CatDogError

_LOCK = threading.Lock()
_HALVES: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def gradient(function: Callable, x: np.ndarray) -> np.ndarray:
    """Return the gradient of a function of one array, at x: float32, of the shape of x.

    Works with the backends TensorFlow and JAX, and from several threads at a time.

    Args:
        function: takes a float32 tensor of the shape of x, computes with `keras.ops` or a Keras
            model (`training=False`), returns a scalar.
    """
    x = np.asarray(x, np.float32)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            y = function(x)
        slope = tape.gradient(y, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    elif backend == "jax":
        import jax

        slope = jax.grad(function)(x)
    else:
        raise CatDogError(
            f"no gradients with the Keras backend {backend!r}: set KERAS_BACKEND to tensorflow "
            "or jax."
        )
    return ops.convert_to_numpy(slope)


def compiled_gradient(function: Callable) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of x that returns `gradient(function, x)`, compiled at its first call.

    Compiling takes as long as many calls do: it is for many steps with the same function.

    Args:
        function: as for `gradient`; it must depend on nothing but its argument.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function(reduce_retracing=True)
        def slope(x):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                y = function(x)
            return tape.gradient(y, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    elif backend == "jax":
        import jax

        slope = jax.jit(jax.grad(function))
    else:
        return lambda x: gradient(function, x)  # which says what is wrong
    return lambda x: ops.convert_to_numpy(slope(ops.convert_to_tensor(x, "float32")))


def halves(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Cut a classifier behind its last feature maps: photos to maps, and maps to logits.

    The maps (n, h, w, channels) are the last four-dimensional output that is not of a pooling,
    dropout or rescaling layer. The logits (n, 2) are what goes into the softmax at the end. The
    halves share their weights with the model, and are built once a model.

    Raises:
        CatDogError: the model has no such maps, or does not end in a softmax layer for two labels.
    """
    with _LOCK:
        if model not in _HALVES:
            _HALVES[model] = _cut(model)
        return _HALVES[model]


def _cut(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    last = model.layers[-1]
    if getattr(last, "activation", None) is not keras.activations.softmax or isinstance(
        last, layers.Dense
    ):
        raise CatDogError(
            f"the model {model.name!r} must end in a layer of its own for the softmax, such as "
            'Activation("softmax"), so that its logits can be read.'
        )
    passing = ("Pooling", "Dropout", "Rescaling", "InputLayer", "Sequential", "Functional")
    maps = [
        i
        for i, layer in enumerate(model.layers)
        if len(layer.output.shape) == 4 and not any(p in type(layer).__name__ for p in passing)
    ]
    if not maps:
        raise CatDogError(f"the model {model.name!r} has no convolution among its own layers.")
    below, above = model.layers[: maps[-1] + 1], model.layers[maps[-1] + 1 : -1]
    if isinstance(model, keras.Sequential):
        photo, middle = (
            keras.Input(model.inputs[0].shape[1:]),
            keras.Input(below[-1].output.shape[1:]),
        )
        return keras.Sequential([photo, *below]), keras.Sequential([middle, *above])
    middle = below[-1].output
    return keras.Model(model.inputs[0], middle), keras.Model(middle, last.input)


def score(model: keras.Model, x, label: int):
    """Return the log odds of a label for photos x (n, size, size, 3): a tensor (n,).

    It is the label's logit minus the other's, which is all that the softmax sees of them.
    """
    lower, upper = halves(model)
    logits = upper(lower(x, training=False), training=False)
    return logits[:, label] - logits[:, 1 - label]


def scores(model: keras.Model, photos: np.ndarray, label: int, batch_size: int = 16) -> np.ndarray:
    """Return what `score` returns, as an array, for any number of photos."""
    logits = np.asarray(photos, np.float32)
    for half in halves(model):
        logits = half.predict(logits, batch_size=batch_size, verbose=0)
    return logits[:, label] - logits[:, 1 - label]


def feature_maps(model: keras.Model, photo: np.ndarray) -> dict[str, np.ndarray]:
    """Return each layer's answer to one photo, uint8 (size, size, 3): {name: float32 array}."""
    outputs = {layer.name: layer.output for layer in model.layers}
    every = keras.Model(model.inputs[0], outputs)
    found = every(np.asarray(photo, np.float32)[None], training=False)
    return {name: ops.convert_to_numpy(value)[0] for name, value in found.items()}


def embed(model: keras.Model, photos: np.ndarray) -> np.ndarray:
    """Return what the last dense layer receives for photos (n, size, size, 3): float32 (n, c)."""
    last = [layer for layer in model.layers if isinstance(layer, layers.Dense)][-1]
    below = keras.Model(model.inputs[0], last.input)
    return below.predict(photos, batch_size=16, verbose=0)


def grad_cam(model: keras.Model, photo: np.ndarray, label: int | None = None) -> np.ndarray:
    """Return where a classifier sees its label: float32 (size, size), in [0, 1].

    Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2): the last feature maps,
    each weighted with the mean of the gradient of the label's score on it, added, and cut off at 0.
    The score is the log odds. The largest value is 1, unless nothing speaks for the label: then
    all are 0. May be called from several threads at a time.

    Args:
        model: one of the shipped models, or another that `halves` can cut.
        photo: uint8 (size, size, 3), of the size that the model takes.
        label: 0 for cat, 1 for dog; by default, the label that the model predicts.

    Raises:
        CatDogError: the photo has another shape, or the model cannot be cut.
    """
    lower, upper = halves(model)
    size = tuple(model.inputs[0].shape[1:])
    if np.shape(photo) != size:
        raise CatDogError(f"a photo of shape {np.shape(photo)}: this model takes {size}.")
    maps = ops.convert_to_numpy(lower(np.asarray(photo, np.float32)[None], training=False))
    if label is None:
        label = int(np.argmax(upper(maps, training=False)[0]))

    def log_odds(a):
        logits = upper(a, training=False)[0]
        return logits[label] - logits[1 - label]

    slopes = gradient(log_odds, maps)
    heat = np.maximum((maps[0] * slopes[0].mean((0, 1))).sum(2), 0)
    heat = cv2.resize(heat, size[1::-1], interpolation=cv2.INTER_LINEAR)
    return (heat / max(float(heat.max()), 1e-12)).astype(np.float32)
