"""The questions of an exam that are answered with a function, and their hidden cases.

The right functions here are written for clarity; tests hold them to SciPy and Keras.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from catdog.book.questions import Draw, Question, literal


def _correlate(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return (sliding_window_view(x, k.shape) * k).sum((-2, -1))


def _relu_backward(x: np.ndarray, dout: np.ndarray) -> np.ndarray:
    return np.where(x > 0, dout, 0)


def _max_pool(x: np.ndarray, size: int, stride: int) -> np.ndarray:
    return sliding_window_view(x, (size, size))[::stride, ::stride].max((-2, -1))


def _question(title: str, text: str, function: Callable, signature: str, cases: list) -> Question:
    """A question whose first case is shown; the others are its parts."""
    name = signature.partition("(")[0]
    shown, *hidden = cases
    call = ", ".join(literal(a) if isinstance(a, np.ndarray) else repr(a) for a in shown)
    expected = repr(np.asarray(function(*shown)).tolist())
    parts = [
        {
            "kind": "case",
            "arguments": [a.tolist() if isinstance(a, np.ndarray) else a for a in case],
            "value": np.asarray(function(*case)).tolist(),
            "tolerance": 1e-6,
        }
        for case in hidden
    ]
    return Question(
        title,
        f"{text} It is tried on {len(hidden)} inputs that are not shown here, a point each. NumPy "
        f"is enough. For instance,\n\n```python\n{name}({call})\n```\n\nis `{expected}`.",
        {},
        parts,
        answer=name,
        start=f"def {signature}:\n    ...\n\n\n",
    )


def correlate(rng: Draw) -> Question:
    def pair(shape, side):
        kernel = rng.integers(-4, 5, side)
        kernel.flat[0], kernel.flat[-1] = 5, -6  # its mirror image is another
        return rng.integers(-9, 10, shape), kernel

    cases = [pair((2, 3), (2, 2)), pair((5, 5), (3, 3)), pair((4, 7), (3, 3)), pair((6, 5), (2, 3))]
    one = (rng.integers(-9, 10, (3, 4)), rng.integers(2, 6, (1, 1)))
    cases += [one, pair((4, 3), (4, 3))]
    return _question(
        "Write a cross-correlation",
        "Write `correlate(x, k)`: the cross-correlation of a matrix with a kernel, both of any "
        "shape, stride 1, without padding: what deep learning calls a convolution.",
        _correlate,
        "correlate(x, k)",
        cases,
    )


def relu_backward(rng: Draw) -> Question:
    def pair(*shape):
        x, dout = rng.integers(1, 6, shape) * rng.choice([-1, 1], shape), rng.integers(1, 10, shape)
        x.flat[:3], dout.flat[:3] = (-2, 3, -1), (4, -7, -3)
        return x, dout

    zeros = pair(3, 4)
    zeros[0].flat[3:8], zeros[1].flat[3:8] = 0, 5
    return _question(
        "Backwards through ReLU",
        "Write `relu_backward(x, dout)`: the gradient of the loss on the input x of a ReLU, from "
        "the gradient on its output, dout. Both are arrays of one shape, of any number of axes. At "
        "0 the slope counts as 0.",
        _relu_backward,
        "relu_backward(x, dout)",
        [pair(4), pair(9), pair(3, 5), zeros, pair(2, 3, 3, 2)],
    )


def max_pool(rng: Draw) -> Question:
    def x(*shape):
        return rng.integers(-20, 60, shape)

    cases = [(x(2, 4), 2, 2), (x(6, 6), 2, 2), (x(5, 7), 2, 2), (x(7, 9), 3, 2)]
    return _question(
        "Write max pooling",
        "Write `max_pool(x, size, stride)`: max pooling of a matrix with square windows and "
        "without padding. A window that would reach over the edge is left out.",
        _max_pool,
        "max_pool(x, size, stride)",
        [*cases, (-x(4, 6) - 61, 2, 2), (x(4, 5), 2, 1)],
    )


CODE = (correlate, relu_backward, max_pool)
