"""What chapter 13 searches: where it starts, the space, and the photos that it chooses by."""

from __future__ import annotations

import numpy as np
import optuna

from catdog import CatDogError
from catdog.data.augmentation import Augmentation
from catdog.studies.components import ExperimentConfig

START = ExperimentConfig(optimizer="adamw", weight_decay=0.004, dropout=0.5)


def suggest(trial: optuna.Trial, size: int = 64) -> tuple[ExperimentConfig, int]:
    """Let a trial choose its settings: the space that is searched. Returns setup, batch size."""
    rate = trial.suggest_float("rate", 1e-4, 3e-2, log=True)
    decay = trial.suggest_float("weight decay", 1e-4, 1.0, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.7)
    filters = trial.suggest_int("filters", 8, 64, log=True)
    strength = trial.suggest_float("augmentation", 0.0, 1.0)
    batch = trial.suggest_categorical("batch size", [16, 32, 64, 128])
    setup = ExperimentConfig(
        size=size,
        filters=(filters, filters, 2 * filters),
        dropout=dropout,
        optimizer="adamw",
        learning_rate=rate,
        weight_decay=decay,
        augmentation=augmentation(strength),
    )
    return setup, batch


def augmentation(strength: float) -> Augmentation:
    """Return the augmentation of a strength from 0, mirror images alone, to 1."""
    return Augmentation(
        shear=15 * strength,
        zoom=0.4 * strength,
        rotate=20 * strength,
        shift=0.15 * strength,
        brightness=0.4 * strength,
        contrast=0.4 * strength,
    )


def inner_split(labels: np.ndarray, n_train: int, n_val: int, seed: int = 0):
    """Return positions to learn from, and others to choose by, half of each cats, at random.

    All are training photos: the validation photos stay unseen until the end.
    """
    rng = np.random.default_rng(seed)
    classes = [rng.permutation(np.flatnonzero(labels == k)) for k in (0, 1)]
    if min(map(len, classes)) < (n_train + n_val) // 2:
        raise CatDogError(
            f"the search takes {n_train + n_val:,} training photos, half of them cats, but there "
            f"are only {len(classes[0]):,} cats and {len(classes[1]):,} dogs."
        )
    cut, end = n_train // 2, (n_train + n_val) // 2
    parts = [np.concatenate([k[a:b] for k in classes]) for a, b in ((0, cut), (cut, end))]
    return tuple(np.sort(part) for part in parts)
