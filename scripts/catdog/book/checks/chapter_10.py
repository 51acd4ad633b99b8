"""Checks for the exercises of chapter 10."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("10.1", "five poolings halve the size five times: divide by 32.")
def _(answer):
    return tuple(answer) == (7, 7, 512)


@exercise("10.2", "each dense layer has (inputs + 1) times its neurons.")
def _(answer):
    return close(answer, 4_326_401)


@exercise("10.3", "photos × numbers a photo × two bytes.")
def _(answer):
    return close(answer, 409.6, 1e-3)


@exercise("10.4", "x[..., ::-1] reverses the channels; then subtract an array of three.")
def _(answer):
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 3))
    blue_first = np.stack([x[..., 2] - 103.939, x[..., 1] - 116.779, x[..., 0] - 123.68], -1)
    return close(answer(x), blue_first)


@exercise("10.5", "divide and round up; the last batch may be smaller.")
def _(answer):
    return [answer(n, 64) for n in (64, 65, 1000, 1)] == [1, 2, 16, 1]
