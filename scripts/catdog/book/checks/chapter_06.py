"""Checks for the exercises of chapter 6."""

from __future__ import annotations

from functools import partial

import numpy as np

from catdog.book.checking import close, exercise

_same = partial(close, tolerance=1e-5, atol=1e-9)


@exercise(
    "06.1",
    "the weight met four pixels of the input, one for each pixel of the output. Which?",
    "the weight at the bottom right met the lower right 2×2 pixels: 2, 4, 2, 5.",
    "multiply these with the gradients of the output, 2, 1, 0, −1, and add up.",
)
def _(answer):
    return close(answer, 3)


@exercise(
    "06.2",
    "like relu_backward, but what is negative is not stopped: it comes through weakened.",
    "the slope is 1 where x > 0, else 0.1. The sign of x counts, not that of dout.",
    "dout * np.where(x > 0, 1, 0.1)",
)
def _(answer):
    rng = np.random.default_rng(6)
    x, dout = rng.normal(size=(2, 3, 4, 5))[:, 0], rng.normal(size=(2, 4, 5))
    kept = x.copy(), dout.copy()
    wanted = dout * (0.1 + 0.9 * (x > 0))
    return _same(answer(dout, x), wanted) and (x == kept[0]).all() and (dout == kept[1]).all()


@exercise(
    "06.3",
    "there is no winner: raise any of the four pixels, and the mean rises. By how much?",
    "each pixel gets a quarter of the gradient of its square.",
    "np.repeat along axis 1, then along axis 2, makes four of each number; divide by 4.",
)
def _(answer):
    dout = np.random.default_rng(6).normal(size=(2, 3, 4, 5))
    wanted = np.kron(dout, np.full((1, 2, 2, 1), 0.25))
    return _same(answer(dout.copy()), wanted)


@exercise(
    "06.4",
    "the input's gradient has the shape of the input: the picture without its margin.",
    "the zeros of the margin are no pixels of the input, so what comes back to them is dropped.",
    "a slice that leaves p out at both ends of axis 1 and of axis 2, as in a[p:-p].",
)
def _(answer):
    rng = np.random.default_rng(6)
    for p in (1, 3):
        wanted = rng.normal(size=(2, 4, 5, 3))
        margin = ((0, 0), (p, p), (p, p), (0, 0))
        if not _same(answer(np.pad(wanted, margin, constant_values=7.0), p), wanted):
            return False
    return True


@exercise(
    "06.5",
    "two lines, in the order of the question: the velocity first, then the parameter.",
    "the parameter moves by the *new* velocity, against it; both are returned.",
    "velocity = momentum * velocity + gradient; return parameter - rate * velocity, velocity",
)
def _(answer):
    rng = np.random.default_rng(6)
    parameter, gradient, velocity = rng.normal(size=(3, 4, 5))
    new = 0.9 * velocity + gradient
    given = parameter.copy(), gradient.copy(), velocity.copy()
    found = answer(*given, 0.1, 0.9)
    if isinstance(found, np.ndarray) or len(found) != 2:
        return False
    kept = (given[0] == parameter).all() and (given[2] == velocity).all()
    return _same(found[0], parameter - 0.1 * new) and _same(found[1], new) and kept


@exercise(
    "06.6",
    "two forward passes a number: one with it a little larger, one with it a little smaller.",
    "how many numbers are in the kernels, in the bias, in w and in b? Biases count.",
    "2 × (5×5×1×16 + 16 + 2×2×16×10 + 10)",
)
def _(answer):
    return close(answer, 2132)
