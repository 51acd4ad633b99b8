"""Checks for the exercises of chapter 9."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("09.1", "a filter sees 3×3 pixels of every channel below it, and has one bias.")
def _(answer):
    return close(answer, 18_496)


@exercise("09.2", "each pooling halves the size and rounds down: 150 becomes 75, 37, …")
def _(answer):
    return tuple(answer) == (18, 18, 64)


@exercise("09.3", "the flattened 18 × 18 × 64 numbers times 64, and 64 biases.")
def _(answer):
    return close(answer, 1_327_168 / 1_355_938, 1e-3)


@exercise("09.4", "exponentials, divided by their sum along the last axis.")
def _(answer):
    x = np.array([[1.0, 2.0], [0.0, 0.0], [-3.0, 5.0]])
    right = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    return close(answer(x), right)


@exercise("09.5", "the loss is the mean of -log of the probability given to the true label.")
def _(answer):
    probability, true = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])
    return close(answer(probability, true), -np.log([0.9, 0.8, 0.4]).mean())
