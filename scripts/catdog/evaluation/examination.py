"""Examine a model closely: calibration, clipping, slices, and what it does with strangers."""

from __future__ import annotations

import hashlib
from operator import itemgetter
from pathlib import Path

import numpy as np
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import files, paths
from catdog.data import batching, imaging, loading, manifests, pixel_cache, synthetic
from catdog.evaluation import calibration, metrics, ood, statistics
from catdog.models import provenance, runtime

CHUNK = 256


def reliability(labels: np.ndarray, dog: np.ndarray, bins: int = 10) -> list[dict]:
    """Sort answers by the stated probability, and see how often each group shows a dog.

    Args:
        labels: (n,), 0 or 1; dog: probabilities (n,), each in [0, 1].

    Returns:
        for each group of equal width that is not empty: {"low", "high", "n", "stated" (the mean
        probability), "dogs" (the share of dogs), "interval" (95%, of that share)}.
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
                    "interval": statistics.wilson(right, n),
                }
            )
    return rows


def slice_metrics(labels: np.ndarray, dog: np.ndarray, groups: dict[str, np.ndarray]) -> list[dict]:
    """Measure each group of photos apart: {name: bool (n,)} to rows with n, accuracy and loss."""
    labels, dog = np.asarray(labels), np.asarray(dog, np.float64)
    rows = []
    for name, inside in groups.items():
        n = int(inside.sum())
        right = int(((dog >= 0.5) == labels)[inside].sum())
        loss = float(log_loss(labels[inside], dog[inside], labels=[0, 1]))
        row = {"slice": name, "n": n, "wrong": n - right, "accuracy": right / n}
        rows.append({**row, "interval": statistics.wilson(right, n), "log_loss": loss})
    return rows


def mistakes(photos: list[manifests.Photo], labels: np.ndarray, dog: np.ndarray) -> list[dict]:
    """List the photos of which a model says the other label, those that cost most first.

    Args:
        labels: (n,), 0 or 1; dog: probabilities (n,), each in [0, 1].

    Returns:
        for each {"photo", "label", "dog" (its probability), "loss" (-ln of what its label got)}.
    """
    dog = np.asarray(dog, np.float64)
    loss = -np.log(np.clip(np.where(labels == 1, dog, 1 - dog), 1e-12, 1))
    wrong = np.flatnonzero((dog >= 0.5) != labels)
    return [
        {
            "photo": photos[i].file,
            "label": photos[i].label,
            "dog": float(dog[i]),
            "loss": float(loss[i]),
        }
        for i in wrong[np.argsort(-loss[wrong], kind="stable")]
    ]


def _groups(photos: list[manifests.Photo], brightness: np.ndarray) -> dict[str, np.ndarray]:
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


def cached_predictions(
    model: runtime.Runtime,
    folder: str | Path,
    split: str,
    places: np.ndarray | None = None,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """Ask a model about photos of a data set; what it said is kept in `features/`.

    Interrupted, it goes on where it stopped.

    Args:
        places: which photos of the split, as positions in its manifest; by default all.

    Returns:
        "dog" (2, n), the probabilities of the photos and of their mirror images; "features" (n, c)
        of the photos; "brightness" (n,), the mean pixel, 0 to 255; "labels" (n,).
    """
    photos = manifests.read(folder, split)
    places = np.arange(len(photos)) if places is None else np.asarray(places)
    about = (
        files.sha256(model.path),
        pixel_cache.decoding(),
        manifests.metadata(folder)["manifest_sha256"],
        split,
        places.tolist(),
    )
    key = files.key(about, 12)
    kept = paths.FEATURES / f"{Path(folder).name}-{split}-{model.path.stem}-{key}"
    kept.mkdir(parents=True, exist_ok=True)
    found = []
    with tqdm(total=len(places), desc=split, unit="photo", disable=no_bar(progress)) as bar:
        for at in range(0, len(places), CHUNK):
            some, file = places[at : at + CHUNK], kept / f"{at:06d}.npz"
            if not file.exists():
                where = [manifests.path_of(folder, photos[i]) for i in some]
                images = np.concatenate(list(batching.file_batches(where, 64, model.size)))
                dog, features = _both(model, images)
                bright = images.mean((1, 2, 3), dtype=np.float64)
                with files.atomic_write(file) as part:
                    np.savez(part, dog=dog, features=features, brightness=bright)
            with np.load(file) as chunk:
                found.append({name: chunk[name] for name in chunk.files})
            bar.update(len(some))
    labels = np.array([manifests.LABELS.index(photos[i].label) for i in places])
    return {
        "dog": np.concatenate([f["dog"] for f in found], axis=1),
        "features": np.concatenate([f["features"] for f in found]),
        "brightness": np.concatenate([f["brightness"] for f in found]),
        "labels": labels,
    }


def _both(model: runtime.Runtime, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ask about photos and their mirror images: probabilities of dog (2, n), and features (n, c).

    Raises:
        CatDogError: the model has no dense layer to take features from.
    """
    plain, mirrored = model(images), model(images[:, :, ::-1])
    if plain.features is None:
        raise CatDogError(f"{model.path} has no dense layer at its end to take features from.")
    return np.stack([plain.dog, mirrored.dog]), plain.features


