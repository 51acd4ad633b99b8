"""Checks for the exercises of chapters 1 to 4."""

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


@exercise("02.1", "every neuron has a weight for each of the 150·150·3 numbers, and one bias.")
def _(answer):
    return close(answer, 67_501_000)


@exercise("02.2", "the size of the photo does not matter: (5·5·3 weights and a bias) times 64.")
def _(answer):
    return close(answer, 4_864)


@exercise("02.3", "four numbers for each weight, four bytes for each number.")
def _(answer):
    return close(answer, 3.145728, 1e-3)


@exercise("02.4", "np.argsort(order) says where each pixel went.")
def _(answer):
    order = np.random.default_rng(0).permutation(12)
    x = np.arange(24.0).reshape(2, 12)
    out = np.asarray(answer(x[:, order], order))
    return out.shape == x.shape and (out == x).all()


@exercise("02.5", "row r holds the kernel at columns r, r + 1 and r + 2, and zeros elsewhere.")
def _(answer):
    kernel, x = np.array([1.0, -2.0, 4.0]), np.arange(7.0) ** 2
    out = np.asarray(answer(kernel, 7))
    return out.shape == (5, 7) and np.allclose(out @ x, np.correlate(x, kernel, "valid"))


@exercise("02.6", "before, the layer receives 8·8·64 numbers; after, 64. Do not forget the biases.")
def _(answer):
    return close(answer, 258_048)


@exercise("03.1", "right column minus left column, the middle row counted twice.")
def _(answer):
    return close(answer, 8)


@exercise("03.2", "floor((n + 2p - k) / s) + 1.")
def _(answer):
    return close(answer, 112)


@exercise("03.3", "a pixel of the result must become its right neighbour.")
def _(answer):
    wanted = np.zeros((3, 3))
    wanted[1, 2] = 1
    return np.shape(answer) == (3, 3) and (np.asarray(answer) == wanted).all()


@exercise("03.4", "each 3×3 convolution adds one pixel on either side.")
def _(answer):
    return close(answer, 11)


@exercise("03.5", "a larger array of zeros, with the kernel in every second place: out[::2, ::2].")
def _(answer):
    kernel = np.arange(1.0, 10.0).reshape(3, 3)
    out = np.asarray(answer(kernel))
    return out.shape == (5, 5) and (out[::2, ::2] == kernel).all() and out.sum() == kernel.sum()


@exercise("04.1", "reshape to (h/2, 2, w/2, 2) and take the largest along axes 1 and 3.")
def _(answer):
    x = np.random.default_rng(0).normal(size=(6, 8))
    squares = [x[i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return close(answer(x), np.max(squares, axis=0))


@exercise("04.2", "the mean must stay: what survives is divided by the share that survives.")
def _(answer):
    return close(answer, 10)


@exercise("04.3", "the slope of ReLU is 1 where x is positive, and 0 elsewhere.")
def _(answer):
    g, x = np.array([[1.0, -2.0], [3.0, 4.0]]), np.array([[0.5, 2.0], [-1.0, 3.0]])
    return close(answer(g, x), [[1, -2], [0, 4]])


@exercise("04.4", "mean and variance over axes 0, 1 and 2: one of each is left a channel.")
def _(answer):
    x = np.random.default_rng(0).normal(3, [1.0, 20.0], (4, 5, 6, 2))
    out = np.asarray(answer(x))
    mean, deviation = out.mean((0, 1, 2)), out.std((0, 1, 2))
    return out.shape == x.shape and np.abs(mean).max() < 1e-6 and np.abs(deviation - 1).max() < 2e-3


@exercise("04.5", "every neuron has a weight for each of the 6·6·256 numbers, and one bias.")
def _(answer):
    return close(answer, 37_752_832)


@exercise("04.6", "two times 3·3·c·c, against 5·5·c·c.")
def _(answer):
    return close(answer, 0.72)
