"""One change at a time: the experiments of chapter 10, each a short training run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import files, paths
from catdog.data import batching, loading, manifests
from catdog.data.augmentation import Augmentation
from catdog.evaluation import metrics, statistics
from catdog.training import config, optimizers, recipes


@dataclass(frozen=True)
class ExperimentConfig:
    """All that an experiment can change. The defaults are the reference.

    Attributes:
        size: the photos' side, in pixels.
        part: of the training photos that is used, as many of each class.
        filters: one block of convolution and pooling for each entry.
        kernel: the side of a filter.
        block: "plain", "twice" (two convolutions) or "residual" (two, and a way around them).
        normalize: batch normalization after each convolution and the hidden dense layer.
        dense: width of the hidden dense layer; 0 for the mean of each feature map instead.
        dropout: part of what goes into the last layer that is switched off in training.
        loss: a key of `LOSSES`.
        optimizer: a key of `OPTIMIZERS`.
        rate: the largest learning rate.
        schedule: a key of `SCHEDULES`.
        colour: strength of `colour`; 0 for none.
        cutout: side of the hole of `cutout`, as a part of the photo's; 0 for none.
        mixup: alpha of `mixup`; 0 for none.
    """

    size: int = 64
    part: float = 1.0
    filters: tuple[int, ...] = (32, 32, 64)
    kernel: int = 3
    block: str = "plain"
    normalize: bool = False
    dense: int = 64
    dropout: float = 0.5
    loss: str = "softmax"
    optimizer: str = "adam"
    rate: float = 2e-3
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
    against: str | None = "reference"


@dataclass(frozen=True)
class TrainingBudget:
    """How long the experiments of a scale train."""

    epochs: int
    batch_size: int
    seeds: int


REFERENCE = ExperimentConfig()
LENGTHS = {"sample": TrainingBudget(6, 32, seeds=3), "full": TrainingBudget(4, 64, seeds=1)}


def _experiments() -> dict[str, Experiment]:
    gentle = REFERENCE.augmentation
    turned = replace(gentle, rotate=15.0, shear=15.0, shift=0.1)
    bright = replace(gentle, brightness=0.3, contrast=0.3)
    strong = replace(turned, brightness=0.3, contrast=0.3)
    known = {"reference": Experiment("reference", "the reference", REFERENCE, None)}

    def add(section: str, name: str, change: str, against: str = "reference", **changes) -> None:
        setup = replace(known[against].setup, **changes)
        known[name] = Experiment(section, change, setup, against)

    add("augmentation", "no-augmentation", "no augmentation", augmentation=None)
    add("augmentation", "rotation", "rotation, shear, shift", augmentation=turned)
    add("augmentation", "colour", "brightness, contrast, colour", augmentation=bright, colour=0.3)
    add("augmentation", "cutout", "cutout, 40 % of the side", cutout=0.4)
    add("augmentation", "mixup", "mixup, α = 0.2", mixup=0.2)
    everything = {"augmentation": strong, "colour": 0.3, "cutout": 0.4, "mixup": 0.2}
    add("augmentation", "all-augmentation", "all of these together", **everything)
    add("depth", "two-blocks", "two blocks", filters=(32, 32))
    add("depth", "four-blocks", "four blocks", filters=(32, 32, 64, 64))
    add("depth", "half-the-filters", "half the filters", filters=(16, 16, 32))
    add("depth", "twice-the-filters", "twice the filters", filters=(64, 64, 128))
    add("kernel", "kernel-5", "filters of 5×5", kernel=5)
    add("normalization", "batch-norm", "batch normalization", normalize=True)
    add("residual", "two-convolutions", "two convolutions a block", block="twice")
    add("residual", "residual", "and a way around them", "two-convolutions", block="residual")
    add("optimizer", "sgd", "SGD, rate 0.3", optimizer="sgd", rate=0.3)
    add("optimizer", "nesterov", "Nesterov, rate 0.03", optimizer="nesterov", rate=0.03)
    add("optimizer", "rmsprop", "RMSprop, rate 0.001", optimizer="rmsprop", rate=1e-3)
    add("optimizer", "adamw", "AdamW, decay 0.05", optimizer="adamw", weight_decay=0.05)
    add("schedule", "constant", "a constant rate", schedule="constant")
    add("schedule", "cosine", "half a cosine", schedule="cosine")
    add("schedule", "step", "three steps down", schedule="step")
    add("loss", "one-logit", "one logit", loss="one-logit")
    add("loss", "focal", "focal loss, γ = 2", loss="focal")
    add("loss", "smoothing", "label smoothing, 10 %", loss="smoothing")
    add("dense", "no-dense", "no dense layer, means instead", dense=0)
    add("dense", "dense-256", "256 units", dense=256)
    add("dropout", "dropout-0", "no dropout", dropout=0.0)
    add("dropout", "dropout-25", "a quarter", dropout=0.25)
    add("dropout", "dropout-70", "70 %", dropout=0.7)
    add("size", "size-48", "48×48 pixels", size=48)
    add("size", "size-96", "96×96 pixels", size=96)
    add("size", "size-128", "128×128 pixels", size=128)
    add("photos", "photos-16th", "a sixteenth of the photos", part=1 / 16)
    add("photos", "photos-4th", "a quarter of the photos", part=1 / 4)
    return known


# --- the network ---------------------------------------------------------------------------------


def convolution(x, filters: int, kernel: int = 3, normalize: bool = False, activate: bool = True):
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


def probability(logits) -> np.ndarray:
    """Return the probability of dog (n,) of logits (n, 2) of cat and dog, or (n, 1) of dog."""
    logits = np.asarray(logits, np.float64)
    logit = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
    return 1 / (1 + np.exp(-logit))


# --- the losses ----------------------------------------------------------------------------------


def cross_entropy(y, logits):
    """Cross-entropy of the softmax of logits (n, 2) with the targets y (n, 2): (n,)."""
    return -ops.sum(y * ops.log_softmax(logits, axis=-1), axis=-1)


def one_logit(y, logit):
    """Binary cross-entropy of one logit of dog (n, 1) with the targets y (n, 2): (n,)."""
    return keras.losses.binary_crossentropy(y[:, 1:], logit, from_logits=True)


def focal(y, logits, gamma: float = 2.0):
    """Cross-entropy, weighted by (1 - p)^gamma, p the probability of the truth: (n,).

    Lin et al. 2017 (arXiv 1708.02002), equation 4. With gamma = 0 it is the cross-entropy.
    """
    log_p = ops.log_softmax(logits, axis=-1)
    return -ops.sum(y * (1 - ops.exp(log_p)) ** gamma * log_p, axis=-1)


def smoothed(y, logits, amount: float = 0.1):
    """Cross-entropy with the targets (1 - amount) y + amount / 2: (n,)."""
    return cross_entropy((1 - amount) * y + amount / 2, logits)


LOSSES = {
    "softmax": cross_entropy,
    "one-logit": one_logit,
    "focal": focal,
    "smoothing": smoothed,
}


# --- optimizers, schedules and the learning-rate finder ------------------------------------------


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


def find_rate(
    setup: ExperimentConfig,
    batches,
    low: float = 1e-5,
    high: float = 1.0,
    steps: int = 80,
    seed: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Train for a few steps with a learning rate that grows from low to high, and watch the loss.

    Smith 2017 (arXiv 1506.01186), section 3.3. It stops early once the loss has quadrupled.

    Args:
        batches: of `batching.training_batches`.

    Returns:
        the rates (n,) and, after each step, the loss (n,): a running mean over some ten steps.
    """
    keras.utils.set_random_seed(seed)
    model = build(setup)
    optimizer = OPTIMIZERS[setup.optimizer](learning_rate=low)
    model.compile(optimizer, LOSSES[setup.loss])
    rates, losses, mean = np.geomspace(low, high, steps), [], 0.0
    for step, ((x, y), rate) in enumerate(zip(batches, rates, strict=False), 1):
        optimizer.learning_rate = rate
        model.reset_metrics()
        loss = float(model.train_on_batch(x, y))
        mean = 0.9 * mean + 0.1 * loss
        losses.append(mean / (1 - 0.9**step))
        if not math.isfinite(loss) or losses[-1] > 4 * losses[0]:
            break
    return rates[: len(losses)], np.array(losses)


