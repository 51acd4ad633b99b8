"""Checks for the exercises of chapter 10."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "10.1",
    "Each of the five blocks ends in a pooling that halves height and width.",
    "Halved five times means divided by 32. How many channels has the last block?",
    "A tuple of three: 224 // 32, 224 // 32, and the 512 channels of block 5.",
)
def _(answer):
    return tuple(answer) == (7, 7, 512)


@exercise(
    "10.2",
    "A dense layer has a weight for each pair of input and neuron. What else has each neuron?",
    "With its bias, each neuron has inputs + 1 parameters; 4×4×512 are 8,192 inputs.",
    "Three layers: (8192 + 1) * 512, (512 + 1) * 256 and 256 + 1; add them.",
)
def _(answer):
    return close(answer, 4_326_401)


@exercise(
    "10.3",
    "How many numbers are the features of one photo, and how many those of all?",
    "A number in float16 has 16 bits: two bytes.",
    "photos × numbers a photo × two bytes, divided by 10⁶.",
)
def _(answer):
    return close(answer, 409.6, 1e-3)


@exercise(
    "10.4",
    "Two steps: reverse the last axis, then subtract an array of three numbers.",
    "x[..., ::-1] reverses the channels and nothing else.",
    "After that blue comes first: subtract np.array([103.939, 116.779, 123.68]).",
)
def _(answer):
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 3))
    blue_first = np.stack([x[..., 2] - 103.939, x[..., 1] - 116.779, x[..., 0] - 123.68], -1)
    return close(answer(x), blue_first, 1e-4)


@exercise(
    "10.5",
    "Try it on 65 photos in batches of 64: how many batches must there be?",
    "Divide; if something is left over, one more batch is needed.",
    "Round up: int(np.ceil(n / batch_size)), or -(-n // batch_size).",
)
def _(answer):
    pairs = ((64, 64), (65, 64), (1000, 64), (1, 64), (20_000, 32))
    return [answer(n, size) for n, size in pairs] == [1, 2, 16, 1, 625]