def ood_images(size: int, each: int = 60) -> dict[str, np.ndarray]:
    """Return pictures that are no photos of cats or dogs: {kind: uint8 (n, size, size, 3)}.

    The last kind, drawn cats and dogs, is on the border.
    """
    found = {kind: np.stack([ood.draw(kind, i, size) for i in range(each)]) for kind in ood.KINDS}
    cut = [crop for picture in ood.packaged().values() for crop in ood.crops(picture)]
    found["photos of other things"] = np.stack(
        [imaging.resize(np.ascontiguousarray(crop), size) for crop in cut]
    )
    drawn = [synthetic.draw(label, i) for label in manifests.LABELS for i in range(each)]
    found["drawn cats and dogs"] = np.stack([imaging.resize(x, size) for x in drawn])
    return found


def _kept(kind: str, model: runtime.Runtime, pictures: np.ndarray):
    """The answers to pictures, kept in `features/` too: they do not change with the data set."""
    digest = hashlib.sha256(
        b"upright" + model.path.read_bytes() + np.ascontiguousarray(pictures).tobytes()
    )
    file = (
        paths.FEATURES / f"{kind.replace(' ', '-')}-{model.path.stem}-{digest.hexdigest()[:12]}.npz"
    )
    if not file.exists():
        dog, features = _both(model, pictures)
        with files.atomic_write(file) as part:
            np.savez(part, dog=dog, features=features)
    with np.load(file) as chunk:
        return chunk["dog"], chunk["features"]