# --- changes of a batch --------------------------------------------------------------------------


def colour(images: np.ndarray, rng, strength: float = 0.3) -> np.ndarray:
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

    def change(x, y, rng):
        if setup.colour:
            x = colour(x, rng, setup.colour)
        if setup.cutout:
            x = cutout(x, rng, setup.cutout)
        if setup.mixup:
            x, y = mixup(x, y, rng, setup.mixup)
        return x, y

    return change


EXPERIMENTS = _experiments()


# --- running them --------------------------------------------------------------------------------


def some(labels: np.ndarray, part: float, seed: int) -> np.ndarray:
    """Draw a part of the photos, as many of each class as there are, in their order."""
    if part >= 1:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    classes = [rng.permutation(np.flatnonzero(labels == k)) for k in (0, 1)]
    return np.sort(np.concatenate([k[: round(part * len(k))] for k in classes]))


def fit(
    setup: ExperimentConfig,
    train_set: tuple[np.ndarray, np.ndarray],
    length: TrainingBudget,
    seed: int = 1,
    callbacks=(),
) -> tuple[keras.Model, dict]:
    """Train once and return the model, as it is at the end, and what it cost.

    A setup with fewer photos takes as many steps as the reference: it sees each more often.

    Args:
        train_set: uint8 images (n, size, size, 3) and labels (n,).

    Returns:
        the model, and a dictionary of its parameters' number, the loss of each epoch, the seconds
        and the processor's seconds, all cores added up.
    """
    images, labels = train_set
    per_epoch = math.ceil(len(labels) / length.batch_size)
    rate = SCHEDULES[setup.schedule](setup.rate, per_epoch * length.epochs)
    chosen = some(labels, setup.part, seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision())
    try:
        keras.utils.set_random_seed(seed)
        model = build(setup)
        decay = {"weight_decay": setup.weight_decay} if setup.weight_decay else {}
        model.compile(OPTIMIZERS[setup.optimizer](learning_rate=rate, **decay), LOSSES[setup.loss])
        images, labels = (a if setup.part >= 1 else a[chosen] for a in train_set)
        batches = batching.training_batches(
            images, labels, length.batch_size, setup.augmentation, seed, also=changes(setup)
        )
        started, cpu = time.perf_counter(), time.process_time()
        history = model.fit(
            batches,
            epochs=length.epochs,
            steps_per_epoch=per_epoch,
            shuffle=False,
            callbacks=list(callbacks),
            verbose=0,
        ).history
    finally:
        keras.config.set_dtype_policy(policy)
    cost = {
        "parameters": model.count_params(),
        "history": {name: [round(v, 5) for v in values] for name, values in history.items()},
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }
    return model, cost


