"""Train with progress bars, early stopping, the best weights kept, and resuming after a kill."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import keras
import numpy as np
from tqdm.keras import TqdmCallback

from catdog import CatDogError, distribution, models, no_bar, paths, pipeline


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        network: its name in `models.NETWORKS`.
        decoded: height and width to which the photos are decoded, before any augmentation.
        nearest: take the nearest pixel when photos are resized (see `pipeline.resize`).
        dropout: the parts that are switched off in the article's network, see `article_cnn`.
        momentum: SGD's and Muon's; with Adam its beta 1.
        schedule: "constant"; "inverse time": the rate over 1 + decay × updates, as `decay` had it
            in Keras 2; or "one-cycle": a linear rise over the first tenth of the steps, then half
            a cosine down to nothing (after Smith & Topin 2017, arXiv 1708.07120).
        patience: it stops at the first epoch after so many in a row without a better validation
            loss. So did Keras 2.0.8; today's `EarlyStopping` does an epoch earlier. None for never.
        keep: the "best" weights, those of the lowest validation loss, or the "last".
        ema: momentum of the running average of the weights that is validated and kept; None for
            the weights themselves.
        precision: a Keras dtype policy, or "fastest" (see `resolved`).
        centred: give the network pixels in [-1, 1] instead of [0, 1].
        nesterov: look ahead with SGD's momentum (Sutskever et al. 2013).
        sizes: ((epochs, size), ...): so many epochs on photos of this height and width, then so
            many on the next. For a network that takes any size; () for the photos' own.
        shown: height and width of the photos that the trained network is used on, if not those of
            its last epochs. Random crops show animals larger than whole photos do: larger photos
            make up for it (Touvron et al. 2019, arXiv 1906.06423).
        judged: validate after each epoch; without it, the last weights are kept.
    """

    network: str = "article_cnn"
    decoded: int = pipeline.SIZE
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
    centred: bool = False
    nesterov: bool = False
    sizes: tuple[tuple[int, int], ...] = ()
    shown: int | None = None
    judged: bool = True
    keep: str = "best"
    augmentation: pipeline.Augmentation = field(default_factory=pipeline.Augmentation)

    def build(self, size: int | None = None, **how) -> keras.Model:
        """Build the network; one that is trained on several sizes takes any if none is given."""
        if self.network == "article_cnn":
            return models.article_cnn(size or self.decoded, self.centred, self.dropout)
        return models.NETWORKS[self.network](size, **how)

    @property
    def final_size(self) -> int:
        """Height and width of the photos that the trained network is for."""
        return self.shown or self.size(self.epochs) or self.decoded

    def size(self, epoch: int) -> int | None:
        """Height and width of the photos in an epoch (the first is 0); None for their own."""
        for epochs, size in self.sizes:
            if epoch < epochs:
                return size
            epoch -= epochs
        return self.sizes[-1][1] if self.sizes else None


