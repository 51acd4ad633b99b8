"""What the article put on VGG16's features: a dense head, and labels that were not read.

The head takes the maps of the last layer, (4, 4, 512) of photos of 150×150 pixels over 255, laid
out in a row. The labels were assumed from the places of the photos.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from tqdm.keras import TqdmCallback

from catdog import CatDogError, no_bar
from catdog.core import files
from catdog.models import networks


@keras.saving.register_keras_serializable("catdog")
class ArticleRMSprop(keras.optimizers.RMSprop):
    """RMSprop as in Keras 2.0.8 (`optimizers.py`): epsilon, 1e-8, beside the root.

    With the running mean a of the squared gradient g², p - rate · g / (√a + epsilon). Today's Keras
    has it, 1e-7, under the root, where it slows weights whose gradient is below about 3e-4.
    """

    def __init__(self, learning_rate: float = 0.001, rho: float = 0.9, epsilon=1e-8, **more):
        super().__init__(learning_rate, rho=rho, epsilon=epsilon, **more)

    def update_step(self, gradient, variable, learning_rate):
        ops = keras.ops
        rate, gradient = ops.cast(learning_rate, variable.dtype), ops.cast(gradient, variable.dtype)
        mean = self._velocities[self._get_variable_index(variable)]
        self.assign(mean, self.rho * mean + (1 - self.rho) * ops.square(gradient))
        self.assign_sub(variable, rate * gradient / (ops.sqrt(mean) + self.epsilon))


def train_head(
    train: tuple, test: tuple, seed: int, epochs: int = 15, batch_size: int = 32, progress=True
) -> tuple[dict, np.ndarray]:
    """Train the article's head on features, and keep the last weights.

    Args:
        train, test: features, float32 (n, c), and labels (n,).

    Returns:
        the history {loss, accuracy, val_loss, val_accuracy: a value an epoch}, and the head's
        probabilities of dog for the test features, float32 (n,).
    """
    keras.utils.set_random_seed(seed)
    head = networks.article_head(train[0].shape[1])
    head.compile(ArticleRMSprop(), "binary_crossentropy", metrics=["accuracy"])
    log = head.fit(
        *train,
        batch_size=batch_size,
        epochs=epochs,
        validation_data=test,
        verbose=0,
        callbacks=bar(f"head, seed {seed}", progress),
    )
    return log.history, head.predict(test[0], batch_size=256, verbose=0)[:, 0]


def assume(labels: np.ndarray, seed: int, ratio: float = 0.2, batch_size: int = 32) -> dict:
    """Split photos and label them as the article did, from their places alone.

    The first part of a shuffle is for validation, whatever it holds. On each side cats come before
    dogs (within each in any order: Keras 2.0.8 took a folder's as `os.walk` found them), the first
    half is called cats, and photos that fill no whole batch are left out.

    Returns:
        {split: (indices of its photos (m,), their assumed labels, int32 (m,))}.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    validation, train = np.split(order, [int(ratio * len(labels))])
    sides = {}
    for split, some in (("train", train), ("validation", validation)):
        some = some[np.argsort(labels[some], kind="stable")]
        assumed = (np.arange(len(some)) >= len(some) // 2).astype(np.int32)
        whole = len(some) // batch_size * batch_size
        sides[split] = some[:whole], assumed[:whole]
    return sides


def left_out(labels: np.ndarray, dog: np.ndarray, n: int = 8) -> dict:
    """Say what leaving the last n photos out does to an accuracy.

    Returns the accuracy on all, that without them, and the lowest and highest that it could be on
    all, had they all been wrong or right.
    """
    right = (dog >= 0.5) == labels
    known, every = int(right[:-n].sum()), len(right)
    return {
        "n": n,
        "on_all": float(right.mean()),
        "without_them": known / (every - n),
        "possible": (known / every, (known + n) / every),
    }


def bar(name: str, progress: bool, verbose: int = 0) -> list:
    """Return the callbacks that show a progress bar: one, or none.

    Args:
        verbose: 0 for the epochs, 1 for the batches of each, too.
    """
    return [] if no_bar(progress) else [TqdmCallback(verbose=verbose, desc=name, leave=False)]


def kept(path: Path, settings: dict, compute: Callable[[], dict]) -> dict:
    """Return what a part of a study left in a JSON file, or what it computes now, with its seconds.

    Raises:
        CatDogError: the file is there and was made with other settings.
    """
    settings = json.loads(json.dumps(settings))
    if path.exists():
        found = files.read_json(path)
        if found.pop("settings") != settings:
            raise CatDogError(f"{path} is of a run with other settings. Name another with --run.")
        return found
    started = time.perf_counter()
    found = {**compute(), "seconds": round(time.perf_counter() - started, 1)}
    files.write(path, json.dumps({**found, "settings": settings}))
    return json.loads(json.dumps(found))
