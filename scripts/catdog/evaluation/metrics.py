"""Measure a classifier's probabilities."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from catdog.evaluation import statistics


def probabilities(model, images: np.ndarray, flip: bool = False) -> np.ndarray:
    """Return the model's probability of dog (n,) for uint8 images (n, h, w, 3).

    Args:
        flip: average the photo's and its mirror image's.
    """
    dog = model.predict(images, batch_size=64, verbose=0)[:, 1]
    if flip:
        dog = (dog + model.predict(images[:, :, ::-1], batch_size=64, verbose=0)[:, 1]) / 2
    return dog


def measure(labels: np.ndarray, dog: np.ndarray, bins: int = 15) -> dict:
    """Compare the probabilities of dog (n,), each in [0, 1], with the labels (n,), 0 or 1.

    Returns accuracy with its 95% interval, log loss (nats), AUC, the expected calibration error
    "ece" (Guo et al. 2017, equation 3: how far the confidence, the larger one of both
    probabilities, is from the share of right answers, in bins of equal width), and the confusion
    matrix, rows the true label.
    """
    labels, dog = np.asarray(labels), np.asarray(dog, np.float64)
    guess = (dog >= 0.5).astype(int)
    right, confidence = guess == labels, np.maximum(dog, 1 - dog)
    gaps = np.bincount(np.ceil(confidence * bins).astype(int), right - confidence)
    return {
        "n": len(labels),
        "accuracy": int(right.sum()) / len(labels),
        "interval": statistics.wilson(int(right.sum()), len(labels)),
        "log_loss": float(log_loss(labels, dog, labels=[0, 1])),
        "auc": float(roc_auc_score(labels, dog)),
        "ece": float(np.abs(gaps).sum() / len(labels)),
        "confusion": [[int(((labels == a) & (guess == b)).sum()) for b in (0, 1)] for a in (0, 1)],
    }
