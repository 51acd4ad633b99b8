"""Checks for the exercises of chapter 13."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "13.1",
    "how many trials for two hyperparameters of 5 values each?",
    "each further hyperparameter makes it 5 times as many.",
    "5 × 5 × 5 × 5 × 5 × 5.",
)
def _(answer):
    return close(answer, 15_625)


@exercise(
    "13.2",
    "how likely is it that one trial misses? And that n of them all miss?",
    "0.95 to the power n has to be at most 0.05.",
    "n is at least log(0.05) / log(0.95), rounded up.",
)
def _(answer):
    return close(answer, 59)


@exercise(
    "13.3",
    "a learning rate is 10 to the power of something: from where to where does that go?",
    "the exponent is uniform between -4 and -1.",
    "10 ** rng.uniform(-4, -1, n).",
)
def _(answer):
    drawn = np.asarray(answer(np.random.default_rng(0), 4000))
    other = np.sort(answer(np.random.default_rng(1), 4000))
    if drawn.shape != (4000,) or len(set(drawn)) < 3900 or np.array_equal(np.sort(drawn), other):
        return False
    if drawn.min() < 0.99e-4 or drawn.max() > 0.101:
        return False
    quarters = np.histogram(np.log10(drawn), 4, (-4, -1))[0] / 4000
    return np.abs(quarters - 0.25).max() < 0.04


@exercise(
    "13.4",
    "a higher loss is worse.",
    "compare with the median of the earlier losses; their mean is another number.",
    "loss > np.median(earlier).",
)
def _(answer):
    cases = {
        (0.6, (0.5, 0.7, 0.4)): True,
        (0.45, (0.5, 0.7, 0.4)): False,
        (0.5, (0.1, 0.6, 0.9)): False,
        (0.5, (0.2, 0.3, 5.0)): True,  # below the mean, above the median
        (0.5, (0.0, 0.6, 0.7)): False,  # above the mean, below the median
        (0.5, (0.1, 0.2, 0.6, 0.7)): True,  # four of them: halfway between the two in the middle
    }
    return all(bool(answer(loss, list(earlier))) == said for (loss, earlier), said in cases.items())


@exercise(
    "13.5",
    "the first value is the first loss; the second the lower one of the first two.",
    "each value is the lower of the one before and the trial's own loss.",
    "np.minimum.accumulate does it in one call.",
)
def _(answer):
    return close(answer(np.array([0.7, 0.8, 0.5, 0.6, 0.4])), (0.7, 0.7, 0.5, 0.5, 0.4))


@exercise(
    "13.6",
    "who wins? The network with the highest accuracy on the first split.",
    "compare that same network on both splits: np.argmax gives its place.",
    "100 * (chosen[winner] - reported[winner]).",
)
def _(answer):
    cases = {
        ((0.70, 0.74, 0.72), (0.75, 0.71, 0.60)): 3.0,
        ((0.80, 0.79), (0.82, 0.90)): -2.0,  # it may also gain
    }
    return all(
        close(answer(np.array(chosen), np.array(reported)), points, 1e-4)
        for (chosen, reported), points in cases.items()
    )
