"""Checks for the exercises of chapters 10, 11 and 14."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("10.1", "one in twenty.")
def _(answer):
    return close(answer, 3)


@exercise("10.2", "(1 - p) to the power γ.")
def _(answer):
    return close(answer, 0.01)


@exercise("10.3", "(5 × 5 × channels in + 1) × channels out.")
def _(answer):
    return close(answer, 25_632)


@exercise("10.4", "a & ~b is true where only a is right; then sum.")
def _(answer):
    a = np.array([True, True, True, False, False, True])
    b = np.array([True, False, False, True, False, True])
    found = [tuple(int(n) for n in answer(x, y)) for x, y in ((a, b), (b, a), (a, a))]
    return found == [(2, 1), (1, 2), (0, 0)]


@exercise("10.5", "share × a + (1 - share) × b, and the same for the targets.")
def _(answer):
    a, b = np.full((2, 2, 3), 200.0), np.full((2, 2, 3), 100.0)
    photo, target = answer(a, b, np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.7)
    return close(photo, np.full((2, 2, 3), 170.0)) and close(target, (0.7, 0.3))


@exercise("10.6", "the mean minus 4.303 times the standard deviation (ddof=1) over √3.")
def _(answer):
    return close(answer, 0.02 - 4.302653 * 0.01 / np.sqrt(3), 1e-3)


@exercise("11.1", "5 × 5 × … : six factors.")
def _(answer):
    return close(answer, 15_625)


@exercise("11.2", "the chance that n trials all miss is 0.95 to the power n.")
def _(answer):
    return close(answer, 59)


@exercise("11.3", "draw the exponent of ten, uniformly.")
def _(answer):
    drawn = np.asarray(answer(np.random.default_rng(0), 4000))
    if drawn.shape != (4000,) or len(set(drawn)) < 3900 or drawn.min() <= 0:
        return False
    quarters = np.histogram(np.log10(drawn), 4, (-4, -1))[0] / 4000
    return np.abs(quarters - 0.25).max() < 0.04


@exercise("11.4", "compare with np.median; a higher loss is worse.")
def _(answer):
    cases = ((0.6, [0.5, 0.7, 0.4]), (0.45, [0.5, 0.7, 0.4]), (0.5, [0.1, 0.6, 0.9]))
    return [bool(answer(*case)) for case in cases] == [True, False, False]


@exercise("11.5", "np.minimum.accumulate.")
def _(answer):
    return close(answer(np.array([0.7, 0.8, 0.5, 0.6, 0.4])), (0.7, 0.7, 0.5, 0.5, 0.4))


@exercise("11.6", "one standard error is √(0.8 × 0.2 / 2000), 0.9 %; the best of 100 is 2.5 above.")
def _(answer):
    return close(answer, 0.82)


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
