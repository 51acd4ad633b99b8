"""Checks for the exercises of chapter 11."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("11.1", "divide the logit by the temperature, then 1 / (1 + exp(-x)).")
def _(answer):
    return close(answer, 1 / (1 + np.exp(-2.0)))


@exercise("11.2", "dividing by a positive number: does the sign change?")
def _(answer):
    return answer is False or answer is np.False_


@exercise("11.3", "mean of the two, then 1 / (1 + exp(-x)).")
def _(answer):
    a, b = np.array([1.0, -2.0, 0.5]), np.array([3.0, -1.0, -0.5])
    return close(answer(a, b), 1 / (1 + np.exp(-(a + b) / 2)))


@exercise("11.4", "it is right about the animal, and so wrong by the label, on all of these 32.")
def _(answer):
    return close(answer, 0.992)


@exercise("11.5", "how far is each probability from its label? np.argmax finds the largest.")
def _(answer):
    labels, dog = np.array([0, 1, 1, 0]), np.array([0.2, 0.9, 0.05, 0.7])
    return int(answer(labels, dog)) == 2 and int(answer(1 - labels, dog)) == 1
