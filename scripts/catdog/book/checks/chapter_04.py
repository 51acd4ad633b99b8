"""Checks for the exercises of chapter 4."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("04.1", "right column minus left column, the middle row counted twice.")
def _(answer):
    return close(answer, 8)


@exercise("04.2", "floor((n + 2p - k) / s) + 1.")
def _(answer):
    return close(answer, 112)


@exercise("04.3", "a pixel of the result must become its right neighbour.")
def _(answer):
    wanted = np.zeros((3, 3))
    wanted[1, 2] = 1
    return np.shape(answer) == (3, 3) and (np.asarray(answer) == wanted).all()


@exercise("04.4", "each 3×3 convolution adds one pixel on either side.")
def _(answer):
    return close(answer, 11)


@exercise("04.5", "a larger array of zeros, with the kernel in every second place: out[::2, ::2].")
def _(answer):
    kernel = np.arange(1.0, 10.0).reshape(3, 3)
    out = np.asarray(answer(kernel))
    return out.shape == (5, 5) and (out[::2, ::2] == kernel).all() and out.sum() == kernel.sum()
