"""What `catdog transfer` does: train a head, fine-tune, and measure it, each with its record."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.preprocessing import StandardScaler

from catdog.core import recording
from catdog.data import loading, manifests
from catdog.evaluation import calibration, metrics
from catdog.models import backbones, features, provenance, saving
from catdog.training import loop, recipes, transfer
from catdog.training.recipes import Recipe


def split(folder: str | Path) -> tuple[list[manifests.Photo], list[manifests.Photo]]:
    """Divide the training photos, before anything learns: those to learn from, and a tenth.

    The tenth calibrates, and does nothing else: neither the head nor the fine-tuning sees it. It is
    the same for every seed, so that a head and its fine-tuning cannot disagree about it.
    """
    photos, _ = loading.photos_of(folder, "train")
    used, held = loading.holdout_split(photos, loading.HELD_BACK)
    return [photos[i] for i in used], [photos[i] for i in held]


def _measured(name: str, truth: np.ndarray, logits: np.ndarray) -> dict:
    """Measure logits (2, n), of photos and of their mirror images: the first alone, and both."""
    return {
        name: metrics.measure(truth, expit(logits[0])),
        f"{name}_flip": metrics.measure(truth, expit(logits.mean(axis=0))),
    }


def command(how: str, backbone: str, size: int, mirror: bool = True) -> str:
    """Return what the record of a run says that it is."""
    text = f"catdog transfer {how} --backbone {backbone} --size {size}"
    return text if mirror else f"{text} --no-mirror"


def frozen(
    folder: str | Path,
    backbone: str,
    size: int | None = None,
    mirror: bool = True,
    progress: bool = True,
    **how,
) -> tuple[keras.Model, dict]:
    """Train a new head on frozen features of nine tenths of the training photos (see `split`).

    The last tenth gives a temperature and a clip, which the record reports; the classifier does
    without. Nothing is chosen on the validation photos.

    Args:
        mirror: the mirror image of each training photo is a training photo too, and the answers to
            a photo and to its mirror image are averaged as well. It doubles the extraction.
        how: passed on to `features.extract`.

    Returns:
        the classifier, and its record.
    """
    size = size or backbones.spec(backbone).size
    photos, labels = loading.photos_of(folder, "train")
    used, held = loading.holdout_split(photos, loading.HELD_BACK)

    def values(part):
        found = [
            features.extract(folder, part, backbone, size, flip=flip, progress=progress, **how)
            for flip in ((False, True) if mirror else (False,))
        ]
        return [np.asarray(f) for f in found], found[0].labels

    x, _ = values("train")
    extracted = time.perf_counter()
    weights, bias, penalty = transfer.fit_head(
        x[0][used], labels[used], *(one[used] for one in x[1:])
    )
    fitted = time.perf_counter()

    def logits(x):
        return np.stack([one.astype(np.float64) @ weights + bias for one in x])

    found = calibration.calibrate(labels[held], logits(x[:1])[0][held])
    x, truth = values("validation")
    answers = logits(x)
    from_ = how.get("weights", "imagenet")
    model = transfer.classifier(backbone, size, (weights, bias), weights=from_, dropout=0.0)
    record = {
        "what": command("frozen", backbone, size, mirror),
        "dataset": manifests.reference(folder),
        "model": {
            "name": model.name,
            "parameters": model.count_params(),
            "trained": int(weights.size + 1),
            "backbone": backbone,
            "size": size,
        },
        "recipe": {"head": "logistic regression", "C": penalty, "chosen_by": "5-fold"},
        "trained_on": len(used),
        "seconds_of_the_head": round(fitted - extracted, 1),
        **found,
        "validation": metrics.measure(truth, expit(answers[0])),
        "validation_calibrated": metrics.measure(truth, expit(answers[0] / found["temperature"])),
    }
    if mirror:
        record["validation_flip"] = metrics.measure(truth, expit(answers.mean(axis=0)))
    return model, record


def study(
    folder: str | Path,
    backbone: str,
    size: int | None = None,
    sizes=(50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000),
    seeds: int = 5,
    progress: bool = True,
    **how,
) -> dict:
    """Ask of frozen features how many labelled photos are enough, and which labels look wrong.

    The penalty for each photo is the same at every size. Suspicious are labels that a head trained
    on other photos (5-fold cross-validation over all of them) finds least likely.

    Returns:
        a record: "learning_curve" [{n, accuracy, log_loss: a value a seed}] on the validation
        photos, "suspects" the 20 most suspicious [{file, label, probability}], and "doubtful", how
        many labels got a probability below 1%.
    """
    size = size or backbones.spec(backbone).size
    train, test = (
        features.extract(folder, split, backbone, size, progress=progress, **how)
        for split in ("train", "validation")
    )
    x, x_new = np.asarray(train, np.float32), np.asarray(test, np.float32)
    scaler = StandardScaler().fit(x)
    x, x_new = scaler.transform(x), scaler.transform(x_new)
    curve = []
    for n in [n for n in sizes if n == len(x) or n <= len(x) - 2]:  # the others are of both
        row = {"n": n, "accuracy": [], "log_loss": []}
        for seed in range(1 if n == len(x) else seeds):
            if n < len(x):
                some, _ = train_test_split(
                    np.arange(len(x)), train_size=n, stratify=train.labels, random_state=seed
                )
            else:
                some = np.arange(n)
            with transfer.threads_for(n):
                fitted = LogisticRegression(C=32 / n, max_iter=400)
                fitted.fit(x[some], train.labels[some])
            dog = fitted.predict_proba(x_new)[:, 1]
            row["accuracy"].append(float(((dog >= 0.5) == test.labels).mean()))
            row["log_loss"].append(float(log_loss(test.labels, dog, labels=[0, 1])))
        curve.append(row)
    labels = np.concatenate([train.labels, test.labels])
    files = train.files + test.files
    head = LogisticRegression(C=32 / len(labels), max_iter=400)
    chances = cross_val_predict(
        head, np.concatenate([x, x_new]), labels, cv=5, method="predict_proba"
    )[np.arange(len(labels)), labels]
    return {
        "what": command("study", backbone, size),
        "dataset": manifests.reference(folder),
        "model": {"name": backbone, "size": size},
        "learning_curve": curve,
        "suspects": [
            {
                "file": files[i],
                "label": manifests.LABELS[labels[i]],
                "probability": float(f"{chances[i]:.2g}"),
            }
            for i in np.argsort(chances)[:20]
        ],
        "doubtful": int((chances < 0.01).sum()),
        "n": len(labels),
    }


def fine_tune(
    folder: str | Path,
    backbone: str,
    head: tuple[np.ndarray, float],
    size: int | None = None,
    recipe: Recipe = transfer.FINE_TUNING,
    from_block: int = 9,
    run: str | Path | None = None,
    seed: int = 1,
) -> tuple[keras.Model, dict]:
    """Train the upper blocks and the head a little further; measure on the validation photos.

    It learns from the photos that `frozen` learned from; the tenth that `split` keeps apart gives
    the temperature and the clip. The last epoch is kept, and nothing is chosen on the validation
    photos.

    Args:
        head: of `frozen` (see `head_of`), or another that has not seen that tenth either.

    Returns:
        the classifier, its temperature built into the last layer, and its record.
    """
    size = size or backbones.spec(backbone).size
    images, labels, photos = loading.load(folder, "train", size)
    parts = loading.holdout_split(photos, loading.HELD_BACK)
    (images, labels), (held_images, held_labels) = [(images[i], labels[i]) for i in parts]

    def build():
        return transfer.classifier(backbone, size, head, from_block, dropout=0.2)

    model, log = loop.train(build, recipe, (images, labels), None, run, seed)

    held = _logits(model, held_images)
    found = calibration.calibrate(held_labels, held[0])
    t = found["temperature"]
    images, truth, _ = loading.load(folder, "validation", size)
    pair = _logits(model, images)
    seconds = sum(log["seconds"])
    record = {
        "what": command("fine-tune", backbone, size),
        "dataset": manifests.reference(folder),
        "model": {"name": model.name, "parameters": model.count_params(), "size": size},
        "recipe": {**asdict(recipes.with_native_precision(recipe)), "from_block": from_block},
        "trained_on": len(labels),
        "seed": seed,
        "epochs": len(log["seconds"]),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(log["cpu_seconds"]), 1),
        "images_per_second": round(len(labels) * len(log["seconds"]) / max(seconds, 1e-9), 1),
        "history": log["history"],
        **found,
        **_measured("held_back", held_labels, held / t),
        "validation_uncalibrated": metrics.measure(truth, expit(pair[0])),
        **_measured("validation", truth, pair / t),
    }
    last = model.get_layer("logits")
    last.set_weights([w / t for w in last.get_weights()])
    return model, record


def _logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return the log odds of dog of photos and of their mirror images: float64 (2, n)."""
    logits = keras.Model(model.inputs, model.get_layer("logits").output)
    pair = [logits.predict(x, batch_size=32, verbose=0) for x in (images, images[:, :, ::-1])]
    return np.stack([(x[:, 1] - x[:, 0]).astype(np.float64) for x in pair])


