"""What an experiment of chapter 12 is put together from, and can change: its settings, network,
losses, optimizers, schedules, and what is done to a batch of photos.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from scipy.special import expit

from catdog.data.augmentation import Augmentation
from catdog.training import optimizers

Tensor = Any  # Keras's, its backend's or NumPy's


@dataclass(frozen=True)
class ExperimentConfig:
    """All that an experiment can change. The defaults are the reference.

    Attributes:
        size: the photos' side, in pixels.
        train_fraction: of the training photos that is used, as many of each class.
        filters: one block of convolution and pooling for each entry.
        kernel: the side of a filter.
        block: "plain", "twice" (two convolutions) or "residual" (two, and a way around them).
        normalize: batch normalization after each convolution and the hidden dense layer.
        dense: width of the hidden dense layer; 0 for the mean of each feature map instead.
        dropout: part of what goes into the last layer that is switched off in training.
        loss: a key of `LOSSES`.
        optimizer: a key of `OPTIMIZERS`.
        learning_rate: the largest learning rate.
        schedule: a key of `SCHEDULES`.
        colour: strength of `colour`; 0 for none.
        cutout: side of the hole of `cutout`, as a part of the photo's; 0 for none.
        mixup: alpha of `mixup`; 0 for none.
    """

    size: int = 64
    train_fraction: float = 1.0
    filters: tuple[int, ...] = (32, 32, 64)
    kernel: int = 3
    block: str = "plain"
    normalize: bool = False
    dense: int = 64
    dropout: float = 0.5
    loss: str = "softmax"
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    schedule: str = "one-cycle"
    augmentation: Augmentation | None = field(default_factory=partial(Augmentation, zoom=0.2))
    colour: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0


@dataclass(frozen=True)
class Experiment:
    """A setup, what it changes in words, and the experiment that it is compared with."""

    section: str
    change: str
    setup: ExperimentConfig
    baseline: str | None = "reference"


@dataclass(frozen=True)
class TrainingBudget:
    """How long the experiments of a scale train."""

    epochs: int
    batch_size: int
    seeds: int


REFERENCE = ExperimentConfig()
LENGTHS = {"sample": TrainingBudget(6, 32, seeds=3), "full": TrainingBudget(4, 64, seeds=1)}


# --- the network ---------------------------------------------------------------------------------


def convolution(
    x: Tensor, filters: int, kernel: int = 3, normalize: bool = False, activate: bool = True
) -> Tensor:
    """Apply a convolution to (n, h, w, c), batch normalization if wanted, then ReLU if wanted."""
    x = layers.Conv2D(filters, kernel, padding="same", use_bias=not normalize)(x)
    if normalize:
        x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.Activation("relu")(x) if activate else x


def residual_block(x, filters: int, kernel: int = 3, normalize: bool = False):
    """Apply two convolutions, whose result is added to x (n, h, w, c) (He et al. 2016, figure 2).

    Where the channels differ, a 1×1 convolution brings x to the right number.
    """
    around = x if x.shape[-1] == filters else layers.Conv2D(filters, 1)(x)
    x = convolution(x, filters, kernel, normalize)
    x = convolution(x, filters, kernel, normalize, activate=False)
    return layers.Activation("relu")(layers.Add()([around, x]))


def build(setup: ExperimentConfig) -> keras.Model:
    """Build the network: photos (n, size, size, 3), 0 to 255, to logits (n, 2), or (n, 1)."""
    photo = keras.Input((setup.size, setup.size, 3), name="photo")
    x = layers.Rescaling(1 / 127.5, offset=-1)(photo)
    for filters in setup.filters:
        if setup.block == "residual":
            x = residual_block(x, filters, setup.kernel, setup.normalize)
        else:
            for _ in range(2 if setup.block == "twice" else 1):
                x = convolution(x, filters, setup.kernel, setup.normalize)
        x = layers.MaxPooling2D()(x)
    if setup.dense:
        x = layers.Dense(setup.dense, use_bias=not setup.normalize)(layers.Flatten()(x))
        if setup.normalize:
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu")(x)
    else:
        x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(setup.dropout)(x)
    outputs = 1 if setup.loss == "one-logit" else 2
    return keras.Model(photo, layers.Dense(outputs, dtype="float32", name="logits")(x))


def probability(logits: Tensor) -> np.ndarray:
    """Return the probability of dog (n,) of logits (n, 2) of cat and dog, or (n, 1) of dog."""
    logits = np.asarray(logits, np.float64)
    logit = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
    return expit(logit)


# --- the losses ----------------------------------------------------------------------------------


# of the softmax of logits (n, 2), with the targets y (n, 2), or with 0.9 y + 0.05: (n,)
cross_entropy = partial(keras.losses.categorical_crossentropy, from_logits=True)
smoothed = partial(cross_entropy, label_smoothing=0.1)


def one_logit(y: Tensor, logit: Tensor) -> Tensor:
    """Binary cross-entropy of one logit of dog (n, 1) with the targets y (n, 2): (n,)."""
    return keras.losses.binary_crossentropy(y[:, 1:], logit, from_logits=True)


def focal(y, logits, gamma: float = 2.0):
    """Cross-entropy, weighted by (1 - p)^gamma, p the probability of the truth: (n,).

    Lin et al. 2017 (arXiv 1708.02002), equation 4. With gamma = 0 it is the cross-entropy. Keras's
    own clips the probabilities first: to it, of two sure mistakes none is worse.
    """
    log_p = ops.log_softmax(logits, axis=-1)
    return -ops.sum(y * (1 - ops.exp(log_p)) ** gamma * log_p, axis=-1)


LOSSES = {
    "softmax": cross_entropy,
    "one-logit": one_logit,
    "focal": focal,
    "smoothing": smoothed,
}


# --- optimizers and schedules --------------------------------------------------------------------


OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "nesterov": partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
}


def _step(rate: float, steps: int):
    """The rate, a tenth of it after half of the steps, a hundredth after three quarters."""
    values = [rate, rate / 10, rate / 100]
    return keras.optimizers.schedules.PiecewiseConstantDecay([steps // 2, steps * 3 // 4], values)


SCHEDULES = {
    "constant": lambda rate, steps: rate,
    "one-cycle": optimizers.one_cycle,
    "cosine": keras.optimizers.schedules.CosineDecay,
    "step": _step,
}


# --- changes of a batch --------------------------------------------------------------------------


def colour(images: np.ndarray, rng: np.random.Generator, strength: float = 0.3) -> np.ndarray:
    """Change how saturated each photo is, and the colour of its light: uint8 (n, h, w, 3)."""
    draw = rng.uniform(1 - strength, 1 + strength, (4, len(images), 1, 1)).astype("float32")
    grey = images.mean(-1, keepdims=True, dtype="float32")
    light = np.stack(list(draw[:3]), -1)
    return np.clip((grey + draw[3, ..., None] * (images - grey)) * light, 0, 255).astype("uint8")


def cutout(images: np.ndarray, rng, part: float = 0.4) -> np.ndarray:
    """Cover a grey square somewhere on each photo, uint8 (n, h, w, 3).

    Its side is a part of the photo's; its centre is anywhere, so some of it may lie outside
    (DeVries & Taylor 2017, arXiv 1708.04552).
    """
    images = images.copy()
    n, height, width = images.shape[:3]
    half = round(part * height / 2)
    ys, xs = rng.integers(height, size=n), rng.integers(width, size=n)
    for image, y, x in zip(images, ys, xs, strict=True):
        image[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = 127
    return images


def mixup(images: np.ndarray, labels: np.ndarray, rng, alpha: float = 0.2):
    """Mix each photo (n, h, w, 3), and its label (n, 2), with another of the batch.

    The share of the first is drawn from Beta(alpha, alpha) (Zhang et al. 2018, arXiv 1710.09412).
    """
    n, other = len(images), rng.permutation(len(images))
    share = rng.beta(alpha, alpha, n).astype("float32").reshape(n, 1, 1, 1)
    mixed = share * images + (1 - share) * images[other]
    share = share.reshape(n, 1)
    return np.rint(mixed).astype("uint8"), share * labels + (1 - share) * labels[other]


def changes(setup: ExperimentConfig) -> Callable | None:
    """Return colour, cutout and mixup as `batching.training_batches` takes them, or None."""
    if not (setup.colour or setup.cutout or setup.mixup):
        return None

    def change(x, y, rng, epoch):
        if setup.colour:
            x = colour(x, rng, setup.colour)
        if setup.cutout:
            x = cutout(x, rng, setup.cutout)
        if setup.mixup:
            x, y = mixup(x, y, rng, setup.mixup)
        return x, y

    return change
