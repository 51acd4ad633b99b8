"""Checks for the exercises of chapter 5."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "05.1",
    "x[:, ::2, ::2] is the first pixel of every square, (n, h/2, w/2, c); there are three more.",
    "or reshape to (n, h/2, 2, w/2, 2, c): each square has axes of its own, 2 and 4.",
    "x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4)).",
)
def _(answer):
    rng = np.random.default_rng(0)
    for shape in ((2, 6, 8, 3), (1, 4, 2, 1)):
        x = rng.normal(-3, 1, shape)  # nearly all negative: padding with zeros would show
        before = x.copy()
        squares = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        if not close(answer(x), np.max(squares, axis=0)) or (x != before).any():
            return False
    return True


@exercise(
    "05.3",
    "the mean must stay, although a part of the numbers becomes 0.",
    "what remains is divided by the share that remains.",
    "a rate of 0.2 leaves 0.8: 8 / 0.8.",
)
def _(answer):
    return close(answer, 10)


@exercise(
    "05.4",
    "one mean and one variance a channel: over which axes?",
    "x.mean(axis=(0, 1, 2)) has the shape (c,), and x minus it works for all photos and places.",
    "(x − mean) / np.sqrt(x.var(axis=(0, 1, 2)) + 1e-3).",
)
def _(answer):
    x = np.random.default_rng(0).normal(3, [0.1, 20.0], (4, 5, 6, 2))
    centred = x - x.mean((0, 1, 2))
    return close(answer(x), centred / np.sqrt((centred**2).mean((0, 1, 2)) + 1e-3))


@exercise(
    "05.6",
    "one convolution depends on 3 pixels, two on 5.",
    "each 3×3 convolution adds one pixel on either side.",
    "1 + 5·2.",
)
def _(answer):
    return close(answer, 11)


@exercise(
    "05.7",
    "a convolution k×k from c channels to c has k·k·c·c weights.",
    "two times 3·3·c·c, divided by 5·5·c·c.",
    "c cancels: 18 / 25.",
)
def _(answer):
    return close(answer, 0.72)
