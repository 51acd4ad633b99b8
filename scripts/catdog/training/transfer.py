"""Classifiers that stand on a pretrained backbone: a new head, and what fine-tuning trains."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from catdog import CatDogError
from catdog.data.augmentation import Augmentation
from catdog.models import backbones
from catdog.training.recipes import Recipe

FINE_TUNING = Recipe(
    epochs=2,
    batch_size=32,
    optimizer="adam",
    learning_rate=1e-4,
    schedule="one-cycle",
    ema=0.99,
    augmentation=Augmentation(zoom=0.15, rotate=10.0, brightness=0.2, contrast=0.2),
)
SMALL = 4000  # so few photos are fitted faster by one thread: many would wait for each other


def threads_for(n: int):
    """Limit the threads of linear algebra on features of n photos, in a `with` block."""
    return threadpool_limits(1 if n < SMALL else None)


def fit_head(values: np.ndarray, labels: np.ndarray, more: np.ndarray | None = None):
    """Fit a logistic regression on features (n, c), its penalty chosen by 5-fold cross-validation.

    Args:
        more: features (n, c) of the same photos, changed, that join in once the penalty is chosen
            (before, a photo and its mirror image might stand on both sides of a fold).

    Returns:
        weights (c,) and bias of the logit of "dog", for features as they are, and the penalty's C.
    """
    with threads_for(len(values)):
        return _fit_head(values.astype(np.float32), labels, more)


def _fit_head(values, labels, more):
    scaler = StandardScaler().fit(values)
    chosen = LogisticRegressionCV(
        Cs=np.logspace(-4.5, 0, 6),
        l1_ratios=(0,),
        cv=5,
        scoring="neg_log_loss",
        max_iter=400,
        use_legacy_attributes=False,
    ).fit(scaler.transform(values), labels)
    final = LogisticRegression(C=chosen.C_, max_iter=400)
    if more is not None:
        values = np.concatenate([values, more.astype(np.float32)])
        labels = np.concatenate([labels, labels])
    final.fit(scaler.transform(values), labels)
    weights = final.coef_[0] / scaler.scale_
    return weights, float(final.intercept_[0] - weights @ scaler.mean_), float(chosen.C_)


def classifier(
    backbone: str,
    size: int | None = None,
    head: tuple[np.ndarray, float] | None = None,
    from_block: int | None = None,
    weights: str | Path | None = "imagenet",
    dropout: float = 0.0,
) -> keras.Model:
    """Build backbone, average pooling and a dense layer: photos (n, h, w, 3) to (n, 2).

    Args:
        head: weights and bias as `fit_head` returns them; random ones by default.
        from_block: the first block that will be trained; None: the head only.
            Batch normalization always stays in inference mode.

    Raises:
        CatDogError: the backbone has no such block.
    """
    if weights is None:
        keras.utils.set_random_seed(0)  # the random weights that `features.extract` takes
    inner = backbones.build(backbone, size, weights)
    frozen = True
    for layer in inner.layers:
        block = layer.name.partition("_")[0].removeprefix("block")
        if from_block is not None:
            if block.isdigit() and int(block) >= from_block or layer.name.startswith("head"):
                frozen = False
        layer.trainable = not frozen and not isinstance(layer, layers.BatchNormalization)
    if from_block is not None and frozen:
        raise CatDogError(f"{backbone} has no block {from_block}: train from an earlier one.")
    x = layers.GlobalAveragePooling2D(name="average")(inner.output)
    x = layers.Dropout(dropout, name="dropout")(x) if dropout else x
    x = layers.Dense(2, dtype="float32", name="logits")(x)
    x = layers.Activation("softmax", dtype="float32", name="probabilities")(x)
    model = keras.Model(inner.inputs, x, name=f"{backbone.replace('-', '_')}_cat_dog")
    if head is not None:
        dog, bias = head
        model.get_layer("logits").set_weights(
            [np.stack([-dog / 2, dog / 2], 1).astype(np.float32), np.float32([-bias / 2, bias / 2])]
        )
    return model
