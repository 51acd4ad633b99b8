"""Checks for the exercises of chapter 16."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "16.1",
    "solve s = ln(p / (1 - p)) for p: first take the exponential of both sides.",
    "exp(s) = p / (1 - p); bring all p to one side.",
    "p = 1 / (1 + exp(-s)): the sigmoid.",
)
def _(answer):
    p = np.array([0.001, 0.25, 0.5, 0.9, 0.95])
    return close(answer(np.log(p / (1 - p))), p) and close(answer(0.0), 0.5)


@exercise(
    "16.2",
    "a loop over the places i = 0 to n - k; each begins with a copy of x.",
    "hide x[i : i + k], and subtract the score of the hidden row from the score of x.",
    "hidden = x.copy(); hidden[i : i + k] = 0; lost.append(f(x) - f(hidden)).",
)
def _(answer):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 9))
    before = x.copy()

    def f(row):
        return (w * row).sum() + (row**2).sum()

    parts = w * x + x**2
    wanted = [parts[i : i + 3].sum() for i in range(7)]
    return close(answer(f, x, 3), wanted) and close(answer(f, x, 1), parts) and (x == before).all()


@exercise(
    "16.3",
    "each map has one weight: the mean of its gradient over height and width.",
    "multiply the maps by their weights, and add over the channels.",
    "the weights are slopes.mean((0, 1)); the sum is over axis 2; np.maximum(…, 0) comes last.",
)
def _(answer):
    maps, slopes = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    heat = np.einsum("yxc,c->yx", maps, slopes.mean((0, 1)))
    return close(answer(maps, slopes), heat.clip(0))


@exercise(
    "16.4",
    "what is the gradient of w·x + b, at any place on the way?",
    "the gradient is w all the way, so its mean is w.",
    "the share of each number is its w times its own way, x - baseline.",
)
def _(answer):
    w, x, base = np.random.default_rng(0).normal(size=(3, 5))
    return close(answer(w, x, base), w * (x - base))


@exercise(
    "16.7",
    "a colour photo of 150×150 pixels has three numbers a pixel.",
    "each number moves by 1 in the direction of its weight's sign, so it adds |w|.",
    "150 · 150 · 3 numbers, each adding 0.001.",
)
def _(answer):
    return close(answer, 67.5)