def precision() -> str:
    """Return this machine's fastest dtype policy, in which the experiments train."""
    return recipes.with_native_precision(recipes.Recipe(precision="fastest")).precision


def evaluate(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> dict:
    """Measure the model on photos; also "right", a hexadecimal number with a bit for each photo."""
    dog = probability(model.predict(images, batch_size=128, verbose=0))
    found = metrics.measure(labels, dog)
    right = np.packbits((dog >= 0.5) == labels)
    return {**found, "right": right.tobytes().hex()}


def known(names) -> list[str]:
    """Return the names of experiments, with those they are compared with, or all for none.

    Raises:
        CatDogError: an experiment is unknown.
    """
    for name in names:
        if name not in EXPERIMENTS:
            every = ", ".join(EXPERIMENTS)
            raise CatDogError(f"no experiment is called {name!r}. The experiments: {every}.")
    wanted = set(names or EXPERIMENTS)
    while more := {EXPERIMENTS[n].against for n in wanted} - wanted - {None}:
        wanted |= more
    return [name for name in EXPERIMENTS if name in wanted]


def _settings(name: str, scale: str, seed: int, reference: dict) -> dict:
    settings = {
        "name": name,
        "setup": asdict(EXPERIMENTS[name].setup),
        "length": {k: v for k, v in asdict(LENGTHS[scale]).items() if k != "seeds"},
        "precision": precision(),
        "photos": reference["manifest_sha256"],
        "seed": seed,
    }
    return json.loads(json.dumps(settings))


def _file(folder: Path, settings: dict) -> Path:
    return folder / f"{settings['name']}-{settings['seed']}-{files.key(settings, 8)}.json"


def run(
    names=(),
    scale: str | None = None,
    seeds: int | None = None,
    folder: str | Path | None = None,
    force: bool = False,
    progress: bool = True,
) -> dict:
    """Run experiments, each with several seeds, and return their record.

    Each run is written down as it ends, in a file that is named after its settings: called again,
    those are skipped, unless `force`. The photos of a size are decoded once for all.

    Args:
        names: keys of `EXPERIMENTS`, all for none; those they are compared with run too.
        scale: "sample" or "full", by default that of `config.scale`.
        seeds: how many; by default the scale's.
        folder: of the runs; by default runs/experiments/SCALE.
    """
    names = known(names)
    chosen = config.scale(scale)
    length, reference = LENGTHS[chosen.name], manifests.reference(chosen.folder)
    folder = Path(folder or paths.RUNS / "experiments" / chosen.name)
    folder.mkdir(parents=True, exist_ok=True)
    todo = []
    for seed in range(1, (seeds or length.seeds) + 1):
        for name in names:
            settings = _settings(name, chosen.name, seed, reference)
            if force or not _file(folder, settings).exists():
                todo.append(settings)
    todo.sort(key=lambda s: (s["setup"]["size"] != REFERENCE.size, s["setup"]["size"], s["seed"]))
    size, photos = None, {}
    bar = tqdm(todo, desc="experiments", unit="run", disable=no_bar(progress))
    for settings in bar:
        name, seed = settings["name"], settings["seed"]
        bar.set_postfix_str(f"{name}, seed {seed}")
        setup = EXPERIMENTS[name].setup
        if setup.size != size:
            size, photos = setup.size, {}
            for split in ("train", "validation"):
                photos[split] = loading.load(chosen.folder, split, size, progress)[:2]
        keras.utils.clear_session(free_memory=True)
        model, cost = fit(setup, photos["train"], length, seed)
        found = {**settings, **cost, **evaluate(model, *photos["validation"])}
        files.write(_file(folder, settings), json.dumps(found))
    return gather(chosen.name, folder, names)


def gather(scale: str, folder: str | Path | None = None, names=()) -> dict:
    """Gather the runs that are written down into one record.

    Each experiment has its section, its change in words and in settings, what it is compared with,
    and its runs: seed, accuracy, log loss, cost, and, counted against the run of the same seed that
    it is compared with, how many photos only this one and only that one gets right.
    """
    names, chosen = known(names), config.scale(scale)
    folder = Path(folder or paths.RUNS / "experiments" / scale)
    reference = manifests.reference(chosen.folder)
    runs: dict[str, dict[int, dict]] = {}
    for name in names:
        seed, runs[name] = 1, {}
        while (file := _file(folder, _settings(name, scale, seed, reference))).exists():
            runs[name][seed] = json.loads(file.read_text("utf-8"))
            seed += 1
    if missing := [name for name in names if not runs[name]]:
        raise CatDogError(f"not run yet: {', '.join(missing)}. Run: catdog experiment {missing[0]}")
    found = {}
    for name in names:
        experiment, rows = EXPERIMENTS[name], []
        for seed, r in runs[name].items():
            row = {k: r[k] for k in ("seed", "accuracy", "log_loss", "seconds", "cpu_seconds")}
            row["interval"] = r["interval"]
            row["loss"] = r["history"]["loss"]
            if experiment.against and seed in runs[experiment.against]:
                this, that = (
                    np.unpackbits(np.frombuffer(bytes.fromhex(x["right"]), np.uint8))
                    for x in (r, runs[experiment.against][seed])
                )
                row["only_this"] = int((this > that).sum())
                row["only_that"] = int((this < that).sum())
            rows.append(row)
        plain = asdict(EXPERIMENTS[experiment.against or name].setup)
        now = asdict(experiment.setup)
        found[name] = {
            "section": experiment.section,
            "change": experiment.change,
            "settings": {k: v for k, v in now.items() if v != plain[k]},
            "against": experiment.against,
            "parameters": next(iter(runs[name].values()))["parameters"],
            "runs": rows,
        }
    length = LENGTHS[scale]
    return {
        "what": f"catdog experiment --scale {scale}",
        "dataset": reference,
        "reference": asdict(REFERENCE),
        "epochs": length.epochs,
        "batch_size": length.batch_size,
        "precision": precision(),
        "n": {split: sum(counts.values()) for split, counts in reference["counts"].items()},
        "experiments": found,
    }


def accuracy(record: dict, name: str) -> float:
    """Return an experiment's accuracy, the mean over its seeds."""
    return float(np.mean([r["accuracy"] for r in record["experiments"][name]["runs"]]))


def effect(record: dict, name: str) -> tuple[float, tuple[float, float]] | None:
    """Return what an experiment changed: the difference in accuracy, and its 95 % interval.

    With several seeds it is `statistics.paired_runs`, which answers for new seeds on these photos;
    with one seed `statistics.paired`, which answers for this one network on new photos. None for
    the reference, and for an experiment that is not in the record.
    """
    this = record["experiments"].get(name)
    if this is None or this["against"] is None:
        return None
    that = record["experiments"][this["against"]]["runs"]
    pairs = [(a, b) for a in this["runs"] for b in that if a["seed"] == b["seed"]]
    if len(pairs) > 1:
        ours, theirs = ([pair[side]["accuracy"] for pair in pairs] for side in (0, 1))
        return statistics.paired_runs(ours, theirs)
    row, n = this["runs"][0], record["n"]["validation"]
    return statistics.paired(row["only_this"], row["only_that"], n)[:2]


def verdict(found: tuple[float, tuple[float, float]]) -> str:
    """Say what an effect's interval says: "helps", "costs", or "no visible effect"."""
    low, high = found[1]
    return "helps" if low > 0 else "costs" if high < 0 else "no visible effect"


def cost(record: dict, name: str) -> float:
    """Return an experiment's processor seconds, all cores added up, the median over its seeds."""
    return float(np.median([r["cpu_seconds"] for r in record["experiments"][name]["runs"]]))


def table(record: dict) -> str:
    """Return the record as lines: experiment, accuracy, difference with interval, cost."""
    lines = [f"{'experiment':20} {'accuracy':>8}  {'difference, 95 % interval':32} {'cpu s':>6}"]
    for name, one in record["experiments"].items():
        change = ""
        if found := effect(record, name):
            difference, (low, high) = found
            change = f"{difference:+6.1%} ({low:+.1%} to {high:+.1%})"
            if one["against"] != "reference":
                change += f" to {one['against']}"
        lines.append(
            f"{name:20} {accuracy(record, name):8.1%}  {change:32} {cost(record, name):6.1f}"
        )
    return "\n".join(lines)
