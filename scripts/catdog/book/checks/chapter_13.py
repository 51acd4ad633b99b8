"""Checks for the exercises of chapter 13."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("13.1", "5 × 5 × … : six factors.")
def _(answer):
    return close(answer, 15_625)


@exercise("13.2", "the chance that n trials all miss is 0.95 to the power n.")
def _(answer):
    return close(answer, 59)


@exercise("13.3", "draw the exponent of ten, uniformly.")
def _(answer):
    drawn = np.asarray(answer(np.random.default_rng(0), 4000))
    if drawn.shape != (4000,) or len(set(drawn)) < 3900 or drawn.min() <= 0:
        return False
    quarters = np.histogram(np.log10(drawn), 4, (-4, -1))[0] / 4000
    return np.abs(quarters - 0.25).max() < 0.04


@exercise("13.4", "compare with np.median; a higher loss is worse.")
def _(answer):
    cases = ((0.6, [0.5, 0.7, 0.4]), (0.45, [0.5, 0.7, 0.4]), (0.5, [0.1, 0.6, 0.9]))
    return [bool(answer(*case)) for case in cases] == [True, False, False]


@exercise("13.5", "np.minimum.accumulate.")
def _(answer):
    return close(answer(np.array([0.7, 0.8, 0.5, 0.6, 0.4])), (0.7, 0.7, 0.5, 0.5, 0.4))


@exercise("13.6", "one standard error is √(0.8 × 0.2 / 2000), 0.9 %; the best of 100 is 2.5 above.")
def _(answer):
    return close(answer, 0.82)
