"""Checks for the exercises of chapter 17."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("17.1", "minus the logarithm of the least that the truth can be given.")
def _(answer):
    return close(answer, -np.log(0.01))


@exercise("17.2", "np.clip(dog, c, 1 - c).")
def _(answer):
    return close(answer(np.array([0.0, 0.02, 0.5, 0.99, 1.0]), 0.05), [0.05, 0.05, 0.5, 0.95, 0.95])


@exercise("17.3", "with a share e of wrong answers: -(1 - e) ln(1 - c) - e ln c.")
def _(answer):
    return close(answer, 0.00625)


@exercise("17.4", "divide each row by its length; then a @ b.T holds all cosines.")
def _(answer):
    bank = np.array([[2.0, 0.0], [0.0, 3.0]])
    features = np.array([[5.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [0.0, 0.5]])
    return close(1 + np.asarray(answer(features, bank)), [1, 2 - np.sqrt(0.5), 2, 1])


@exercise("17.5", "a quantile of the distances.")
def _(answer):
    distances = np.random.default_rng(0).permutation(101) / 50
    return close(answer(distances, 0.99), 1.98) and close(answer(distances, 0.5), 1.0)


@exercise("17.6", "sorted(found) sorts by number; begin with the line id,label.")
def _(answer):
    wanted = ["id,label", "2,0.5000", "9,0.0025", "10,0.9975"]
    return list(answer({10: 0.9975, 9: 0.0025, 2: 0.5})) == wanted
