"""The recipes that `catdog train` offers: chapters 9 and 14's, and each with one thing changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from catdog import CatDogError
from catdog.data import augmentation
from catdog.training.recipes import ARTICLE, BEST, FAST, HOUR, IMPROVED, Recipe

# What each departure from the article's recipe costs, one at a time
TODAY = replace(augmentation.ARTICLE, shear=0.2)  # what the article's line does in today's Keras
DEPARTURES = {
    "article-without-dropout-25": replace(ARTICLE, dropout=(0.0, 0.5)),
    "article-without-decay": replace(ARTICLE, schedule="constant", decay=0.0),
    "article-shear-of-today": replace(ARTICLE, augmentation=TODAY),
    "article-resize-of-today": replace(
        ARTICLE, nearest=False, augmentation=replace(augmentation.ARTICLE, nearest=False)
    ),
    "article-bfloat16": replace(ARTICLE, precision="mixed_bfloat16"),
    "article-without-stopping": replace(ARTICLE, patience=None),
}
# Our recipe, and it with one thing taken back at a time, in a shorter run
SHORT = replace(IMPROVED, epochs=8)
RECIPES = {
    "article": ARTICLE,
    "improved": IMPROVED,
    "fast": FAST,
    "hour": HOUR,
    "best": BEST,
    **DEPARTURES,
    "ablation-reference": SHORT,
    "without-augmentation": replace(SHORT, augmentation=replace(TODAY, nearest=False)),
    "without-adam": replace(SHORT, optimizer="sgd", learning_rate=0.03, weight_decay=5e-4),
    "without-one-cycle": replace(SHORT, schedule="constant", learning_rate=5e-4),
    "without-centring": replace(SHORT, zero_centered=False),
    "without-smoothing": replace(SHORT, label_smoothing=0.0),
    "without-averaging": replace(SHORT, ema=None),
    "without-large-batch": replace(SHORT, batch_size=32),
    "without-bfloat16": replace(SHORT, precision="float32"),
    # the fast recipe with one thing taken back at a time, in about the same time
    "fast-without-muon": replace(
        FAST,
        optimizer="sgd",
        nesterov=True,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=5e-4,
    ),
    "fast-without-growing": replace(FAST, progressive_sizes=((4, 64),), epochs=4),
    "fast-without-crops": replace(FAST, eval_size=None, augmentation=augmentation.Augmentation()),
    "fast-without-smoothing": replace(FAST, label_smoothing=0.0),
    "fast-without-averaging": replace(FAST, ema=None),
    # and one that takes twice as long: its maps double wherever the photo is halved
    "fast-without-slimming": replace(FAST, network="wide_residual_cnn"),
}


def changed(name: str, **changes) -> Recipe:
    """Return the recipe of that name with some settings changed; None leaves one as it is.

    With more or fewer epochs, each size of photos has the same part of them as before.

    Raises:
        CatDogError: `patience` is given to a recipe that validates nothing while it trains.
    """
    changes = {setting: value for setting, value in changes.items() if value is not None}
    if "patience" in changes and not RECIPES[name].validate:
        raise CatDogError(
            f"the recipe {name} validates nothing while it trains, so it cannot stop early: leave "
            "out --patience."
        )
    recipe = RECIPES[name]
    if "epochs" in changes and recipe.progressive_sizes:
        each, sizes = zip(*recipe.progressive_sizes, strict=True)
        ends = np.rint(np.cumsum(each) * changes["epochs"] / sum(each)).astype(int)
        each = np.diff(ends, prepend=0).tolist()
        changes["progressive_sizes"] = tuple(zip(each, sizes, strict=True))
    return replace(recipe, **changes)
