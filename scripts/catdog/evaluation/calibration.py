"""Make a classifier as sure as it should be."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.metrics import log_loss

CLIPS = (0.0, 1e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2e-2, 5e-2)


def logits(dog: np.ndarray) -> np.ndarray:
    """Return the log odds of probabilities of dog (n,), those of 0 and 1 as of 1e-12 from them."""
    return logit(np.clip(np.asarray(dog, np.float64), 1e-12, 1 - 1e-12))


def temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature T that makes sigmoid(logits / T) fit best (Guo et al. 2017, 4.2).

    Args:
        logits: of dog (n,), on photos that no weight was fitted to.
    """
    found = minimize_scalar(
        lambda t: log_loss(labels, expit(logits / np.exp(t)), labels=[0, 1]), bounds=(-2, 2)
    )
    return float(np.exp(found.x))


def cross_fitted(labels: np.ndarray, *dog: np.ndarray) -> list[np.ndarray]:
    """Return probabilities of dog (n,) at the temperatures that the other half of the photos gives.

    So no photo has a say in its own answer. Halves are every other photo.

    Args:
        dog: probabilities (n,); the temperatures of the first are taken for all.
    """
    out = [np.empty(len(labels)) for _ in dog]
    odd = np.arange(len(labels)) % 2 == 1
    for half in (odd, ~odd):
        t = temperature(labels[~half], logits(dog[0][~half]))
        for one, answers in zip(out, dog, strict=True):
            one[half] = expit(logits(answers[half]) / t)
    return out


def clipped_losses(labels: np.ndarray, dog: np.ndarray, clips=CLIPS) -> list[dict]:
    """Return the log loss for each clip c, with probabilities pulled into [c, 1 - c]."""
    dog = np.asarray(dog, np.float64)
    return [
        {
            "clip": c,
            "log_loss": float(log_loss(labels, np.clip(dog, c, 1 - c), labels=[0, 1])),
        }
        for c in clips
    ]


def calibrate(labels: np.ndarray, logits: np.ndarray) -> dict:
    """Fit the temperature, then choose the clip for the log loss, on photos held back.

    Args:
        labels, logits: as in `temperature`, of photos that no weight was fitted to.

    Returns:
        for a record: "temperature"; "clip", the best of `CLIPS` at that temperature (see
        `submission.submit`); "calibrated_on", how many photos.
    """
    t = temperature(labels, logits)
    losses = clipped_losses(labels, expit(logits / t))
    clip = min(losses, key=lambda row: row["log_loss"])["clip"]
    return {"temperature": t, "clip": clip, "calibrated_on": len(labels)}
