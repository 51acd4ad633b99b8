"""Checks for the exercises of chapter 4."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "04.1",
    "write the nine products down, row by row; those in the middle column are 0.",
    "right column minus left column, the middle row counted twice.",
    "(3 − 1) + 2·(6 − 4) + (9 − 7).",
)
def _(answer):
    return close(answer, 8)


@exercise(
    "04.3",
    "the formula stands in the section on the size of the result.",
    "n is 224, k is 7, s is 2, p is 3 and d is 1.",
    "⌊(224 + 2·3 − 7) / 2⌋ + 1, rounded down before the 1 is added.",
)
def _(answer):
    return close(answer, 112)


@exercise(
    "04.4",
    "of the nine pixels under the kernel, only one may come through: eight of its numbers are 0.",
    "if the picture moves to the left, a pixel of the result becomes its right neighbour.",
    "a 1 in the middle row, right column.",
)
def _(answer):
    wanted = np.zeros((3, 3))
    wanted[1, 2] = 1
    return np.shape(answer) == (3, 3) and (np.asarray(answer) == wanted).all()


@exercise(
    "04.6",
    "begin with an array of zeros, (2k − 1, 2k − 1).",
    "the kernel's numbers stand in every second row and every second column of it.",
    "out[::2, ::2] = kernel, and return out.",
)
def _(answer):
    for k in (2, 3):
        kernel = np.arange(1.0, k * k + 1).reshape(k, k)
        wanted = np.zeros((2 * k - 1, 2 * k - 1))
        wanted[::2, ::2] = kernel
        if not np.array_equal(answer(kernel), wanted):
            return False
    return True


@exercise(
    "04.7",
    "begin with y of the shape (n, h − k + 1, w − k + 1, f), filled with the bias.",
    "for a place (a, b) of the kernel, the pixels under it are x[:, a : a + h', b : b + w'], where "
    "h' and w' are those of the result.",
    "add, for each of the k·k places, those pixels @ kernels[a, b]: (n, h', w', c) @ (c, f).",
)
def _(answer):
    rng = np.random.default_rng(0)
    for n, h, w, c, k, f in ((2, 7, 9, 3, 3, 4), (1, 5, 4, 1, 2, 1), (3, 6, 8, 2, 1, 5)):
        x, kernels = rng.normal(size=(n, h, w, c)), rng.normal(size=(k, k, c, f))
        bias, before = rng.normal(size=f), x.copy()
        windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
        wanted = np.einsum("nhwcab,abcf->nhwf", windows, kernels) + bias
        y = np.asarray(answer(x, kernels, bias))
        if y.shape != wanted.shape or not np.allclose(y, wanted) or (x != before).any():
            return False
    return True
