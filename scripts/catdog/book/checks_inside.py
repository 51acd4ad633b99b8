"""Checks for the exercises of chapters 12 and 13."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "12.1", "behind three poolings a step is 8 pixels: the pooling adds 4, the convolution 16."
)
def _(answer):
    return close(answer, 38)


@exercise("12.2", "the square of value i begins at 2·i: out[2 * np.arange(n) + switches] = values.")
def _(answer):
    values, switches = np.array([3.0, -1.0, 5.0]), np.array([1, 0, 1])
    return close(answer(values, switches), [0, 3, -1, 0, 0, 5])


@exercise("12.3", "pass on what is positive on the way down and was positive on the way up.")
def _(answer):
    down, up = np.array([2.0, -2.0, 2.0, -2.0]), np.array([3.0, 3.0, 0.0, -1.0])
    return close(answer(down, up), [2, 0, 0, 0])


@exercise("12.4", "the gradient is the same all the way: w.")
def _(answer):
    w, x, base = np.random.default_rng(0).normal(size=(3, 5))
    return close(answer(w, x, base), w * (x - base))


@exercise("12.5", "the weights are slopes.mean((0, 1)); add over the channels, then np.maximum.")
def _(answer):
    maps, slopes = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    heat = np.einsum("yxc,c->yx", maps, slopes.mean((0, 1)))
    return close(answer(maps, slopes), heat.clip(0))


@exercise("12.6", "each of the 150·150·3 numbers moves by 1 in the direction of its weight's sign.")
def _(answer):
    return close(answer, 67.5)


@exercise("13.1", "minus the logarithm of the least that the truth can be given.")
def _(answer):
    return close(answer, -np.log(0.01))


@exercise("13.2", "np.clip(dog, c, 1 - c).")
def _(answer):
    return close(answer(np.array([0.0, 0.02, 0.5, 0.99, 1.0]), 0.05), [0.05, 0.05, 0.5, 0.95, 0.95])


@exercise("13.3", "with a share e of wrong answers: -(1 - e) ln(1 - c) - e ln c.")
def _(answer):
    return close(answer, 0.00625)


@exercise("13.4", "divide each row by its length; then a @ b.T holds all cosines.")
def _(answer):
    bank = np.array([[2.0, 0.0], [0.0, 3.0]])
    features = np.array([[5.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [0.0, 0.5]])
    return close(1 + np.asarray(answer(features, bank)), [1, 2 - np.sqrt(0.5), 2, 1])


@exercise("13.5", "a quantile of the distances.")
def _(answer):
    distances = np.random.default_rng(0).permutation(101) / 50
    return close(answer(distances, 0.99), 1.98) and close(answer(distances, 0.5), 1.0)


@exercise("13.6", "sorted(found) sorts by number; begin with the line id,label.")
def _(answer):
    wanted = ["id,label", "2,0.5000", "9,0.0025", "10,0.9975"]
    return list(answer({10: 0.9975, 9: 0.0025, 2: 0.5})) == wanted