ARTICLE = Recipe(
    nearest=True,
    dropout=(0.25, 0.5),
    epochs=50,
    schedule="inverse time",
    decay=0.01 / 50,
    patience=2,
    keep="last",
    augmentation=pipeline.ARTICLE,
)
STRONGER = pipeline.Augmentation(
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
    centred=True,
    augmentation=STRONGER,
)
# From photos on disk to the article's accuracy in minutes, on two cores (chapter 14)
FAST = Recipe(
    network="residual_cnn",
    decoded=80,
    sizes=((5, 48), (2, 64)),
    epochs=7,
    shown=72,  # a crop of half to all of the area has 0.86 of the side in the mean: 64 / 0.86 is 74
    batch_size=128,
    optimizer="muon",
    learning_rate=4e-3,
    momentum=0.95,
    weight_decay=0.05,
    schedule="one-cycle",
    label_smoothing=0.1,
    ema=0.99,
    precision="fastest",
    judged=False,
    augmentation=pipeline.Augmentation(crop=0.5, stretch=0.3),
)
# The most that a network from scratch gets out of 16,000 photos in an hour or two (chapter 14)
BEST = replace(
    FAST,
    network="deep_residual_cnn",
    decoded=160,
    sizes=((36, 64), (30, 96), (26, 128)),
    epochs=92,
    shown=160,  # a crop of 0.35 to all of the area has 0.82 of the side in the mean: 128 / 0.82
    ema=0.998,
    augmentation=pipeline.Augmentation(
        crop=0.35, stretch=0.3, rotate=10.0, brightness=0.2, contrast=0.2
    ),
)
# What each departure from the article's recipe costs, one at a time
TODAY = replace(pipeline.ARTICLE, shear=0.2)  # what the article's line does in today's Keras
DEPARTURES = {
    "article-without-dropout-25": replace(ARTICLE, dropout=(0.0, 0.5)),
    "article-without-decay": replace(ARTICLE, schedule="constant", decay=0.0),
    "article-shear-of-today": replace(ARTICLE, augmentation=TODAY),
    "article-resize-of-today": replace(
        ARTICLE, nearest=False, augmentation=replace(pipeline.ARTICLE, nearest=False)
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
    "best": BEST,
    **DEPARTURES,
    "ablation-reference": SHORT,
    "without-augmentation": replace(SHORT, augmentation=replace(TODAY, nearest=False)),
    "without-adam": replace(SHORT, optimizer="sgd", learning_rate=0.03, weight_decay=5e-4),
    "without-one-cycle": replace(SHORT, schedule="constant", learning_rate=5e-4),
    "without-centring": replace(SHORT, centred=False),
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
    "fast-without-growing": replace(FAST, sizes=((5, 64),), epochs=5),
    "fast-without-crops": replace(FAST, shown=None, augmentation=pipeline.Augmentation()),
    "fast-without-smoothing": replace(FAST, label_smoothing=0.0),
    "fast-without-averaging": replace(FAST, ema=None),
}


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up over the first tenth of the steps, then half a cosine to zero."""

    def __init__(self, peak: float, steps: int):
        self.peak, self.steps = peak, steps

    def __call__(self, step):
        part = keras.ops.cast(step, "float32") / self.steps
        down = 0.5 * (1 + keras.ops.cos(math.pi * keras.ops.minimum((part - 0.1) / 0.9, 1.0)))
        return self.peak * keras.ops.where(part < 0.1, part / 0.1, down)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}


LOSS = "loss_over_photos"  # its mean; Keras's own "loss" counts those that fill a batch, too


def compile_model(
    model: keras.Model,
    recipe: Recipe,
    steps_per_epoch: int,
    optimizer: keras.optimizers.Optimizer | None = None,
    weighted: bool = False,
) -> None:
    """Give the model the recipe's optimizer, loss and metric.

    Args:
        optimizer: one that has begun already, to go on with.
        weighted: the batches come with weights, as from `distribution.even`.
    """
    optimizer = optimizer or _optimizer(recipe, steps_per_epoch)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    if not weighted:
        model.compile(optimizer, loss, metrics=["accuracy"])
        return
    smoothing = {"label_smoothing": recipe.label_smoothing}
    over_photos = [
        distribution.OverPhotos(keras.metrics.categorical_accuracy, name="accuracy"),
        distribution.OverPhotos(keras.metrics.categorical_crossentropy, name=LOSS, **smoothing),
    ]
    model.compile(optimizer, loss, weighted_metrics=over_photos)


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    rate = recipe.learning_rate
    if recipe.schedule == "one-cycle":
        rate = OneCycle(rate, recipe.epochs * steps_per_epoch)
    elif recipe.schedule == "inverse time":
        rate = keras.optimizers.schedules.InverseTimeDecay(rate, 1, recipe.decay)
    elif recipe.schedule != "constant":
        known = "'constant', 'inverse time' or 'one-cycle'"
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


class _State(keras.callbacks.Callback):
    """After each epoch, save everything that the rest of the run depends on, in one step."""

    def __init__(self, folder: Path, log: dict, seed: int, keep: str):
        super().__init__()
        self.folder, self.log, self.seed, self.keep = folder, log, seed, keep

    def on_epoch_begin(self, epoch, logs=None):
        # Keras does not save where dropout's random numbers stand: begin each epoch anew
        for i, layer in enumerate(self.model.layers):
            if hasattr(layer, "seed_generator"):
                layer.seed_generator.state.assign([self.seed + 1000 * i, epoch])
        self.started = time.perf_counter(), time.process_time()

    def _must_be_finite(self, epoch: int, logs: dict) -> None:
        lost = [f"{k} is {v}" for k, v in logs.items() if "loss" in k and not math.isfinite(v)]
        if lost:
            before = _latest(self.folder)
            raise CatDogError(
                f"the {' and the '.join(lost)} in epoch {epoch + 1}: the weights grew without "
                "bound. Train with a smaller learning rate or with precision float32, in another "
                f"folder. {f'The epoch before is kept: {before}' if before else 'None is kept'}."
            )

    def on_epoch_end(self, epoch, logs=None):
        self._must_be_finite(epoch, logs)
        logs = {**logs, **{k.replace(LOSS, "loss"): logs[k] for k in logs if k.endswith(LOSS)}}
        for name, value in logs.items():
            if not name.endswith(LOSS):
                self.log["history"].setdefault(name, []).append(float(value))
        self.log["seconds"].append(time.perf_counter() - self.started[0])
        self.log["processor_seconds"].append(time.process_time() - self.started[1])
        new = self.folder / f"epoch-{epoch + 1:04d}.part"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        loss = logs.get("val_loss", -epoch)  # without validation photos the last epoch is kept
        better = loss < self.log["best_loss"]
        if better:
            self.log |= {"best_loss": float(loss), "best_epoch": epoch + 1, "wait": 0}
        else:
            self.log["wait"] += 1
        if better or self.keep == "last":
            kept = self._averaged() if self._optimizer().use_ema else self.model.get_weights()
            _save_arrays(new / "kept.npz", kept)
        else:
            shutil.copy(self.folder / f"epoch-{epoch:04d}" / "kept.npz", new / "kept.npz")
        self.model.save(new / "model.keras")
        (new / "log.json").write_text(json.dumps(self.log), "utf-8")
        os.replace(new, new.with_suffix(""))
        shutil.rmtree(self.folder / f"epoch-{epoch:04d}", ignore_errors=True)

    def _optimizer(self):
        """The recipe's optimizer; with float16 Keras wraps it, to scale the loss."""
        return getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)

    def _averaged(self) -> list[np.ndarray]:
        """The model's weights with the running averages in place of the trained ones."""
        own = self._optimizer()
        pairs = zip(own._trainable_variables, own._model_variables_moving_average, strict=True)
        average = {id(variable): mean for variable, mean in pairs}
        return [keras.ops.convert_to_numpy(average.get(id(v), v)) for v in self.model.weights]


