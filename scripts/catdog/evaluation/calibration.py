"""Make a classifier as sure as it should be."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.metrics import log_loss


def temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature T that makes sigmoid(logits / T) fit best (Guo et al. 2017, 4.2).

    Args:
        logits: of dog (n,), on photos that no weight was fitted to.
    """
    found = minimize_scalar(
        lambda t: log_loss(labels, expit(logits / np.exp(t)), labels=[0, 1]), bounds=(-2, 2)
    )
    return float(np.exp(found.x))
