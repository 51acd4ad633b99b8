"""Checks for the exercises of chapter 2."""

from __future__ import annotations

from functools import partial

import numpy as np

from catdog.book.checking import close, exercise

_near = partial(close, tolerance=1e-9, atol=1e-12)


@exercise(
    "02.1",
    "The inputs of one neuron stand in a column of w: its sum is the row of x times that column.",
    "All rows times all columns is one product of matrices, written @; its shape is (n, o).",
    "x @ w, and then add b: NumPy adds it to every row.",
)
def _(answer):
    rng = np.random.default_rng(0)
    for n, i, o in ((4, 3, 2), (1, 3, 3), (3, 3, 3)):
        x, w, b = rng.normal(size=(n, i)), rng.normal(size=(i, o)), rng.normal(size=o)
        wanted = np.array([[sum(row * w[:, k]) + b[k] for k in range(o)] for row in x])
        if not _near(answer(x, w, b), wanted):
            return False
    return True


@exercise(
    "02.2",
    "What is positive stays as it is, what is negative becomes 0.",
    "Of each number and 0, take the larger one, in an array of the same shape.",
    "np.maximum takes the larger of two, number by number; np.max takes the largest of all.",
)
def _(answer):
    for x in (np.array([[-2.0, 0.0, 3.5], [0.25, -0.25, 7.0]]), np.array([-3, 4]), np.ones(2)):
        before, wanted = x.copy(), np.where(x > 0, x, 0)
        if not _near(answer(x), wanted) or (x != before).any():
            return False
    return True


@exercise(
    "02.3",
    "Every row is an example: its powers are divided by the sum of its own row, axis 1.",
    "Taking the same number from all logits of a row changes nothing: take its largest.",
    "z - z.max(axis=1, keepdims=True), then np.exp, then divide by the sum with keepdims=True.",
)
def _(answer):
    z = np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0], [-3.0, 1.0, 0.5], [5.0, 5.0, 6.0]])
    wanted = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    far = np.array([[1000.0, 1001.0], [-1000.0, -1001.0], [1000.0, -1000.0]])
    side = 1 / (1 + np.e)
    with np.errstate(all="ignore"):
        ends = np.asarray(answer(far), float)
    known = np.array([[side, 1 - side], [1 - side, side], [1, 0]])
    square = np.array([[0.0, 1.0], [2.0, 0.0]])
    both = np.exp(square) / np.exp(square).sum(1, keepdims=True)
    return _near(answer(z), wanted) and _near(ends, known) and _near(answer(square), both)


@exercise(
    "02.4",
    "Of each row of p, only one number counts: the probability of the right label.",
    "p[np.arange(len(y)), y] picks from row 0 the column y[0], from row 1 the column y[1] …",
    "Minus the natural logarithm (np.log) of those, and their mean.",
)
def _(answer):
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.25, 0.25, 0.5], [0.05, 0.9, 0.05]])
    y = np.array([0, 1, 2, 1])
    two, labels = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1])
    wanted = -(np.log(0.7) + np.log(0.3) + np.log(0.5) + np.log(0.9)) / 4
    right = close(answer(p, y), wanted)
    return right and close(answer(two, labels), -(np.log(0.9) + np.log(0.2)) / 2)


@exercise(
    "02.5",
    "The gradient points to where the loss grows. Go the other way.",
    "How far: the learning rate times the gradient.",
    "parameter - rate * gradient. (-= would change the array that you were given.)",
)
def _(answer):
    old, gradient = np.array([[1.0, -2.0], [0.5, 0.0]]), np.array([[4.0, 2.0], [-1.0, 0.0]])
    before = old.copy()
    new = answer(old, gradient, 0.1)
    return _near(new, np.array([[0.6, -2.2], [0.6, 0.0]])) and (old == before).all()


@exercise(
    "02.6",
    "Each gradient has the shape of what it belongs to: dx (n, i), dw (i, o), db (o,).",
    "The formulas stand under 'Backwards': XᵀG, the sum of G over the batch, GWᵀ.",
    "dx = dout @ w.T, dw = x.T @ dout, db = dout.sum(axis=0), returned in this order.",
)
def _(answer):
    rng = np.random.default_rng(0)
    for n, i, o in ((4, 3, 2), (3, 3, 3)):
        dout, x, w = rng.normal(size=(n, o)), rng.normal(size=(n, i)), rng.normal(size=(i, o))
        wanted = np.einsum("no,io->ni", dout, w), np.einsum("ni,no->io", x, dout), sum(dout)
        found = answer(dout, x, w)
        if len(found) != 3 or not all(map(_near, found, wanted)):
            return False
    return True


@exercise(
    "02.7",
    "There are three layers with parameters: the two hidden ones and the outputs.",
    "A layer has a weight for each pair of an input and a neuron, and a bias for each neuron.",
    "The first has 64 · 32 + 32 of them. What the second receives is what the first gives.",
)
def _(answer):
    return close(answer, 2778)
