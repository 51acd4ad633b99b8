"""Checks for the exercises of chapter 19."""

import numpy as np

from catdog.book.checking import close, exercise

SENT = 2 * 3 / 4 * 4 * 14_714_688  # bytes


@exercise(
    "19.1",
    "How many bytes is the gradient? A number in float32 has four.",
    "In a ring of n machines each sends 2 (n - 1) / n of the gradient: of four, 6 / 4.",
    "Divide by 10⁶ for megabytes: 2 * 3 / 4 * 4 * 14_714_688 / 1e6.",
)
def _(answer):
    return close(answer, SENT / 1e6, 1e-3)


@exercise(
    "19.2",
    "Take the bytes that each sends, not those of the gradient.",
    "The wire is measured in bits: a byte has eight.",
    "Divide the bits by those of a second: 2 * 3 / 4 * 4 * 14_714_688 * 8 / 25e9.",
)
def _(answer):
    return close(answer, SENT * 8 / 25e9, 1e-3)


@exercise(
    "19.4",
    "The batch: how many photos do 16 GPUs take together, if each takes 32?",
    "The batch is 16 times as large; the rate grows by the root of that.",
    "A tuple of the two, the batch first: (16 * 32, 16**0.5 * 0.0005).",
)
def _(answer):
    return len(answer) == 2 and close(answer, (512, 0.002))


@exercise(
    "19.5",
    "How long does a single step take, if one machine needs 2 seconds and the others 1?",
    "Take the maximum over the machines, which are the second axis: one number a step.",
    "Then add up the steps: seconds.max(axis=1).sum().",
)
def _(answer):
    seconds = np.random.default_rng(0).gamma(9, 0.01, (7, 4))
    return close(answer(seconds.copy()), seconds.max(1).sum(), 1e-6)
