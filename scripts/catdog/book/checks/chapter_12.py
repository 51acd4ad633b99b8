"""Checks for the exercises of chapter 12."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "12.2",
    "first the mean of the three differences, and their standard deviation.",
    "the standard deviation divides by n - 1 (ddof=1); the standard error is it, divided by √3.",
    "the mean minus 4.303 standard errors: it lies a little below zero.",
)
def _(answer):
    return close(answer, 0.02 - 4.302653 * 0.01 / np.sqrt(3), 1e-3)


@exercise(
    "12.3",
    "compare with the mean of the baseline's runs, not with one of them.",
    "the interval reaches t · s · √(1 + 1/3) to both sides, with s of ddof=1.",
    "np.abs(once - np.mean(baseline)) > 4.303 * np.std(baseline, ddof=1) * np.sqrt(4 / 3).",
)
def _(answer):
    baseline = np.array([0.83, 0.79, 0.80])  # mean 0.8067, s = 0.0208: it reaches 0.1034
    cases = (0.80, 0.71, 0.908, 0.70, 0.912, 0.69)
    said = [bool(answer(baseline, case)) for case in cases]
    return said == [False, False, False, True, True, True]


@exercise(
    "12.4",
    "focal loss is cross-entropy times a factor: which?",
    "the factor is (1 - p)², with p the probability of the truth.",
    "1 - p is 0.1; square it.",
)
def _(answer):
    return close(answer, 0.01)


@exercise(
    "12.5",
    "the photo is a weighted mean of two photos: which weights?",
    "a weighs share, b the rest, 1 - share.",
    "share * a + (1 - share) * b, and the same with the targets.",
)
def _(answer):
    a, b = np.full((2, 2, 3), 200.0), np.full((2, 2, 3), 100.0)
    photo, target = answer(a, b, np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.7)
    return close(photo, np.full((2, 2, 3), 170.0)) and close(target, (0.7, 0.3))


@exercise(
    "12.6",
    "photos that both get right, or neither, do not count.",
    "~b is true where b is wrong.",
    "(a & ~b).sum() for only a; exchange a and b for the other.",
)
def _(answer):
    a = np.array([True, True, True, False, False, True])
    b = np.array([True, False, False, True, False, True])
    pairs = [tuple(int(n) for n in answer(x, y)) for x, y in ((a, b), (b, a), (a, a))]
    return pairs == [(2, 1), (1, 2), (0, 0)]


@exercise(
    "12.7",
    "how likely is it that one interval is right? And that all sixty are?",
    "all sixty are right with a probability of 0.95 to the power 60.",
    "at least one false alarm is the opposite of none: 1 minus that.",
)
def _(answer):
    return close(answer, 1 - 0.95**60, 1e-2)
