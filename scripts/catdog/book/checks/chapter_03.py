"""Checks for the exercises of chapter 3."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "03.1",
    "How many numbers does one neuron receive? Each has a weight.",
    "That is 150·150·3 weights; and every neuron has one number more, which is added.",
    "(150·150·3 weights and 1 bias) times 1,000 neurons.",
)
def _(answer):
    return close(answer, 67_501_000)


@exercise(
    "03.2",
    "The size of the photo does not matter: all places share the weights.",
    "A filter sees 5×5 pixels in three colours, and has one bias.",
    "(5·5·3 weights and 1 bias) times 64 filters.",
)
def _(answer):
    return close(answer, 4_864)


@exercise(
    "03.3",
    "How many numbers are kept for each weight, and how many bytes has a number?",
    "The weight, its gradient and two averages are four numbers; float32 has four bytes.",
    "196,608,000 · 4 · 4 bytes, divided by 10⁹.",
)
def _(answer):
    return close(answer, 3.145728, 1e-3)


@exercise(
    "03.4",
    "Column i of the shuffled pixels was column order[i]. Where did column 0 go?",
    "You need the order that leads back: its entry order[i] is i.",
    "np.argsort(order) is that order. Take the columns of the shuffled pixels by it.",
)
def _(answer):
    rng = np.random.default_rng(0)
    for p in (12, 30):
        order, x = rng.permutation(p), rng.normal(size=(3, p))
        if not np.array_equal(np.asarray(answer(x[:, order], order)), x):
            return False
    return True


@exercise(
    "03.5",
    "What the kernel gives at place r is a sum over the vector's entries r, r + 1 and r + 2.",
    "So row r of the matrix is zero but for three columns.",
    "matrix[r, r : r + 3] = kernel, for each r from 0 to n - 3.",
)
def _(answer):
    kernel, x = np.array([1.0, -2.0, 4.0]), np.arange(7.0) ** 2
    for n in (3, 7):
        out = np.asarray(answer(kernel, n))
        wanted = [sum(kernel * x[r : r + 3]) for r in range(n - 2)]
        if out.shape != (n - 2, n) or not np.allclose(out @ x[:n], wanted):
            return False
    return True


@exercise(
    "03.6",
    "Count the parameters of the dense layer twice: with all numbers of the maps, and with 64.",
    "Before, it receives 8·8·64 numbers; after, one for each map. The biases are the same.",
    "(8·8·64 + 1) · 64 minus (64 + 1) · 64.",
)
def _(answer):
    return close(answer, 258_048)