def resolved(recipe: Recipe) -> Recipe:
    """Return the recipe with the precision "fastest" replaced by this machine's.

    That is 16 bits, with weights kept in float32, where the machine computes in them natively (see
    `distribution.half_precision`), else float32.
    """
    if recipe.precision != "fastest":
        return recipe
    half = distribution.half_precision()
    return replace(recipe, precision=f"mixed_{half}" if half else "float32")


def _save_arrays(path: Path, arrays: list[np.ndarray]) -> None:
    np.savez(path, **{f"{i:03d}": array for i, array in enumerate(arrays)})


def _fingerprint(*sets) -> str:
    """A hash of the labels and of every hundredth photo."""
    digest = hashlib.sha256()
    for images, labels in filter(None, sets):
        digest.update(np.ascontiguousarray(images[::100]))
        digest.update(np.asarray(labels, np.int32).tobytes())
    return digest.hexdigest()


def _latest(folder: Path) -> Path | None:
    done = sorted(p for p in folder.glob("epoch-*") if not p.name.endswith(".part"))
    return done[-1] if done else None


class _Stop(keras.callbacks.Callback):
    def __init__(self, patience: int | None, log: dict):
        super().__init__()
        self.patience, self.log = patience, log

    def on_epoch_end(self, epoch, logs=None):
        if self.patience is not None and self.log["wait"] > self.patience:
            self.model.stop_training = True


