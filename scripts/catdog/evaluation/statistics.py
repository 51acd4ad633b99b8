"""Intervals and paired comparisons, so that luck is not taken for progress."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest, norm, t, ttest_rel


def wilson(correct: int, n: int) -> tuple[float, float]:
    """Return the 95% Wilson score interval of a proportion (Wilson 1927, JASA 22:209)."""
    low, high = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return float(low), float(high)


def paired(only_a: int, only_b: int, n: int):
    """Compare two classifiers, a and b, on the same n photos.

    Args:
        only_a, only_b: how many photos only a, and only b, gets right.

    Returns:
        the accuracy of a minus that of b; its 95% interval, that of Wald with half a photo added to
        each of the four cells (Agresti & Min 2005, Statistics in Medicine 24:729); and the p-value
        of the exact test of McNemar: how often luck alone would part them at least so far.
    """
    more, m = only_a - only_b, n + 2
    half = norm.ppf(0.975) * np.sqrt(only_a + only_b + 1 - more**2 / m) / m
    apart = only_a + only_b
    p = binomtest(only_a, apart).pvalue if apart else 1.0
    return more / n, (float(more / m - half), float(more / m + half)), float(p)


def paired_runs(a, b, confidence: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Compare two ways of training, run with the same seeds: accuracies a and b, each (seeds,).

    Returns the mean difference, a minus b, and Student's interval for it. At least two seeds.
    """
    low, high = ttest_rel(a, b).confidence_interval(confidence)
    return float(np.mean(a) - np.mean(b)), (float(low), float(high))


def separate_runs(a, b, confidence: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Compare two ways of training, run with whatever seeds: accuracies a (n,) and b (m,).

    Returns the difference of the means, a minus b, and Student's interval for it, both ways taken
    to be spread out alike. So a single run borrows the spread of the other way's seeds; one run
    each decides nothing, and the interval is infinite.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    difference, freedom = float(a.mean() - b.mean()), len(a) + len(b) - 2
    if not freedom:
        return difference, (-np.inf, np.inf)
    variance = (np.sum((a - a.mean()) ** 2) + np.sum((b - b.mean()) ** 2)) / freedom
    reach = t.ppf((1 + confidence) / 2, freedom) * np.sqrt(variance * (1 / len(a) + 1 / len(b)))
    return difference, (float(difference - reach), float(difference + reach))


def spread(values) -> dict:
    """Return the median, the lowest and the highest of some measurements."""
    return {
        "median": float(np.median(values)),
        "low": float(min(values)),
        "high": float(max(values)),
    }
