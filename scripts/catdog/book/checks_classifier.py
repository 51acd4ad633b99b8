"""Checks for the exercises of chapters 5 to 8."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("05.1", "the last, smaller batch counts too: round up.")
def _(answer):
    return close(answer, [500, 32])


@exercise("05.2", "one byte a number: photos × height × width × channels.")
def _(answer):
    return close(answer, 1.35, 0.01)


@exercise("05.3", "reverse the axis of the width: x[:, :, ::-1].")
def _(answer):
    x = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3)
    out = np.asarray(answer(x))
    return out.shape == x.shape and (out == np.flip(x, 2)).all()


@exercise("05.4", "split each label by itself, so that each keeps its share.")
def _(answer):
    labels = ["cat"] * 80 + ["dog"] * 20
    train, validation = (list(side) for side in answer(labels, 0.25))
    together = sorted([*train, *validation]) == list(range(100))
    return together and sorted(labels[i] for i in validation) == ["cat"] * 20 + ["dog"] * 5


@exercise("05.5", "over x = 150 columns the shift is 150 sin s; NumPy wants radians.")
def _(answer):
    return close(answer, (150 * np.sin(0.2), 150 * np.sin(np.radians(0.2))), 0.01)


@exercise("06.1", "a filter sees 3×3 pixels of every channel below it, and has one bias.")
def _(answer):
    return close(answer, 18_496)


@exercise("06.2", "each pooling halves the size and rounds down: 150 becomes 75, 37, …")
def _(answer):
    return tuple(answer) == (18, 18, 64)


@exercise("06.3", "the flattened 18 × 18 × 64 numbers times 64, and 64 biases.")
def _(answer):
    return close(answer, 1_327_168 / 1_355_938, 1e-3)


@exercise("06.4", "exponentials, divided by their sum along the last axis.")
def _(answer):
    x = np.array([[1.0, 2.0], [0.0, 0.0], [-3.0, 5.0]])
    right = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    return close(answer(x), right)


@exercise("06.5", "the loss is the mean of -log of the probability given to the true label.")
def _(answer):
    probability, true = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])
    return close(answer(probability, true), -np.log([0.9, 0.8, 0.4]).mean())


@exercise("07.1", "five poolings halve the size five times: divide by 32.")
def _(answer):
    return tuple(answer) == (7, 7, 512)


@exercise("07.2", "each dense layer has (inputs + 1) times its neurons.")
def _(answer):
    return close(answer, 4_326_401)


@exercise("07.3", "photos × numbers a photo × two bytes.")
def _(answer):
    return close(answer, 409.6, 1e-3)


@exercise("07.4", "x[..., ::-1] reverses the channels; then subtract an array of three.")
def _(answer):
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 3))
    blue_first = np.stack([x[..., 2] - 103.939, x[..., 1] - 116.779, x[..., 0] - 123.68], -1)
    return close(answer(x), blue_first)


@exercise("07.5", "divide and round up; the last batch may be smaller.")
def _(answer):
    return [answer(n, 64) for n in (64, 65, 1000, 1)] == [1, 2, 16, 1]


@exercise("08.1", "divide the logit by the temperature, then 1 / (1 + exp(-x)).")
def _(answer):
    return close(answer, 1 / (1 + np.exp(-2.0)))


@exercise("08.2", "dividing by a positive number: does the sign change?")
def _(answer):
    return answer is False or answer is np.False_


@exercise("08.3", "mean of the two, then 1 / (1 + exp(-x)).")
def _(answer):
    a, b = np.array([1.0, -2.0, 0.5]), np.array([3.0, -1.0, -0.5])
    return close(answer(a, b), 1 / (1 + np.exp(-(a + b) / 2)))


@exercise("08.4", "it is right about the animal, and so wrong by the label, on all of these 32.")
def _(answer):
    return close(answer, 0.992)


@exercise("08.5", "how far is each probability from its label? np.argmax finds the largest.")
def _(answer):
    labels, dog = np.array([0, 1, 1, 0]), np.array([0.2, 0.9, 0.05, 0.7])
    return int(answer(labels, dog)) == 2 and int(answer(1 - labels, dog)) == 1
