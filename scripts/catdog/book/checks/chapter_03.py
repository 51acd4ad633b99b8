"""Checks for the exercises of chapter 3."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise("03.1", "every neuron has a weight for each of the 150·150·3 numbers, and one bias.")
def _(answer):
    return close(answer, 67_501_000)


@exercise("03.2", "the size of the photo does not matter: (5·5·3 weights and a bias) times 64.")
def _(answer):
    return close(answer, 4_864)


@exercise("03.3", "four numbers for each weight, four bytes for each number.")
def _(answer):
    return close(answer, 3.145728, 1e-3)


@exercise("03.4", "np.argsort(order) says where each pixel went.")
def _(answer):
    order = np.random.default_rng(0).permutation(12)
    x = np.arange(24.0).reshape(2, 12)
    out = np.asarray(answer(x[:, order], order))
    return out.shape == x.shape and (out == x).all()


@exercise("03.5", "row r holds the kernel at columns r, r + 1 and r + 2, and zeros elsewhere.")
def _(answer):
    kernel, x = np.array([1.0, -2.0, 4.0]), np.arange(7.0) ** 2
    out = np.asarray(answer(kernel, 7))
    return out.shape == (5, 7) and np.allclose(out @ x, np.correlate(x, kernel, "valid"))


@exercise("03.6", "before, the layer receives 8·8·64 numbers; after, 64. Do not forget the biases.")
def _(answer):
    return close(answer, 258_048)
