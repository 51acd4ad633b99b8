"""Checks for the exercises of chapter 1."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise
from catdog.evaluation import statistics


@exercise(
    "01.1",
    "accuracy is how many it labels rightly, as a share of all.",
    "it is right on the dogs, and on nothing else.",
    "700 dogs of 300 + 700 animals.",
)
def _(answer):
    return close(answer, 0.7)


@exercise(
    "01.2",
    "the function takes two numbers: how many were right, and of how many.",
    "it returns the pair (low, high) as it is.",
    "statistics.wilson(4470, …).",
)
def _(answer):
    return len(answer) == 2 and close(answer, (0.885163, 0.902232), 1e-5)


@exercise(
    "01.3",
    "the folder may hold the word cat, too: only the file's own name counts.",
    "PurePath(path).name is that name, such as dog.7.jpg.",
    "the label is what stands before its first dot: .split('.')[0].",
)
def _(answer):
    cases = {"cat.12.jpg": "cat", "my cat photos/dog.7.jpg": "dog", "dogs/cat.1.jpg": "cat"}
    return all(answer(path) == label for path, label in cases.items())


@exercise(
    "01.4",
    "how many pixels are there?",
    "each pixel has three numbers: red, green, blue.",
    "500 · 375 · 3.",
)
def _(answer):
    return close(answer, 562_500)


@exercise(
    "01.5",
    "take both intervals, with statistics.wilson.",
    "they overlap if neither begins above the end of the other.",
    "low_1 <= high_2 and low_2 <= high_1.",
)
def _(answer):
    for first, second, n in (
        (900, 915, 1000),
        (915, 900, 1000),
        (900, 940, 1000),
        (940, 900, 1000),
    ):
        a, b = statistics.wilson(first, n), statistics.wilson(second, n)
        found = answer(first, second, n)
        if not isinstance(found, bool | np.bool_) or found != (a[0] <= b[1] and b[0] <= a[1]):
            return False
    return True
