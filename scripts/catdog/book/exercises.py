"""Checks for the exercises: each tells right from wrong and gives a hint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_CHECKS: dict[str, tuple[Callable, str]] = {}


def exercise(number: str, hint: str):
    """Register a check: a function of the answer that returns whether it is right."""

    def add(check):
        _CHECKS[number] = (check, hint)
        return check

    return add


def judge(number: str, answer) -> bool:
    """Return whether an answer is right; one of a wrong type or shape is wrong, not an error."""
    try:
        return bool(_CHECKS[number][0](answer))
    except (TypeError, ValueError, AttributeError, IndexError, KeyError):
        return False


def check(number: str, answer) -> None:
    """Print whether the answer to an exercise is right, and a hint if it is not."""
    if answer is ...:
        print(f"Exercise {number}: replace the … with your answer and run this cell again.")
    elif judge(number, answer):
        print(f"Exercise {number}: right.")
    else:
        print(f"Exercise {number}: not yet. Hint: {_CHECKS[number][1]}")


def _close(a, b, tolerance=1e-6) -> bool:
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=0)


@exercise("01.1", "it is right on the dogs, and on nothing else.")
def _(answer):
    return _close(answer, 0.7)


@exercise("01.2", "statistics.wilson(right, of_how_many) gives the pair.")
def _(answer):
    return len(answer) == 2 and _close(answer, (0.885163, 0.902232), 1e-5)


@exercise("01.3", "take the file's own name first: PurePath(path).name.")
def _(answer):
    cases = {"cat.12.jpg": "cat", "my cat photos/dog.7.jpg": "dog", "dogs/cat.1.jpg": "cat"}
    return all(answer(path) == label for path, label in cases.items())


@exercise("01.4", "each pixel has three numbers: red, green, blue.")
def _(answer):
    return _close(answer, 562_500)


@exercise("01.5", "compare the upper end of the first with the lower end of the second.")
def _(answer):
    return answer is True or answer is np.True_


@exercise("02.1", "every neuron has a weight for each of the 150·150·3 numbers, and one bias.")
def _(answer):
    return _close(answer, 67_501_000)


@exercise("02.2", "the size of the photo does not matter: (5·5·3 weights and a bias) times 64.")
def _(answer):
    return _close(answer, 4_864)


@exercise("02.3", "four numbers for each weight, four bytes for each number.")
def _(answer):
    return _close(answer, 3.145728, 1e-3)


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
    return _close(answer, 258_048)


@exercise("03.1", "right column minus left column, the middle row counted twice.")
def _(answer):
    return _close(answer, 8)


@exercise("03.2", "floor((n + 2p - k) / s) + 1.")
def _(answer):
    return _close(answer, 112)


@exercise("03.3", "a pixel of the result must become its right neighbour.")
def _(answer):
    wanted = np.zeros((3, 3))
    wanted[1, 2] = 1
    return np.shape(answer) == (3, 3) and (np.asarray(answer) == wanted).all()


@exercise("03.4", "each 3×3 convolution adds one pixel on either side.")
def _(answer):
    return _close(answer, 11)


@exercise("03.5", "a larger array of zeros, with the kernel in every second place: out[::2, ::2].")
def _(answer):
    kernel = np.arange(1.0, 10.0).reshape(3, 3)
    out = np.asarray(answer(kernel))
    return out.shape == (5, 5) and (out[::2, ::2] == kernel).all() and out.sum() == kernel.sum()


@exercise("04.1", "reshape to (h/2, 2, w/2, 2) and take the largest along axes 1 and 3.")
def _(answer):
    x = np.random.default_rng(0).normal(size=(6, 8))
    squares = [x[i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return _close(answer(x), np.max(squares, axis=0))


@exercise("04.2", "the mean must stay: what survives is divided by the share that survives.")
def _(answer):
    return _close(answer, 10)


@exercise("04.3", "the slope of ReLU is 1 where x is positive, and 0 elsewhere.")
def _(answer):
    g, x = np.array([[1.0, -2.0], [3.0, 4.0]]), np.array([[0.5, 2.0], [-1.0, 3.0]])
    return _close(answer(g, x), [[1, -2], [0, 4]])


@exercise("04.4", "mean and variance over axes 0, 1 and 2: one of each is left a channel.")
def _(answer):
    x = np.random.default_rng(0).normal(3, [1.0, 20.0], (4, 5, 6, 2))
    out = np.asarray(answer(x))
    mean, deviation = out.mean((0, 1, 2)), out.std((0, 1, 2))
    return out.shape == x.shape and np.abs(mean).max() < 1e-6 and np.abs(deviation - 1).max() < 2e-3


@exercise("04.5", "every neuron has a weight for each of the 6·6·256 numbers, and one bias.")
def _(answer):
    return _close(answer, 37_752_832)


@exercise("04.6", "two times 3·3·c·c, against 5·5·c·c.")
def _(answer):
    return _close(answer, 0.72)


@exercise("05.1", "the last, smaller batch counts too: round up.")
def _(answer):
    return _close(answer, [500, 32])


@exercise("05.2", "one byte a number: photos × height × width × channels.")
def _(answer):
    return _close(answer, 1.35, 0.01)


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
    return _close(answer, (150 * np.sin(0.2), 150 * np.sin(np.radians(0.2))), 0.01)


@exercise("06.1", "a filter sees 3×3 pixels of every channel below it, and has one bias.")
def _(answer):
    return _close(answer, 18_496)


@exercise("06.2", "each pooling halves the size and rounds down: 150 becomes 75, 37, …")
def _(answer):
    return tuple(answer) == (18, 18, 64)


@exercise("06.3", "the flattened 18 × 18 × 64 numbers times 64, and 64 biases.")
def _(answer):
    return _close(answer, 1_327_168 / 1_355_938, 1e-3)


@exercise("06.4", "exponentials, divided by their sum along the last axis.")
def _(answer):
    x = np.array([[1.0, 2.0], [0.0, 0.0], [-3.0, 5.0]])
    right = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    return _close(answer(x), right)


@exercise("06.5", "the loss is the mean of -log of the probability given to the true label.")
def _(answer):
    probability, true = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])
    return _close(answer(probability, true), -np.log([0.9, 0.8, 0.4]).mean())


@exercise("07.1", "five poolings halve the size five times: divide by 32.")
def _(answer):
    return tuple(answer) == (7, 7, 512)


@exercise("07.2", "each dense layer has (inputs + 1) times its neurons.")
def _(answer):
    return _close(answer, 4_326_401)


@exercise("07.3", "photos × numbers a photo × two bytes.")
def _(answer):
    return _close(answer, 409.6, 1e-3)


@exercise("07.4", "x[..., ::-1] reverses the channels; then subtract an array of three.")
def _(answer):
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 3))
    blue_first = np.stack([x[..., 2] - 103.939, x[..., 1] - 116.779, x[..., 0] - 123.68], -1)
    return _close(answer(x), blue_first)


@exercise("07.5", "divide and round up; the last batch may be smaller.")
def _(answer):
    return [answer(n, 64) for n in (64, 65, 1000, 1)] == [1, 2, 16, 1]


@exercise("08.1", "divide the logit by the temperature, then 1 / (1 + exp(-x)).")
def _(answer):
    return _close(answer, 1 / (1 + np.exp(-2.0)))


@exercise("08.2", "dividing by a positive number: does the sign change?")
def _(answer):
    return answer is False or answer is np.False_


@exercise("08.3", "mean of the two, then 1 / (1 + exp(-x)).")
def _(answer):
    a, b = np.array([1.0, -2.0, 0.5]), np.array([3.0, -1.0, -0.5])
    return _close(answer(a, b), 1 / (1 + np.exp(-(a + b) / 2)))


@exercise("08.4", "it is right about the animal, and so wrong by the label, on all of these 32.")
def _(answer):
    return _close(answer, 0.992)


@exercise("08.5", "how far is each probability from its label? np.argmax finds the largest.")
def _(answer):
    labels, dog = np.array([0, 1, 1, 0]), np.array([0.2, 0.9, 0.05, 0.7])
    return int(answer(labels, dog)) == 2 and int(answer(1 - labels, dog)) == 1


@exercise("09.3", "16 times the batch, 16 times the rate.")
def _(answer):
    return len(answer) == 2 and _close(answer, (1024, 0.024))


@exercise("09.4", "weigh each mean with the number of its photos.")
def _(answer):
    rng = np.random.default_rng(0)
    every = rng.normal(size=(10, 3, 2))
    parts = np.split(every, [5, 9])
    found = answer([part.mean(0) for part in parts], [len(part) for part in parts])
    return _close(found, every.mean(0), 1e-6)


@exercise("09.5", "what the GPUs ask for, divided by what one core gives; a part of a core is one.")
def _(answer):
    return _close(answer, 14)


@exercise("09.6", "four bytes for each of the 1,355,938 numbers.")
def _(answer):
    return _close(answer, 5.423752, 1e-3)


@exercise("10.1", "one in twenty.")
def _(answer):
    return _close(answer, 3)


@exercise("10.2", "(1 - p) to the power γ.")
def _(answer):
    return _close(answer, 0.01)


@exercise("10.3", "(5 × 5 × channels in + 1) × channels out.")
def _(answer):
    return _close(answer, 25_632)


@exercise("10.4", "a & ~b is true where only a is right; then sum.")
def _(answer):
    a = np.array([True, True, True, False, False, True])
    b = np.array([True, False, False, True, False, True])
    found = [tuple(int(n) for n in answer(x, y)) for x, y in ((a, b), (b, a), (a, a))]
    return found == [(2, 1), (1, 2), (0, 0)]


@exercise("10.5", "share × a + (1 - share) × b, and the same for the targets.")
def _(answer):
    a, b = np.full((2, 2, 3), 200.0), np.full((2, 2, 3), 100.0)
    photo, target = answer(a, b, np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.7)
    return _close(photo, np.full((2, 2, 3), 170.0)) and _close(target, (0.7, 0.3))


@exercise("10.6", "the mean minus 4.303 times the standard deviation (ddof=1) over √3.")
def _(answer):
    return _close(answer, 0.02 - 4.302653 * 0.01 / np.sqrt(3), 1e-3)


@exercise("11.1", "5 × 5 × … : six factors.")
def _(answer):
    return _close(answer, 15_625)


@exercise("11.2", "the chance that n trials all miss is 0.95 to the power n.")
def _(answer):
    return _close(answer, 59)


@exercise("11.3", "draw the exponent of ten, uniformly.")
def _(answer):
    drawn = np.asarray(answer(np.random.default_rng(0), 4000))
    if drawn.shape != (4000,) or len(set(drawn)) < 3900 or drawn.min() <= 0:
        return False
    quarters = np.histogram(np.log10(drawn), 4, (-4, -1))[0] / 4000
    return np.abs(quarters - 0.25).max() < 0.04


@exercise("11.4", "compare with np.median; a higher loss is worse.")
def _(answer):
    cases = ((0.6, [0.5, 0.7, 0.4]), (0.45, [0.5, 0.7, 0.4]), (0.5, [0.1, 0.6, 0.9]))
    return [bool(answer(*case)) for case in cases] == [True, False, False]


@exercise("11.5", "np.minimum.accumulate.")
def _(answer):
    return _close(answer(np.array([0.7, 0.8, 0.5, 0.6, 0.4])), (0.7, 0.7, 0.5, 0.5, 0.4))


@exercise("11.6", "one standard error is √(0.8 × 0.2 / 2000), 0.9 %; the best of 100 is 2.5 above.")
def _(answer):
    return _close(answer, 0.82)


@exercise(
    "12.1", "behind three poolings a step is 8 pixels: the pooling adds 4, the convolution 16."
)
def _(answer):
    return _close(answer, 38)


@exercise("12.2", "the square of value i begins at 2·i: out[2 * np.arange(n) + switches] = values.")
def _(answer):
    values, switches = np.array([3.0, -1.0, 5.0]), np.array([1, 0, 1])
    return _close(answer(values, switches), [0, 3, -1, 0, 0, 5])


@exercise("12.3", "pass on what is positive on the way down and was positive on the way up.")
def _(answer):
    down, up = np.array([2.0, -2.0, 2.0, -2.0]), np.array([3.0, 3.0, 0.0, -1.0])
    return _close(answer(down, up), [2, 0, 0, 0])


@exercise("12.4", "the gradient is the same all the way: w.")
def _(answer):
    w, x, base = np.random.default_rng(0).normal(size=(3, 5))
    return _close(answer(w, x, base), w * (x - base))


@exercise("12.5", "the weights are slopes.mean((0, 1)); add over the channels, then np.maximum.")
def _(answer):
    maps, slopes = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    heat = np.einsum("yxc,c->yx", maps, slopes.mean((0, 1)))
    return _close(answer(maps, slopes), heat.clip(0))


@exercise("12.6", "each of the 150·150·3 numbers moves by 1 in the direction of its weight's sign.")
def _(answer):
    return _close(answer, 67.5)


@exercise("13.1", "minus the logarithm of the least that the truth can be given.")
def _(answer):
    return _close(answer, -np.log(0.01))


@exercise("13.2", "np.clip(dog, c, 1 - c).")
def _(answer):
    return _close(
        answer(np.array([0.0, 0.02, 0.5, 0.99, 1.0]), 0.05), [0.05, 0.05, 0.5, 0.95, 0.95]
    )


@exercise("13.3", "with a share e of wrong answers: -(1 - e) ln(1 - c) - e ln c.")
def _(answer):
    return _close(answer, 0.00625)


@exercise("13.4", "divide each row by its length; then a @ b.T holds all cosines.")
def _(answer):
    bank = np.array([[2.0, 0.0], [0.0, 3.0]])
    features = np.array([[5.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [0.0, 0.5]])
    return _close(1 + np.asarray(answer(features, bank)), [1, 2 - np.sqrt(0.5), 2, 1])


@exercise("13.5", "a quantile of the distances.")
def _(answer):
    distances = np.random.default_rng(0).permutation(101) / 50
    return _close(answer(distances, 0.99), 1.98) and _close(answer(distances, 0.5), 1.0)


@exercise("13.6", "sorted(found) sorts by number; begin with the line id,label.")
def _(answer):
    wanted = ["id,label", "2,0.5000", "9,0.0025", "10,0.9975"]
    return list(answer({10: 0.9975, 9: 0.0025, 2: 0.5})) == wanted


@exercise("14.1", "2 · height · width · outgoing · k² · incoming.")
def _(answer):
    return _close(answer(75, 75, 32, 64, 3), 207_360_000) and _close(answer(4, 8, 3, 5, 1), 960)


@exercise("14.2", "a photo has 80 · 80 · 3 of them.")
def _(answer):
    return _close(answer, 307.2)


@exercise("14.3", "what remains of the time: 1 - p, and p / k.")
def _(answer):
    return _close(answer(0.5, 2), 4 / 3) and _close(answer(0.9, 10), 1 / 0.19)


@exercise("14.4", "an epoch at 48×48 costs (48/64)² of one at 64×64.")
def _(answer):
    return _close(answer, 0.7265625)


@exercise("14.5", "u, s, v = np.linalg.svd(matrix, full_matrices=False); leave s out.")
def _(answer):
    matrix = np.random.default_rng(0).normal(size=(5, 3))
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    return _close(answer(matrix), u @ v, 1e-4)


@exercise("14.6", "what is older counts 0.99 times as much after every step.")
def _(answer):
    return _close(answer, 1 - 0.99**100, 1e-3)


def numbers() -> list[str]:
    """Return the numbers of all exercises."""
    return sorted(_CHECKS)