def train(
    build,
    recipe: Recipe,
    train_set: tuple[np.ndarray, np.ndarray],
    validation_set: tuple[np.ndarray, np.ndarray] | None,
    run: str | Path | None = None,
    seed: int = 1,
    progress: bool = True,
    devices: int | str | list[str] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, dict]:
    """Train the network that `build()` returns and return it with the weights kept, and a log.

    Everything stands in the folder `run` after each epoch: call it again after a kill, at any
    point, and it goes on from the last whole epoch to the same result as an unbroken run. A folder
    of a finished run gives its result at once; one of other settings is refused, not overwritten.

    Args:
        train_set, validation_set: uint8 images (n, h, w, 3) and labels (n,), as from
            `pipeline.load`. Without validation photos the last epoch's weights are kept.
        run: by default a folder of `runs/` that is named after the settings and the photos.
        devices: how many share each batch, or "all", or their names (see `distribution.choose`).
            Their number is none of the settings: a run may go on on another number of them.
        callbacks: further ones for `fit`, such as `keras.callbacks.CSVLogger`. They only look on:
            they are none of the settings.

    Returns:
        the model, which computes in float32 whatever it was trained in, and the log: the history
        {name: [a value an epoch]}, the seconds of each epoch, by the clock and of the processor
        (all cores added up, which other work and pauses do not change), the best epoch.

    Raises:
        CatDogError: a loss becomes infinite or not a number. The epochs before are kept.
    """
    recipe = resolved(recipe)
    chosen = distribution.choose(devices, recipe.batch_size)
    network = build()
    settings = {
        **asdict(recipe),
        "seed": seed,
        "network": [list(w.shape) for w in network.weights],
        "photos": _fingerprint(train_set, validation_set),
    }
    learning = {id(w) for w in network.trainable_weights}
    if frozen := [i for i, w in enumerate(network.weights) if id(w) not in learning]:
        settings["frozen"] = frozen
    settings = json.loads(json.dumps(settings))
    if run is None:
        digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
        run = paths.RUNS / f"cnn-{digest[:12]}"
    run = Path(run)
    run.mkdir(parents=True, exist_ok=True)
    note = run / "settings.json"
    if note.exists() and json.loads(note.read_text("utf-8")) != settings:
        raise CatDogError(f"{run} holds a run with other settings. Name another folder for this.")
    note.write_text(json.dumps(settings, indent=1), "utf-8")
    steps = math.ceil(len(train_set[0]) / recipe.batch_size)
    policy = keras.config.dtype_policy()
    with contextlib.ExitStack() as undo:
        undo.callback(keras.config.set_dtype_policy, policy)
        undo.enter_context(distribution.spread(chosen))
        keras.config.set_dtype_policy(recipe.precision)
        last = _latest(run)
        if last is None:
            keras.utils.set_random_seed(seed)
            model, epoch, optimizer = build(), 0, None
            log = {"history": {}, "seconds": [], "processor_seconds": []}
            log |= {"best_loss": math.inf, "best_epoch": 0, "wait": 0}
        else:
            log = json.loads((last / "log.json").read_text("utf-8"))
            known = {"OneCycle": OneCycle}
            model = keras.models.load_model(last / "model.keras", custom_objects=known)
            epoch, optimizer = len(log["seconds"]), model.optimizer
        compile_model(model, recipe, steps, optimizer, weighted=bool(chosen))
        stopped = recipe.patience is not None and log["wait"] > recipe.patience
        if epoch < recipe.epochs and not stopped:
            own = [_State(run, log, seed, recipe.keep), _Stop(recipe.patience, log)]
            if recipe.ema is not None and validation_set is not None:  # to be judged by
                own.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
            if not no_bar(progress):
                own.append(TqdmCallback(verbose=1, initial=epoch))
            batches = pipeline.training_batches(
                *train_set,
                recipe.batch_size,
                recipe.augmentation,
                seed,
                epoch,
                sizes=recipe.size if recipe.sizes else None,
            )
            if validation_set and recipe.sizes:
                images = pipeline.resized(validation_set[0], recipe.final_size)
                validation_set = images, validation_set[1]
            judging = validation_set and pipeline.validation_batches(*validation_set)
            if chosen:
                batches = distribution.even(batches, len(chosen))
                judging = judging and distribution.even(judging, len(chosen))
            model.fit(
                batches,
                initial_epoch=epoch,
                epochs=recipe.epochs,
                steps_per_epoch=steps,
                validation_data=judging,
                callbacks=[*own, *callbacks],
                shuffle=False,
                verbose=0,
            )
    model = build()
    with np.load(_latest(run) / "kept.npz") as kept:
        model.set_weights([kept[name] for name in sorted(kept.files)])
    return model, log
