"""Checks for the exercises of chapter 8."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("08.1", "the last, smaller batch counts too: round up.")
def _(answer):
    return close(answer, [500, 32])


@exercise("08.2", "one byte a number: photos × height × width × channels.")
def _(answer):
    return close(answer, 1.35, 0.01)


@exercise("08.3", "reverse the axis of the width: x[:, :, ::-1].")
def _(answer):
    x = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3)
    out = np.asarray(answer(x))
    return out.shape == x.shape and (out == np.flip(x, 2)).all()


@exercise("08.4", "split each label by itself, so that each keeps its share.")
def _(answer):
    labels = ["cat"] * 80 + ["dog"] * 20
    train, validation = (list(side) for side in answer(labels, 0.25))
    together = sorted([*train, *validation]) == list(range(100))
    return together and sorted(labels[i] for i in validation) == ["cat"] * 20 + ["dog"] * 5


@exercise("08.5", "over x = 150 columns the shift is 150 sin s; NumPy wants radians.")
def _(answer):
    return close(answer, (150 * np.sin(0.2), 150 * np.sin(np.radians(0.2))), 0.01)
