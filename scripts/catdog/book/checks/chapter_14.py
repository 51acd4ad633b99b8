"""Checks for the exercises of chapter 14."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "14.1",
    "How many numbers has the result? And how many products does each of them take?",
    "Each of height · width · outgoing numbers takes k · k · incoming products.",
    "A product and a sum are two: 2 * height * width * outgoing * k * k * incoming.",
)
def _(answer):
    return close(answer(75, 75, 32, 64, 3), 207_360_000) and close(answer(4, 8, 3, 5, 1), 960)


@exercise(
    "14.2",
    "How many numbers has one photo of 80×80, with its three colours?",
    "A number from 0 to 255 is one byte: how many bytes has a photo?",
    "Multiply by 16,000 photos and divide by 10⁶.",
)
def _(answer):
    return close(answer, 307.2)


@exercise(
    "14.3",
    "Let the whole time be 1. What is it afterwards?",
    "1 - p of it stays as it was, and p becomes p / k.",
    "How many times faster: 1 divided by what is left, 1 / (1 - p + p / k).",
)
def _(answer):
    return close(answer(0.5, 2), 4 / 3) and close(answer(0.9, 10), 1 / 0.19)


@exercise(
    "14.4",
    "The work of an epoch grows with the area of the photos, not with their side.",
    "An epoch at 48×48 costs (48/64)² of one at 64×64.",
    "Five of those and three whole ones, divided by eight.",
)
def _(answer):
    return close(answer, 0.7265625, 1e-4)


@exercise(
    "14.5",
    "A matrix is U S Vᵀ. Which of the three holds the singular values?",
    "u, s, v = np.linalg.svd(matrix, full_matrices=False); NumPy's v is Vᵀ already.",
    "Leave s out: u @ v.",
)
def _(answer):
    matrix = np.random.default_rng(0).normal(size=(5, 3))
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    return close(answer(matrix), u @ v, 1e-4) and close(answer(matrix.T), (u @ v).T, 1e-4)


@exercise(
    "14.6",
    "After each step, by what is everything that was there before multiplied?",
    "What is older than a hundred steps has been multiplied by 0.99 a hundred times.",
    "The rest is from the last hundred: 1 - 0.99**100.",
)
def _(answer):
    return close(answer, 1 - 0.99**100, 1e-3)
