"""Checks for the exercises of chapter 11."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "11.1",
    "The temperature divides something before the sigmoid: which of the two numbers is it?",
    "Divide the logit by the temperature: 3 / 1.25 = 2.4.",
    "The sigmoid of 2.4: 1 / (1 + np.exp(-2.4)).",
)
def _(answer):
    return close(answer, 1 / (1 + np.exp(-2.4)), 1e-3)


@exercise(
    "11.3",
    "Mean first or sigmoid first? The question asks for the probabilities of the mean logit.",
    "Add both arrays and divide by two: that is the mean logit.",
    "Put the mean through the sigmoid: 1 / (1 + np.exp(-mean)).",
)
def _(answer):
    a, b = np.array([1.0, -2.0, 0.5]), np.array([3.0, -1.0, -4.5])
    return close(answer(a, b), 1 / (1 + np.exp(-(a + b) / 2)), 1e-4)


@exercise(
    "11.4",
    "On the 32 photos the model names the animal that is there: does that agree with the label?",
    "By the labels it is right on 4,000 - 32 photos.",
    "Divide that by all photos: (4000 - 32) / 4000.",
)
def _(answer):
    return close(answer, 0.992, 1e-5)


@exercise(
    "11.5",
    "Which label would the model itself have given with the least probability?",
    "np.abs(labels - dog) says how far each probability is from its label.",
    "np.argmax of these distances is the index of the largest.",
)
def _(answer):
    labels, dog = np.array([0, 1, 1, 0, 1]), np.array([0.2, 0.9, 0.05, 0.7, 0.45])
    return int(answer(labels, dog)) == 2 and int(answer(1 - labels, dog)) == 1
