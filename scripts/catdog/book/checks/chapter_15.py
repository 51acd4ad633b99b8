"""Checks for the exercises of chapter 15."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "15.2",
    "a unit of the third convolution sees 18 pixels; follow `window` on from there.",
    "behind three poolings, two units that are neighbours stand 8 pixels apart.",
    "the third pooling adds one unit, 4 pixels away; the convolution adds one on each side.",
)
def _(answer):
    return close(answer, 38)


@exercise(
    "15.3",
    "begin with np.zeros(2 * len(values)), and fill in len(values) of its places.",
    "the pair of value i begins at place 2·i; its switch says which of the two it is.",
    "out[2 * np.arange(n) + switches] = values.",
)
def _(answer):
    values, switches = np.array([3.0, -1.0, 5.0, 2.0]), np.array([1, 0, 1, 0])
    return close(answer(values, switches), [0, 3, -1, 0, 0, 5, 2, 0]) and close(
        answer(np.array([7.0]), np.array([1])), [0, 7]
    )


@exercise(
    "15.4",
    "it joins the rule of the deconvolutional network and the rule of the gradient.",
    "two conditions, one on each array; where either fails, 0 passes.",
    "what passes is `down`, where down > 0 and up > 0.",
)
def _(answer):
    down, up = np.array([2.0, -2.0, 2.0, -2.0, 0.5]), np.array([3.0, 3.0, 0.0, -1.0, 0.25])
    return close(answer(down, up), [2, 0, 0, 0, 0.5])


@exercise(
    "15.5",
    "what is the gradient of w·x with respect to x?",
    "the gradient is w, wherever x is; its length is np.linalg.norm(w).",
    "to make the activation grow, add rate times w divided by its length.",
)
def _(answer):
    x, w = np.random.default_rng(0).normal(size=(2, 6))
    return close(answer(x, w, 0.5), x + 0.5 * w / np.sqrt((w**2).sum()))


@exercise(
    "15.6",
    "a cosine is the product of two vectors, divided by the lengths of both.",
    "bank @ query holds all products; the length of the query is the same for all of them.",
    "divide bank @ query by np.linalg.norm(bank, axis=1), and take np.argmax.",
)
def _(answer):
    query = np.array([1.0, 1.0])
    bank = np.array([[9.0, 0.0], [0.2, 0.3], [-5.0, -5.0], [1.5, 0.4]])
    rng = np.random.default_rng(0)
    many, few = rng.normal(size=(40, 5)) * rng.uniform(0.1, 9, (40, 1)), rng.normal(size=5)
    cosines = many @ few / np.sqrt((many**2).sum(1))
    return close(answer(query, bank), 1) and close(answer(few, many), cosines.argmax())