def head_of(model: keras.Model) -> tuple[np.ndarray, float]:
    """Return the head of a classifier as `fit_head` gives it."""
    kernel, bias = model.get_layer("logits").get_weights()
    return kernel[:, 1] - kernel[:, 0], float(bias[1] - bias[0])


def keep(model: keras.Model, record: dict, folder: str | Path, run: Path) -> dict:
    """Save a classifier in `run`, with what it has seen; write and return its record.

    Args:
        record: as `frozen` or `fine_tune` returns it; how good the saved file is joins in.
    """
    path = run / "model.keras"
    saving.save_small(model, path)
    provenance.write(path, folder, "train minus held back", *split(folder))
    measured = judge_file(path, folder)
    return recording.write(run / "record.json", {**record, "file": measured})


def lines(record: dict) -> list[str]:
    """Say how good a classifier is: a line for the photos, one with mirror images averaged."""
    found = []
    for name in filter(record.get, ("validation", "validation_flip")):
        v, mirror = record[name], ", mirror images averaged" if "flip" in name else ""
        low, high = v["interval"]
        found.append(
            f"{v['accuracy']:.2%} of {v['n']:,} validation photos ({low:.2%} to {high:.2%}), log "
            f"loss {v['log_loss']:.4f}{mirror}"
        )
    return found


def judge_file(path: str | Path, folder: str | Path) -> dict:
    """Measure a saved model by Keras on the validation photos, decoded as for training.

    Returns:
        its megabytes (of 10⁶ bytes), images per second, and "validation".
    """
    model = keras.models.load_model(path, compile=False)
    images, truth, _ = loading.load(folder, "validation", model.inputs[0].shape[1])
    started = time.perf_counter()
    dog = metrics.probabilities(model, images)
    seconds = time.perf_counter() - started
    return {
        "megabytes": round(Path(path).stat().st_size / 1e6, 2),
        "images_per_second": round(len(images) / seconds, 1),
        "validation": metrics.measure(truth, dog),
    }
