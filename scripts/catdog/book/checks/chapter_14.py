"""Checks for the exercises of chapter 14."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("14.1", "2 · height · width · outgoing · k² · incoming.")
def _(answer):
    return close(answer(75, 75, 32, 64, 3), 207_360_000) and close(answer(4, 8, 3, 5, 1), 960)


@exercise("14.2", "a photo has 80 · 80 · 3 of them.")
def _(answer):
    return close(answer, 307.2)


@exercise("14.3", "what remains of the time: 1 - p, and p / k.")
def _(answer):
    return close(answer(0.5, 2), 4 / 3) and close(answer(0.9, 10), 1 / 0.19)


@exercise("14.4", "an epoch at 48×48 costs (48/64)² of one at 64×64.")
def _(answer):
    return close(answer, 0.7265625)


@exercise("14.5", "u, s, v = np.linalg.svd(matrix, full_matrices=False); leave s out.")
def _(answer):
    matrix = np.random.default_rng(0).normal(size=(5, 3))
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    return close(answer(matrix), u @ v, 1e-4)


@exercise("14.6", "what is older counts 0.99 times as much after every step.")
def _(answer):
    return close(answer, 1 - 0.99**100, 1e-3)
