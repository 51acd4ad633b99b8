"""Count the floating point operations of a network."""

from __future__ import annotations

import keras
import numpy as np


def flops_of(model: keras.Model, size: int | None = None, training: bool = False) -> int:
    """Count the operations that a photo takes in the convolutions and dense layers.

    A product and a sum are two operations; activations, normalization and pooling are left out.

    Args:
        size: height and width of the photo, for a network that takes any.
        training: a step: forward, then backward to the weights and, but for the first layer, to
            what came in, each of which costs as much as forward.
    """
    shape = (None, size or model.input_shape[1], size or model.input_shape[2], 3)
    costs = _layer_flops(model, shape)
    return 3 * sum(costs) - costs[0] if training else sum(costs)


def _layer_flops(model: keras.Model, shape: tuple) -> list[int]:
    """Operations of each layer that multiplies, in their order, for an input of this shape."""
    if None in model.input_shape[1:]:
        model = keras.models.clone_model(model, keras.Input(shape[1:]))
    costs = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            costs += _layer_flops(layer, layer.input_shape)
            continue
        kernels = [w for w in layer.weights if "kernel" in w.name]
        if kernels:
            where = layer.output.shape[1:-1]  # () after Flatten, else (h, w)
            costs.append(sum(2 * int(np.prod(w.shape)) for w in kernels) * int(np.prod(where)))
    return costs
