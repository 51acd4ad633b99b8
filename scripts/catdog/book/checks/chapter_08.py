"""Checks for the exercises of chapter 8."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "08.1",
    "every photo has its turn once in an epoch: how many batches does it take until none is left?",
    "16,000 / 32 is a whole number, and 2,000 / 64 is none: the last batch is smaller.",
    "the smaller batch is a step, too: round up.",
)
def _(answer):
    return close(answer, [500, 32])


@exercise(
    "08.2",
    "how many numbers is one photo: height × width × channels?",
    "a float32 takes 4 bytes.",
    "5,000 × 224 × 224 × 3 × 4 bytes, divided by 10⁹.",
)
def _(answer):
    return close(answer, 3.01056, 0.01)


@exercise(
    "08.3",
    "which of the four axes runs from left to right?",
    "it is the third; all others stay as they are.",
    "a step of -1 reverses an axis: x[:, :, ::-1].",
)
def _(answer):
    x = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3)
    given = x.copy()
    out = np.asarray(answer(x))
    return out.shape == x.shape and (out == np.flip(given, 2)).all()


@exercise(
    "08.4",
    "treat each label by itself: where in the list does it stand?",
    "of a label's k positions, round(ratio × k) go to validation, the others to train.",
    "loop over set(labels), cut each label's positions in two, and add the parts to two lists.",
)
def _(answer):
    rng = np.random.default_rng(8)
    for cats, dogs, ratio in ((80, 20, 0.25), (30, 50, 0.1), (12, 8, 0.5)):
        labels = [str(label) for label in rng.permutation(["cat"] * cats + ["dog"] * dogs)]
        train, validation = (list(side) for side in answer(labels, ratio))
        if sorted([*train, *validation]) != list(range(len(labels))):
            return False
        chosen = [labels[i] for i in validation]
        if (chosen.count("cat"), chosen.count("dog")) != (round(ratio * cats), round(ratio * dogs)):
            return False
    return True


@exercise(
    "08.5",
    "put x = 150 into x sin s, and 0 for the left edge.",
    "NumPy's sine takes radians: what are 0.2 degrees in radians?",
    "150 × np.sin(0.2), and the same with np.radians(0.2).",
)
def _(answer):
    return close(answer, (150 * np.sin(0.2), 150 * np.sin(np.radians(0.2))), 0.01)
