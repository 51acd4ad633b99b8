"""Checks for the exercises of chapter 15."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "15.1", "behind three poolings a step is 8 pixels: the pooling adds 4, the convolution 16."
)
def _(answer):
    return close(answer, 38)


@exercise("15.2", "the square of value i begins at 2·i: out[2 * np.arange(n) + switches] = values.")
def _(answer):
    values, switches = np.array([3.0, -1.0, 5.0]), np.array([1, 0, 1])
    return close(answer(values, switches), [0, 3, -1, 0, 0, 5])


@exercise("15.3", "pass on what is positive on the way down and was positive on the way up.")
def _(answer):
    down, up = np.array([2.0, -2.0, 2.0, -2.0]), np.array([3.0, 3.0, 0.0, -1.0])
    return close(answer(down, up), [2, 0, 0, 0])


@exercise("15.4", "the gradient is the same all the way: w.")
def _(answer):
    w, x, base = np.random.default_rng(0).normal(size=(3, 5))
    return close(answer(w, x, base), w * (x - base))


@exercise("15.5", "the weights are slopes.mean((0, 1)); add over the channels, then np.maximum.")
def _(answer):
    maps, slopes = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    heat = np.einsum("yxc,c->yx", maps, slopes.mean((0, 1)))
    return close(answer(maps, slopes), heat.clip(0))


@exercise("15.6", "each of the 150·150·3 numbers moves by 1 in the direction of its weight's sign.")
def _(answer):
    return close(answer, 67.5)
