"""Checks for the exercises of chapter 17."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "17.1",
    "the loss of a photo is minus the logarithm of the probability given to the truth.",
    "what is the least that a truth can be given when all lies between 0.01 and 0.99?",
    "minus the natural logarithm of 0.01.",
)
def _(answer):
    return close(answer, -np.log(0.01))


@exercise(
    "17.2",
    "there are two limits: c below, and above as far from 1.",
    "what is larger than 1 - c becomes 1 - c.",
    "np.clip(dog, c, 1 - c).",
)
def _(answer):
    return close(answer(np.array([0.0, 0.02, 0.5, 0.99, 1.0]), 0.05), [0.05, 0.05, 0.5, 0.95, 0.95])


@exercise(
    "17.3",
    "a share e of the predictions costs -ln(c) each; what do the others cost?",
    "the mean loss is -(1 - e) ln(1 - c) - e ln c; its slope is (1 - e) / (1 - c) - e / c.",
    "the slope is zero where c = e, the share of mistakes.",
)
def _(answer):
    return close(answer, 0.00625)


@exercise(
    "17.5",
    "sort the distances: which of them has the share of all others below it?",
    "it is a quantile, and not the share of the largest distance.",
    "np.quantile(distances, share).",
)
def _(answer):
    distances = np.random.default_rng(0).permutation(101) ** 2 / 50
    return close(answer(distances, 0.99), 99**2 / 50) and close(answer(distances, 0.5), 50.0)


@exercise(
    "17.6",
    'begin with the line id,label; then one line a number, f"{number},…".',
    "numbers are sorted as numbers, 9 before 10; as text 10 comes first.",
    'for number in sorted(dog): f"{number},{dog[number]:.4f}".',
)
def _(answer):
    wanted = ["id,label", "2,0.5000", "9,0.0025", "10,0.9975"]
    return list(answer({10: 0.9975, 9: 0.0025, 2: 0.5})) == wanted


@exercise(
    "17.7",
    "divide the logits by t first; then a softmax over each row.",
    "exp(1000) overflows: subtract each row's largest logit before the exponential.",
    "e = np.exp(z - z.max(axis=1, keepdims=True)); then e[:, 1] / e.sum(axis=1).",
)
def _(answer):
    logits = np.array([[1.0, 3.0], [0.5, -0.5], [1000.0, 999.0], [-2000.0, -2000.0]])
    gap = np.array([2.0, -1.0, -1.0, 0.0])
    return all(close(answer(logits, t), 1 / (1 + np.exp(-gap / t))) for t in (1.0, 2.0, 0.5))
