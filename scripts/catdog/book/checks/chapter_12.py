"""Checks for the exercises of chapter 12."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("12.1", "one in twenty.")
def _(answer):
    return close(answer, 3)


@exercise("12.2", "(1 - p) to the power γ.")
def _(answer):
    return close(answer, 0.01)


@exercise("12.3", "(5 × 5 × channels in + 1) × channels out.")
def _(answer):
    return close(answer, 25_632)


@exercise("12.4", "a & ~b is true where only a is right; then sum.")
def _(answer):
    a = np.array([True, True, True, False, False, True])
    b = np.array([True, False, False, True, False, True])
    found = [tuple(int(n) for n in answer(x, y)) for x, y in ((a, b), (b, a), (a, a))]
    return found == [(2, 1), (1, 2), (0, 0)]


@exercise("12.5", "share × a + (1 - share) × b, and the same for the targets.")
def _(answer):
    a, b = np.full((2, 2, 3), 200.0), np.full((2, 2, 3), 100.0)
    photo, target = answer(a, b, np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.7)
    return close(photo, np.full((2, 2, 3), 170.0)) and close(target, (0.7, 0.3))


@exercise("12.6", "the mean minus 4.303 times the standard deviation (ddof=1) over √3.")
def _(answer):
    return close(answer, 0.02 - 4.302653 * 0.01 / np.sqrt(3), 1e-3)
