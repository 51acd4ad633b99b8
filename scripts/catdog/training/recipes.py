"""How the networks from scratch are trained: the recipes of chapters 9, 12 and 14."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import keras
import numpy as np

from catdog.core import distribution
from catdog.data import augmentation, imaging
from catdog.models import networks


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        network: its name in `networks.NETWORKS`.
        decode_size: height and width to which the photos are decoded, before any augmentation.
        nearest: take the nearest pixel when photos are resized (see `imaging.resize`).
        dropout: the parts that are switched off in the article's network, see `article_cnn`.
        momentum: SGD's and Muon's; with Adam its beta 1.
        schedule: "constant"; "inverse time": the rate over 1 + decay × updates, as `decay` had it
            in Keras 2; "one-cycle": a linear rise over the first tenth of the steps, then half
            a cosine down to nothing (after Smith & Topin 2017, arXiv 1708.07120); or "trapezoid"
            (see `optimizers.Trapezoid`).
        patience: it stops at the first epoch after so many in a row without a better validation
            loss. So did Keras 2.0.8; today's `EarlyStopping` does an epoch earlier. None for never.
        keep: the "best" weights, those of the lowest validation loss, or the "last".
        ema: momentum of the running average of the weights that is validated and kept; None for
            the weights themselves.
        precision: a Keras dtype policy, or "fastest" (see `with_native_precision`).
        zero_centered: give the network pixels in [-1, 1] instead of [0, 1].
        nesterov: look ahead with SGD's momentum (Sutskever et al. 2013).
        progressive_sizes: ((epochs, size), ...): so many epochs on photos of this height and width,
            then so many on the next. For a network that takes any size; () for the photos' own.
        eval_size: height and width of the photos that the trained network is used on, if not those
            of its last epochs. Random crops show animals larger than whole photos do: larger photos
            make up for it (Touvron et al. 2019, arXiv 1906.06423).
        validate: validate after each epoch; without it, the last weights are kept.
        cutmix: so many of the batches, as a part of all, are mixed (see `augmentation.cutmix`) ...
        unmixed: ... but none in this part of the epochs, at the end.
        calibrate: build in the temperature that fits best the photos that the network is measured
            on. Its figures are cross-fitted then (see `calibration.cross_fitted`). Where none are
            left to measure it on, it has no temperature.
    """

    network: str = "article_cnn"
    decode_size: int = imaging.SIZE
    nearest: bool = False
    dropout: tuple[float, float] = (0.0, 0.5)
    epochs: int = 36
    batch_size: int = 32
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    decay: float = 0.0
    label_smoothing: float = 0.0
    patience: int | None = None
    ema: float | None = None
    precision: str = "float32"
    zero_centered: bool = False
    nesterov: bool = False
    progressive_sizes: tuple[tuple[int, int], ...] = ()
    eval_size: int | None = None
    validate: bool = True
    keep: str = "best"
    cutmix: float = 0.0
    unmixed: float = 0.0
    calibrate: bool = False
    augmentation: augmentation.Augmentation = field(default_factory=augmentation.Augmentation)

    def build(self, size: int | None = None, **how) -> keras.Model:
        """Build the network; one that is trained on several sizes takes any if none is given."""
        if self.network == "article_cnn":
            return networks.article_cnn(size or self.decode_size, self.zero_centered, self.dropout)
        return networks.NETWORKS[self.network](size, **how)

    @property
    def final_size(self) -> int:
        """Height and width of the photos that the trained network is for."""
        return self.eval_size or self.size(self.epochs) or self.decode_size

    def mix(self, images: np.ndarray, labels: np.ndarray, rng, epoch: int) -> tuple:
        """Mix a batch, or not, as `cutmix` and `unmixed` have it."""
        if epoch >= self.epochs - round(self.unmixed * self.epochs) or rng.uniform() >= self.cutmix:
            return images, labels
        return augmentation.cutmix(images, labels, rng)

    def size(self, epoch: int) -> int | None:
        """Height and width of the photos in an epoch (the first is 0); None for their own."""
        for epochs, size in self.progressive_sizes:
            if epoch < epochs:
                return size
            epoch -= epochs
        return self.progressive_sizes[-1][1] if self.progressive_sizes else None


ARTICLE = Recipe(
    nearest=True,
    dropout=(0.25, 0.5),
    epochs=50,
    schedule="inverse time",
    decay=0.01 / 50,
    patience=2,
    keep="last",
    augmentation=augmentation.ARTICLE,
)
STRONGER = augmentation.Augmentation(
    shear=15.0, zoom=0.3, rotate=15.0, shift=0.1, brightness=0.3, contrast=0.3
)
IMPROVED = Recipe(
    epochs=60,
    batch_size=64,
    optimizer="adam",
    learning_rate=1.5e-3,
    weight_decay=0.03,
    schedule="one-cycle",
    label_smoothing=0.05,
    ema=0.999,
    precision="fastest",
    zero_centered=True,
    augmentation=STRONGER,
)
# From photos on disk to the article's accuracy in minutes, on two cores (chapter 14)
FAST = Recipe(
    network="residual_cnn",
    decode_size=80,
    progressive_sizes=((4, 48), (2, 64)),
    epochs=6,
    # a crop of half to all of the area has 0.86 of the side on average: 64 / 0.86 is 74
    eval_size=72,
    batch_size=128,
    optimizer="muon",
    learning_rate=0.012,
    momentum=0.95,
    weight_decay=0.05,
    schedule="one-cycle",
    label_smoothing=0.1,
    ema=0.99,
    precision="fastest",
    validate=False,
    augmentation=augmentation.Augmentation(crop=0.5, stretch=0.3),
)
# What a network from scratch gets out of 16,000 photos in an hour, and the most (chapter 14)
HOUR = replace(
    FAST,
    network="deep_residual_cnn",
    learning_rate=4e-3,
    decode_size=160,
    progressive_sizes=((36, 64), (30, 96), (26, 128)),
    epochs=92,
    # a crop of 0.35 to all of the area has 0.81 of the side on average: 128 / 0.81
    eval_size=160,
    ema=0.998,
    augmentation=augmentation.Augmentation(
        crop=0.35, stretch=0.3, rotate=10.0, brightness=0.2, contrast=0.2
    ),
)
BEST = replace(
    HOUR,
    network="se_residual_cnn",
    decode_size=200,
    progressive_sizes=((40, 64), (50, 96), (90, 128), (70, 160)),
    epochs=250,
    # a crop of 0.3 to all of the area has 0.80 of the side on average: 160 / 0.80 is 200, and 192
    # can be halved as often as this network does
    eval_size=192,
    schedule="trapezoid",
    ema=0.999,
    cutmix=0.5,
    unmixed=0.2,
    calibrate=True,
    augmentation=augmentation.Augmentation(
        crop=0.3, stretch=0.3, rotate=12.0, brightness=0.25, contrast=0.25
    ),
)


def with_native_precision(recipe: Recipe) -> Recipe:
    """Return the recipe with the precision "fastest" replaced by this machine's.

    That is 16 bits, with weights kept in float32, where the machine computes in them natively (see
    `distribution.half_precision`), else float32.
    """
    if recipe.precision != "fastest":
        return recipe
    half = distribution.half_precision()
    return replace(recipe, precision=f"mixed_{half}" if half else "float32")
