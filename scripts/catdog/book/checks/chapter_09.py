"""Checks for the exercises of chapter 9."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "09.1",
    "padding keeps the size, so only the poolings change it: how often is 150 halved?",
    "each pooling halves the size and rounds down: 150 becomes 75, then 37, then …",
    "the third number is that of the last convolution's filters.",
)
def _(answer):
    return isinstance(answer, tuple | list) and tuple(answer) == (18, 18, 64)


@exercise(
    "09.2",
    "a dense layer has a weight for each pair of input and output, and a bias for each output.",
    "its inputs are the flattened 18 × 18 × 64 numbers, its outputs 64.",
    "divide (18 · 18 · 64 + 1) · 64 by all 1,355,938 parameters.",
)
def _(answer):
    return close(answer, 1_327_168 / 1_355_938, 1e-3)


@exercise(
    "09.3",
    "exponentials, divided by their sum. Along which axis?",
    "a row is a photo: sum along the last axis with keepdims=True. Then try it with 1,000.",
    "only differences count: take each row's largest number away before np.exp.",
)
def _(answer):
    x = np.array([[1.0, 2.0], [0.0, 0.0], [-3.0, 5.0], [1000.0, 1001.0], [-1000.0, -1000.0]])
    right = np.exp(x - x.max(-1, keepdims=True))
    return close(answer(x.copy()), right / right.sum(-1, keepdims=True))


@exercise(
    "09.4",
    "which of a row's two probabilities does the loss look at?",
    "the one in the column of the true label: probability[np.arange(n), true].",
    "the mean of minus the logarithm of those.",
)
def _(answer):
    dog = np.array([0.1, 0.8, 0.4, 0.75, 0.3])
    true = np.array([0, 1, 1, 0, 1])
    probability = np.stack([1 - dog, dog], 1)
    return close(answer(probability, true), -np.log([0.9, 0.8, 0.4, 0.25, 0.3]).mean())


@exercise(
    "09.5",
    "go through the losses and remember two things: the best so far, and how long ago that was.",
    "a loss that equals the best is no improvement. A new best sets the count back to 0.",
    "return the epoch, counted from 1, in which the count reaches the patience; if it never does, "
    "the number of losses.",
)
def _(answer):
    series = [
        ([3.0, 2.0, 1.0, 1.5, 1.2, 0.9, 1.0, 1.0, 0.8], 2),
        ([3.0, 2.0, 1.0, 1.5, 1.2, 0.9, 1.0, 1.0, 0.8], 3),
        ([1.0, 1.0, 1.0, 1.0, 0.5], 3),
        ([5.0, 4.0, 6.0, 5.0, 4.5, 3.0], 3),
        ([5.0, 4.0, 4.5, 3.0, 3.5, 2.0, 2.5], 2),
    ]
    return [answer(list(losses), patience) for losses, patience in series] == [5, 9, 4, 5, 7]


@exercise(
    "09.6",
    "dogs' probabilities are dog[labels == 1]. Compare each of them with each of the cats'.",
    "dogs[:, None] > cats is a table of all pairs; its mean is the share that is in order.",
    "add half of the mean of dogs[:, None] == cats.",
)
def _(answer):
    rng = np.random.default_rng(9)
    labels = np.repeat([0, 1], (30, 50))
    dog = np.round(np.clip(0.4 + 0.2 * labels + 0.2 * rng.normal(size=80), 0, 1), 1)
    cats, dogs = dog[labels == 0], dog[labels == 1]
    right = (dogs[:, None] > cats).mean() + (dogs[:, None] == cats).mean() / 2
    return close(answer(labels, dog), right)
