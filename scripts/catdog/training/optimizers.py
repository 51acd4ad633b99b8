"""How a recipe is compiled, and what Keras does not have: Muon for convolutions."""

from __future__ import annotations

import keras

from catdog import CatDogError
from catdog.core import distribution
from catdog.training import recipes


def one_cycle(peak: float, steps: int) -> keras.optimizers.schedules.CosineDecay:
    """Linear warm-up over the first tenth of the steps, then half a cosine to zero."""
    return keras.optimizers.schedules.CosineDecay(
        0.0, 0.9 * steps, warmup_target=peak, warmup_steps=0.1 * steps
    )


@keras.saving.register_keras_serializable("catdog")
class Trapezoid(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise, the peak for most of the steps, then a linear fall to zero.

    A training can be made longer or shorter up to the fall, so that one of any length begins as
    all others do (Hägele et al. 2024, arXiv 2405.18392, section 3).

    Args:
        peak: the highest rate.
        steps: of the training in all.
        warmup_steps: so many of them, at least one, lead up to the peak.
        cooldown: this part of them leads down.
    """

    def __init__(self, peak: float, steps: int, warmup_steps: int, cooldown: float = 0.3):
        self.peak, self.steps = peak, steps
        self.warmup_steps, self.cooldown = warmup_steps, cooldown

    def __call__(self, step):
        ops = keras.ops
        step = ops.cast(step, "float32")
        up = step / self.warmup_steps
        down = (self.steps - step) / (self.cooldown * self.steps)
        return self.peak * ops.clip(ops.minimum(up, down), 0.0, 1.0)

    def get_config(self):
        names = ("peak", "steps", "warmup_steps", "cooldown")
        return {name: getattr(self, name) for name in names}


LOSS = "loss_over_photos"  # its mean; Keras's own "loss" counts those that fill a batch, too


def compile_model(
    model: keras.Model,
    recipe: recipes.Recipe,
    steps_per_epoch: int,
    optimizer: keras.optimizers.Optimizer | None = None,
    weighted: bool = False,
) -> None:
    """Give the model the recipe's optimizer, loss and metric, with all their variables.

    What `fit` finds without them it traces twice: once to make them, once to train with them.

    Args:
        optimizer: one that has begun already, to go on with.
        weighted: the batches come with weights, as with a `distribution.Share`.
    """
    optimizer = optimizer or _optimizer(recipe, steps_per_epoch)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    if weighted:
        smoothing = {"label_smoothing": recipe.label_smoothing}
        over_photos = [
            distribution.MaskedMean(keras.metrics.categorical_accuracy, name="accuracy"),
            distribution.MaskedMean(keras.metrics.categorical_crossentropy, name=LOSS, **smoothing),
        ]
        model.compile(optimizer, loss, weighted_metrics=over_photos)
    else:
        accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
        model.compile(optimizer, loss, metrics=[accuracy])
    make_variables(model)


def make_variables(model: keras.Model) -> None:
    """Build a compiled model's optimizer; with float16, also what Keras wraps it in."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _optimizer(recipe: recipes.Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    rate, steps = recipe.learning_rate, recipe.epochs * steps_per_epoch
    if recipe.schedule == "one-cycle":
        rate = one_cycle(rate, steps)
    elif recipe.schedule == "inverse time":
        rate = keras.optimizers.schedules.InverseTimeDecay(rate, 1, recipe.decay)
    elif recipe.schedule == "trapezoid":
        rate = Trapezoid(rate, steps, warmup_steps=max(1, min(250, steps // 10)))
    elif recipe.schedule != "constant":
        known = "'constant', 'inverse time', 'one-cycle' or 'trapezoid'"
        raise CatDogError(f"unknown schedule {recipe.schedule!r}: use {known}.")
    common = {"learning_rate": rate, "weight_decay": recipe.weight_decay or None}
    if recipe.ema is not None:
        common |= {"use_ema": True, "ema_momentum": recipe.ema}
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(momentum=recipe.momentum, nesterov=recipe.nesterov, **common)
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(beta_1=recipe.momentum, **common)
    if recipe.optimizer == "muon":
        return Muon(momentum=recipe.momentum, ns_steps=3, adam_weight_decay=0.0, **common)
    raise CatDogError(f"unknown optimizer {recipe.optimizer!r}: use 'sgd', 'adam' or 'muon'.")


@keras.saving.register_keras_serializable("catdog")
class Muon(keras.optimizers.Muon):
    """Muon (Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982) for convolutions.

    A kernel (h, w, c_in, c_out) is treated as the matrix (h·w·c_in, c_out): its momentum is
    replaced by the nearest matrix whose singular values are all about 1, so that a step moves
    every direction alike. Three Newton-Schulz iterations come near enough, in bfloat16 too, where
    the machine computes in it natively. Keras's own class does so for dense layers only. All other
    weights are trained by Adam.
    """

    def _should_use_adamw(self, variable):
        return len(variable.shape) != 4

    def _muon_update_step(self, gradient, variable, learning_rate, momentum):
        ops = keras.ops
        self.assign_add(momentum, gradient + momentum * (self.momentum - 1))
        ahead = gradient + self.momentum * momentum
        half = distribution.half_precision() == "bfloat16"
        matrix = ops.reshape(ahead, (-1, ahead.shape[-1]))
        matrix = ops.cast(matrix, "bfloat16" if half else "float32")
        update = ops.cast(self.zeropower_via_newtonschulz5(matrix, self.ns_steps), "float32")
        update = ops.reshape(self.lr_adjust(learning_rate * update), variable.shape)
        self.assign_sub(variable, update)
