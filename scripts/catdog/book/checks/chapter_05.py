"""Checks for the exercises of chapter 5."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("05.1", "reshape to (h/2, 2, w/2, 2) and take the largest along axes 1 and 3.")
def _(answer):
    x = np.random.default_rng(0).normal(size=(6, 8))
    squares = [x[i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return close(answer(x), np.max(squares, axis=0))


@exercise("05.2", "the mean must stay: what survives is divided by the share that survives.")
def _(answer):
    return close(answer, 10)


@exercise("05.3", "the slope of ReLU is 1 where x is positive, and 0 elsewhere.")
def _(answer):
    g, x = np.array([[1.0, -2.0], [3.0, 4.0]]), np.array([[0.5, 2.0], [-1.0, 3.0]])
    return close(answer(g, x), [[1, -2], [0, 4]])


@exercise("05.4", "mean and variance over axes 0, 1 and 2: one of each is left a channel.")
def _(answer):
    x = np.random.default_rng(0).normal(3, [1.0, 20.0], (4, 5, 6, 2))
    out = np.asarray(answer(x))
    mean, deviation = out.mean((0, 1, 2)), out.std((0, 1, 2))
    return out.shape == x.shape and np.abs(mean).max() < 1e-6 and np.abs(deviation - 1).max() < 2e-3


@exercise("05.5", "every neuron has a weight for each of the 6·6·256 numbers, and one bias.")
def _(answer):
    return close(answer, 37_752_832)


@exercise("05.6", "two times 3·3·c·c, against 5·5·c·c.")
def _(answer):
    return close(answer, 0.72)
