"""Examine a model closely: calibration, clipping, slices, and what it does with strangers."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import keras
import numpy as np
from scipy.special import logit
from sklearn.metrics import log_loss, roc_auc_score
from tqdm.auto import tqdm

from catdog import (
    CatDogError,
    data,
    drawing,
    evaluation,
    no_bar,
    paths,
    pipeline,
    refusal,
    transfer,
)

CLIPS = (0.0, 1e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2e-2, 5e-2)
CHUNK = 256


def reliability(labels: np.ndarray, dog: np.ndarray, bins: int = 10) -> list[dict]:
    """Sort answers by the stated probability, and see how often each group shows a dog.

    Args:
        labels: (n,), 0 or 1; dog: probabilities (n,), each in [0, 1].

    Returns:
        for each group of equal width that is not empty: {"low", "high", "n", "stated" (the mean
        probability), "dogs" (the share of dogs), "interval" (95 %, of that share)}.
    """
    labels, dog = np.asarray(labels), np.asarray(dog, np.float64)
    which = np.minimum((dog * bins).astype(int), bins - 1)
    rows = []
    for b in range(bins):
        inside = which == b
        if n := int(inside.sum()):
            right = int(labels[inside].sum())
            rows.append(
                {
                    "low": b / bins,
                    "high": (b + 1) / bins,
                    "n": n,
                    "stated": float(dog[inside].mean()),
                    "dogs": right / n,
                    "interval": evaluation.wilson(right, n),
                }
            )
    return rows


def clipped_losses(labels: np.ndarray, dog: np.ndarray, clips=CLIPS) -> list[dict]:
    """Return the log loss for each clip c, with probabilities pulled into [c, 1 - c]."""
    dog = np.asarray(dog, np.float64)
    return [
        {
            "clip": c,
            "log_loss": float(log_loss(labels, np.clip(dog, c, 1 - c), labels=[0, 1])),
        }
        for c in clips
    ]


def sliced(labels: np.ndarray, dog: np.ndarray, groups: dict[str, np.ndarray]) -> list[dict]:
    """Measure each group of photos apart: {name: bool (n,)} to rows with n, accuracy and loss."""
    labels, dog = np.asarray(labels), np.asarray(dog, np.float64)
    rows = []
    for name, inside in groups.items():
        n = int(inside.sum())
        right = int(((dog >= 0.5) == labels)[inside].sum())
        loss = float(log_loss(labels[inside], dog[inside], labels=[0, 1]))
        row = {"slice": name, "n": n, "wrong": n - right, "accuracy": right / n}
        rows.append({**row, "interval": evaluation.wilson(right, n), "log_loss": loss})
    return rows


def _groups(photos: list[data.Photo], brightness: np.ndarray) -> dict[str, np.ndarray]:
    """Slices of photos: by label, brightness, detail (bytes of the JPEG), size and shape.

    Where all photos are alike, in size say, there is nothing to slice.
    """
    area = np.array([p.width * p.height for p in photos])
    aspect = np.array([p.width / p.height for p in photos])
    label = np.array([p.label for p in photos])
    dark, bright = np.quantile(brightness, (1 / 3, 2 / 3))
    small, large = np.quantile(area, (1 / 3, 2 / 3))
    weight = np.array([p.bytes for p in photos])
    light, heavy = np.quantile(weight, (1 / 3, 2 / 3))
    groups = {
        "cats": label == "cat",
        "dogs": label == "dog",
        f"darkest third (mean below {dark:.0f} of 255)": brightness < dark,
        "middle third": (brightness >= dark) & (brightness < bright),
        f"brightest third (from {bright:.0f})": brightness >= bright,
        f"least detail (files below {light / 1000:.1f} kB)": weight < light,
        "middle detail": (weight >= light) & (weight < heavy),
        f"most detail (files from {heavy / 1000:.1f} kB)": weight >= heavy,
        f"smallest third (below {small:,.0f} pixels)": area < small,
        "of middle size": (area >= small) & (area < large),
        f"largest third (from {large:,.0f} pixels)": area >= large,
        "tall (width below 0.8 of height)": aspect < 0.8,
        "nearly square": (aspect >= 0.8) & (aspect <= 1.25),
        "wide (width over 1.25 of height)": aspect > 1.25,
    }
    return {name: inside for name, inside in groups.items() if inside.any() and not inside.all()}


def answers(
    path: str | Path,
    folder: str | Path,
    split: str,
    places: np.ndarray | None = None,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """Ask a model file about photos of a data set; what it said is kept in `features/`.

    Interrupted, it goes on where it stopped.

    Args:
        places: which photos of the split, as positions in its manifest; by default all.

    Returns:
        "dog" (2, n), "features" (n, c), as `refusal.ask` gives them; "brightness" (n,), the mean
        pixel, 0 to 255; "labels" (n,).
    """
    photos = data.manifest(folder, split)
    places = np.arange(len(photos)) if places is None else np.asarray(places)
    about = (
        hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        data.about(folder)["manifest_sha256"],
        split,
        places.tolist(),
    )
    key = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]
    kept = paths.FEATURES / f"{Path(folder).name}-{split}-{Path(path).stem}-{key}"
    kept.mkdir(parents=True, exist_ok=True)
    model, found = None, []
    with tqdm(total=len(places), desc=split, unit="photo", disable=no_bar(progress)) as bar:
        for at in range(0, len(places), CHUNK):
            some, file = places[at : at + CHUNK], kept / f"{at:06d}.npz"
            if not file.exists():
                model = model or keras.models.load_model(path, compile=False)
                size = model.inputs[0].shape[1]
                where = [data.path_of(folder, photos[i]) for i in some]
                images = np.concatenate(list(pipeline.file_batches(where, 64, size)))
                dog, features = refusal.ask(model, images)
                part = file.with_suffix(f".{os.getpid()}.part")
                with open(part, "wb") as stream:
                    bright = images.mean((1, 2, 3), dtype=np.float64)
                    np.savez(stream, dog=dog, features=features, brightness=bright)
                os.replace(part, file)
            with np.load(file) as chunk:
                found.append({name: chunk[name] for name in chunk.files})
            bar.update(len(some))
    labels = np.array([data.LABELS.index(photos[i].label) for i in places])
    return {
        "dog": np.concatenate([f["dog"] for f in found], axis=1),
        "features": np.concatenate([f["features"] for f in found]),
        "brightness": np.concatenate([f["brightness"] for f in found]),
        "labels": labels,
    }


def strangers(size: int, each: int = 60) -> dict[str, np.ndarray]:
    """Return pictures that are no photos of cats or dogs: {kind: uint8 (n, size, size, 3)}.

    The last kind, drawn cats and dogs, is on the border.
    """
    found = {
        kind: np.stack([refusal.draw(kind, i, size) for i in range(each)]) for kind in refusal.KINDS
    }
    cut = [crop for picture in refusal.packaged().values() for crop in refusal.crops(picture)]
    found["photos of other things"] = np.stack(
        [pipeline.resize(np.ascontiguousarray(crop), size) for crop in cut]
    )
    drawn = [drawing.draw(label, i) for label in data.LABELS for i in range(each)]
    found["drawn cats and dogs"] = np.stack([pipeline.resize(x, size) for x in drawn])
    return found


def _kept(path, kind, model, pictures):
    """The answers to pictures, kept in `features/` too: they do not change with the data set."""
    digest = hashlib.sha256(path.read_bytes() + np.ascontiguousarray(pictures).tobytes())
    file = paths.FEATURES / f"{kind.replace(' ', '-')}-{path.stem}-{digest.hexdigest()[:12]}.npz"
    if not file.exists():
        dog, features = refusal.ask(model, pictures)
        part = file.with_suffix(f".{os.getpid()}.part")
        with open(part, "wb") as stream:
            np.savez(stream, dog=dog, features=features)
        os.replace(part, file)
    with np.load(file) as chunk:
        return chunk["dog"], chunk["features"]


def examine(
    path: str | Path, folder: str | Path, seed: int = 1, each: int = 60, progress: bool = True
) -> tuple[dict, refusal.Refusal]:
    """Examine a model on the validation photos of a data set, which it must not have learned from.

    What has to be chosen (the temperature, the clip, the threshold of the refusal) is chosen on a
    tenth of the training photos: with seed 1, those that `transfer.fine_tune` holds out.

    Returns:
        the record and the refusal.
    """
    path = Path(path)
    if not path.is_file():
        raise CatDogError(f"{path}: no such model. Name a .keras file, or leave --model out.")
    photos = data.manifest(folder, "validation")
    train = len(data.manifest(folder, "train"))
    order = np.random.default_rng(seed).permutation(train)
    tenth = int(0.1 * train)
    held, known = order[:tenth], order[tenth : tenth + refusal.BANK]
    new = answers(path, folder, "validation", progress=progress)
    kept = answers(path, folder, "train", held, progress)
    bank = answers(path, folder, "train", known, progress)
    labels, dog, chosen = new["labels"], new["dog"].mean(0), kept["dog"].mean(0)

    def logits(p):
        return logit(np.clip(p.astype(np.float64), 1e-12, 1 - 1e-12))

    t = transfer.temperature(kept["labels"], logits(chosen))
    warmed = 1 / (1 + np.exp(-logits(dog) / t))
    curve = clipped_losses(labels, dog)
    best = min(clipped_losses(kept["labels"], chosen), key=lambda row: row["log_loss"])["clip"]
    refuse = refusal.fit(bank["features"], kept["features"])
    model = keras.models.load_model(path, compile=False)
    far, unsure = refuse.distance(new["features"]), -np.abs(dog - 0.5)
    rows, size = [], model.inputs[0].shape[1]
    shown = strangers(size, each).items()
    for kind, pictures in tqdm(shown, desc="strangers", disable=no_bar(progress)):
        theirs, features = _kept(path, kind, model, pictures)
        theirs, distance = theirs.mean(0), refuse.distance(features)
        truth = np.repeat((0, 1), (len(far), len(distance)))
        rows.append(
            {
                "kind": kind,
                "n": len(pictures),
                "auroc": float(roc_auc_score(truth, np.concatenate([far, distance]))),
                "auroc_of_being_unsure": float(
                    roc_auc_score(truth, np.concatenate([unsure, -np.abs(theirs - 0.5)]))
                ),
                "refused": float((distance > refuse.threshold).mean()),
                "sure": float((np.abs(theirs - 0.5) > 0.45).mean()),
            }
        )
    n_kept = int((far <= refuse.threshold).sum())
    bins = np.linspace(0, 1, 41)
    record = {
        "what": f"catdog evaluate --model {path.name}",
        "dataset": data.reference(folder),
        "model": {"file": path.name, "parameters": model.count_params(), "size": size},
        "validation": evaluation.measure(labels, new["dog"][0]),
        "validation_flip": evaluation.measure(labels, dog),
        "reliability": reliability(labels, dog),
        "temperature": {"t": t, "chosen_on": tenth, **evaluation.measure(labels, warmed)},
        "clipping": {"curve": curve, "chosen_on": tenth, "chosen": best},
        "slices": sliced(labels, dog, _groups(photos, new["brightness"])),
        "refusal": {
            "bank": len(refuse.bank),
            "threshold": refuse.threshold,
            "chosen_on": tenth,
            "kept": n_kept / len(far),
            "kept_interval": evaluation.wilson(n_kept, len(far)),
            "right_when_kept": float((((dog >= 0.5) == labels)[far <= refuse.threshold]).mean()),
            "wrong_when_refused": int((((dog >= 0.5) != labels)[far > refuse.threshold]).sum()),
            "histogram": {
                "edges": bins.round(4).tolist(),
                "photos": np.histogram(far, bins)[0].tolist(),
            },
            "strangers": rows,
        },
    }
    return record, refuse
