"""Checks for the exercises of chapter 1."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("01.1", "it is right on the dogs, and on nothing else.")
def _(answer):
    return close(answer, 0.7)


@exercise("01.2", "statistics.wilson(right, of_how_many) gives the pair.")
def _(answer):
    return len(answer) == 2 and close(answer, (0.885163, 0.902232), 1e-5)


@exercise("01.3", "take the file's own name first: PurePath(path).name.")
def _(answer):
    cases = {"cat.12.jpg": "cat", "my cat photos/dog.7.jpg": "dog", "dogs/cat.1.jpg": "cat"}
    return all(answer(path) == label for path, label in cases.items())


@exercise("01.4", "each pixel has three numbers: red, green, blue.")
def _(answer):
    return close(answer, 562_500)


@exercise("01.5", "compare the upper end of the first with the lower end of the second.")
def _(answer):
    return answer is True or answer is np.True_