def _apart(path: Path, train: list[manifests.Photo], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of training photos: those to choose by, and `ood.BANK` others to know.

    To choose by are those that calibrated the model or chose its epoch, if its file names any; else
    the tenth that `transfer_runs.split` keeps apart, which this model may have learned from.
    """
    about = provenance.read(path) or {"chosen": ()}
    held = np.flatnonzero(np.isin(provenance.hashes(train), about["chosen"]))
    if not len(held):
        _, held = loading.holdout_split(train, loading.HELD_BACK)
    order = np.random.default_rng(seed).permutation(len(train))
    return held, order[~np.isin(order, held)][: ood.BANK]


def _unseen(path: Path, photos: list[manifests.Photo], seen: bool) -> dict | None:
    """Say what the model file knows of the photos; refuse those it was trained on, unless `seen`.

    Raises:
        CatDogError: the model was trained on some of them.
    """
    counts = provenance.seen(path, photos)
    if counts and counts["trained"] and not seen:
        raise CatDogError(
            f"{path} was trained on {counts['trained']:,} of these {counts['of']:,} validation "
            "photos: how it does on them says nothing of new ones. Examine it on others (--data), "
            "or a model that was trained without these; --seen measures all the same."
        )
    return counts


def _calibrated(by_labels, by_dog, labels: np.ndarray, dog: np.ndarray) -> dict:
    """Choose a temperature and a clip by some photos, and see what they do to others."""
    t, n = calibration.temperature(by_labels, calibration.logits(by_dog)), len(by_labels)
    best = min(calibration.clipped_losses(by_labels, by_dog), key=itemgetter("log_loss"))
    curve = calibration.clipped_losses(labels, dog)
    measured = metrics.measure(labels, expit(calibration.logits(dog) / t))
    return {
        "temperature": {"t": t, "chosen_on": n, **measured},
        "clipping": {"curve": curve, "chosen_on": n, "chosen": best["clip"]},
    }


def _strange(refuse, far: np.ndarray, dog: np.ndarray, theirs, features) -> dict:
    """Tell strangers from photos, by their distance, and by how unsure the model is of them."""
    theirs, distance = theirs[0], refuse.distance(features)
    truth = np.repeat((0, 1), (len(far), len(distance)))
    unsure = -np.abs(np.concatenate([dog, theirs]) - 0.5)
    return {
        "n": len(distance),
        "auroc": float(roc_auc_score(truth, np.concatenate([far, distance]))),
        "auroc_of_being_unsure": float(roc_auc_score(truth, unsure)),
        "refused": float((distance > refuse.threshold).mean()),
        "sure": float((np.abs(theirs - 0.5) > 0.45).mean()),
    }


def _refused(refuse: ood.OODDetector, far: np.ndarray, right: np.ndarray) -> dict:
    """Say what a refusal does to photos at distances (n,), of which the model gets some right."""
    kept, bins = far <= refuse.threshold, np.linspace(0, 1, 41)
    return {
        "bank": len(refuse.bank),
        "threshold": refuse.threshold,
        "kept": float(kept.mean()),
        "kept_interval": statistics.wilson(int(kept.sum()), len(far)),
        "right_when_kept": float(right[kept].mean()),
        "wrong_when_refused": int((~right[~kept]).sum()),
        "histogram": {
            "edges": bins.round(4).tolist(),
            "photos": np.histogram(far, bins)[0].tolist(),
        },
    }


def examine(
    path: str | Path,
    folder: str | Path,
    seed: int = 1,
    each: int = 60,
    progress: bool = True,
    *,
    seen: bool = False,
) -> tuple[dict, ood.OODDetector]:
    """Examine a model on the validation photos of a data set, which it must not have learned from.

    What has to be chosen (the temperature, the clip, the threshold of the refusal) is chosen on
    training photos: those that the model was calibrated on, if its file names them, else a tenth.
    The record says under "seen" how many of either it was trained on, if its file says so.

    Args:
        seen: measure it all the same on photos that it was trained on.

    Returns:
        the record and the refusal.

    Raises:
        CatDogError: the model cannot be used, or was trained on some of the photos.
    """
    path = Path(path)
    model = runtime.load(path)
    photos, train = (manifests.read(folder, split) for split in manifests.SPLITS[::-1])
    known_of = {"validation": _unseen(path, photos, seen)}
    held, known = _apart(path, train, seed)
    known_of["chosen_on"] = provenance.seen(path, [train[i] for i in held])
    new = cached_predictions(model, folder, "validation", progress=progress)
    kept = cached_predictions(model, folder, "train", held, progress)
    bank = cached_predictions(model, folder, "train", known, progress)
    labels, dog = new["labels"], new["dog"][0]
    refuse = ood.fit(bank["features"], kept["features"])
    shown = tqdm(ood_images(model.size, each).items(), desc="strangers", disable=no_bar(progress))
    far = refuse.distance(new["features"])
    rows = [
        {"kind": kind, **_strange(refuse, far, dog, *_kept(kind, model, pictures))}
        for kind, pictures in shown
    ]
    record = {
        "what": f"catdog evaluate --model {path.name}",
        "dataset": manifests.reference(folder),
        "seen": known_of,
        "model": {"file": path.name, "size": model.size, "engine": model.engine},
        "validation": metrics.measure(labels, dog),
        "validation_flip": metrics.measure(labels, new["dog"].mean(0)),
        "reliability": reliability(labels, dog),
        **_calibrated(kept["labels"], kept["dog"][0], labels, dog),
        "slices": slice_metrics(labels, dog, _groups(photos, new["brightness"])),
        "mistakes": mistakes(photos, labels, dog),
        "refusal": {**_refused(refuse, far, (dog >= 0.5) == labels), "chosen_on": len(held)},
    }
    record["refusal"]["strangers"] = rows
    return record, refuse


def summary(record: dict) -> str:
    """Say in lines what `examine` has found."""
    v, kept = record["validation"], record["refusal"]
    lines = [
        provenance.sentence(record["seen"]["validation"]),
        f"{v['accuracy']:.2%} of {v['n']:,} validation photos ({v['interval'][0]:.2%} to "
        f"{v['interval'][1]:.2%}), log loss {v['log_loss']:.4f}, expected calibration error "
        f"{v['ece']:.4f}",
    ]
    for row in record["slices"]:
        wrong = f"{row['wrong']:4} wrong of {row['n']:,}"
        lines.append(f"  {row['slice']:38} {wrong}: {row['accuracy']:.2%}")
    if record["mistakes"]:
        lines.append("the mistakes that cost most; all are in the record:")
    for row in record["mistakes"][:5]:
        lines.append(f"  {row['photo']}: {row['dog']:.1%} dog")
    lines.append(f"refusal: keeps {kept['kept']:.2%} of the validation photos, and refuses")
    for row in kept["strangers"]:
        of = f"{row['n']:3} {row['kind']} (AUROC {row['auroc']:.3f})"
        lines.append(f"  {row['refused']:6.1%} of {of}")
    return "\n".join(lines)
