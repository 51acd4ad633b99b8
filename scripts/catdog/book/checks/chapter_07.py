"""Checks for the exercises of chapter 7."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "07.1",
    "how many numbers come out of the last pooling, 6×6×256?",
    "each of the 4,096 neurons has a weight for every one of these 9,216 numbers.",
    "and one bias: (9,216 + 1) · 4,096.",
)
def _(answer):
    return close(answer, 37_752_832)


@exercise(
    "07.2",
    "how many numbers come out: how many places, times how many filters?",
    "each of them is a sum of k · k · c products.",
    "so: side · side · f results, times k · k · c.",
)
def _(answer):
    cases = {(28, 5, 1, 6): 117_600, (10, 5, 6, 16): 240_000, (224, 3, 64, 64): 1_849_688_064}
    return all(close(answer(*case), products) for case, products in cases.items())


@exercise(
    "07.3",
    "count the weights of one 3×3 convolution from c channels to c channels.",
    "3·3·c·c for each of the three, 7·7·c·c for the one; c² falls out.",
    "3 · 9 / 49.",
)
def _(answer):
    return close(answer, 27 / 49)


@exercise(
    "07.4",
    "one convolution sees 3 pixels, two see 5.",
    "each further one sees one more pixel on either side.",
    "so it grows by 2: 3, 5, 7, … for n = 1, 2, 3, …",
)
def _(answer):
    return all(close(answer(n), 2 * n + 1) for n in (1, 2, 3, 8))


@exercise(
    "07.5",
    "np.argsort sorts from small to large: which five columns do you want?",
    "compare them with labels[:, None]: (n, 5) against (n, 1).",
    "a photo is right if any of its five is; the error is one minus the mean.",
)
def _(answer):
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(9), 60), rng.integers(0, 9, 60)
    largest = np.argsort(-probabilities, axis=1)[:, :5]
    error = np.mean([label not in five for label, five in zip(labels, largest, strict=True)])
    return close(answer(probabilities, labels), error)
