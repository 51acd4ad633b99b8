"""VGG16 as the article used it, and what each of its choices cost: each study leaves a record.

A study that is stopped goes on where it was: features by the shard, heads by the seed, fine-tuning
by the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import expit

from catdog import CatDogError
from catdog.core import choices, files, recording
from catdog.data import manifests
from catdog.evaluation import metrics, statistics
from catdog.models import features, networks
from catdog.training import block5, bottleneck, transfer

VGG16 = "vgg16"

RECIPE = {
    "head": "dense 512 ReLU, dropout 0.5, dense 256 ReLU, dropout 0.2, dense 1 sigmoid",
    "optimizer": "RMSprop of Keras 2.0.8",
    "learning_rate": 0.001,
    "loss": "binary cross-entropy",
    "keep": "last",
}
PARTS = choices.VGG16_PARTS


@dataclass(frozen=True)
class Studies:
    """The studies of one data set: each part of PARTS is a method that returns what it found.

    Attributes:
        folder: the organized photos.
        run: a folder of their own, where they keep what is done.
        weights: as for `backbones.build`.
        size, large: of the photos in pixels; the article's, and VGG16's own.
        seeds: of the heads, and of the splits whose labels are assumed.
        epochs: of the heads.
        tuning: of block 5.
        batch_size: of all that is trained.
    """

    folder: str | Path
    run: Path
    weights: str | Path | None = "imagenet"
    size: int = 150
    large: int = 224
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    epochs: int = 15
    tuning: int = 3
    batch_size: int = 32
    progress: bool = True

    def record(self, part: str) -> Path:
        """Write a study's record, `vgg16-PART.json`, unless it is there; return its path.

        Raises:
            CatDogError: the record, or a run, that is there is of other photos or settings.
        """
        path = self.run / f"vgg16-{part}.json"
        dataset = manifests.reference(self.folder)
        if path.exists():
            if files.read_json(path)["dataset"] != json.loads(json.dumps(dataset)):
                raise CatDogError(f"{path} is of other photos. Name another folder with --run.")
            return path
        recording.origin()
        found = getattr(self, part.replace("-", "_"))()
        what = {"what": f"catdog transfer vgg16 --part {part}", "dataset": dataset}
        recording.write(path, {**what, **found})
        return path

    def _features(self, size: int, **how) -> list[features.Features]:
        """The features of the training and of the validation photos."""
        how |= {"weights": self.weights, "progress": self.progress}
        return [features.extract(self.folder, s, VGG16, size, **how) for s in manifests.SPLITS]

    def _maps(self, preprocess: bool | float) -> list[features.Features]:
        """The last maps, from pixels as Keras 2.0.8 resized them."""
        how = {"pool": False, "nearest": True, "precision": "float32"}
        return self._features(self.size, preprocess=preprocess, **how)

    def _settings(self, found: list[features.Features]) -> dict:
        recipe = {**RECIPE, "epochs": self.epochs, "batch_size": self.batch_size}
        return {"features": [f.about for f in found], "recipe": recipe}

    def _runs(self, name: str, found: list[features.Features], run: Callable) -> list[dict]:
        """What `run(seed)` returns for each seed, or returned before."""
        settings = self._settings(found)
        return [
            bottleneck.kept(
                self.run / name / f"seed-{k}.json", {**settings, "seed": k}, partial(run, k)
            )
            for k in self.seeds
        ]

    def _head(self, train: tuple, test: tuple, seed: int) -> tuple[dict, np.ndarray]:
        how = self.epochs, self.batch_size, self.progress
        return bottleneck.train_head(train, test, seed, *how)

    def _model(self, size: int, trained: int) -> dict:
        return {"name": VGG16, "backbone": VGG16, "size": size, "trained": trained}

    def article(self, preprocess: bool | float = 1 / 255, name: str = "article") -> dict:
        """Train the article's head on the article's features, labels read, once a seed."""
        found = self._maps(preprocess)
        train, test = ((_flat(f), f.labels) for f in found)

        def run(seed):
            history, dog = self._head(train, test, seed)
            measured = metrics.measure(test[1], dog)
            return {"seed": seed, "history": history, "validation": measured}

        runs = self._runs(name, found, run)
        curves = np.array([one["history"]["val_accuracy"] for one in runs])
        trained = networks.article_head(train[0].shape[1]).count_params()
        return {
            "model": self._model(self.size, trained),
            **self._settings(found),
            "runs": runs,
            "accuracy": _over([one["validation"]["accuracy"] for one in runs]),
            "log_loss": _over([one["validation"]["log_loss"] for one in runs]),
            "best_epoch": {
                "epochs": (curves.argmax(1) + 1).tolist(),
                "accuracy": _over(curves.max(1)),
                "chosen_by": "the photos on which it is measured",
            },
        }

    def preprocessing(self) -> dict:
        """Do as in `article`, with VGG's own preprocessing instead of 1/255."""
        return self.article(preprocess=True, name="preprocessing")

    def assumed_labels(self) -> dict:
        """Split all photos anew for each seed, and train on labels assumed, and on labels read.

        The intervals are Student's over the splits, which share photos.
        """
        found = self._maps(1 / 255)
        x = np.concatenate([_flat(f) for f in found])
        labels = np.concatenate([f.labels for f in found])

        def run(seed):
            sides = bottleneck.assume(labels, seed, batch_size=self.batch_size)
            (rows, assumed), (held, stated) = sides["train"], sides["validation"]
            _, dog = self._head((x[rows], assumed), (x[held], stated), seed)
            _, honest = self._head((x[rows], labels[rows]), (x[held], labels[held]), seed)
            return {
                "seed": seed,
                "n": {split: len(side[0]) for split, side in sides.items()},
                "wrong_labels": {s: int((labels[i] != y).sum()) for s, (i, y) in sides.items()},
                "as_stated": metrics.measure(stated, dog),
                "validation": metrics.measure(labels[held], dog),
                "validation_of_labels_read": metrics.measure(labels[held], honest),
                "left_out": bottleneck.left_out(labels[held], dog),
            }

        runs = self._runs("labels", found, run)

        def accuracies(name):
            return np.array([one[name]["accuracy"] for one in runs])

        true, read = accuracies("validation"), accuracies("validation_of_labels_read")
        return {
            "model": self._model(self.size, 0),
            **self._settings(found),
            "runs": runs,
            "accuracy": {
                "as_stated": _over(accuracies("as_stated")),
                "of_labels_assumed": _over(true),
                "of_labels_read": _over(read),
            },
            "stated_minus_true": _over(accuracies("as_stated") - true),
            "assumed_minus_read": _over(true - read),
        }

    def averaged(self) -> dict:
        """Fit a logistic regression on maps averaged over the photo, at both sizes.

        The smaller are the maps of `preprocessing`; the larger are computed as `features.extract`
        does by default, as in `transfer_runs.frozen`.
        """
        runs = []
        for size, of in ((self.size, self._maps(True)), (self.large, self._features(self.large))):
            x, x_new = (_averages(f) for f in of)
            weights, bias, penalty = transfer.fit_head(x, of[0].labels)
            dog = expit(x_new.astype(np.float64) @ weights + bias)
            runs.append(
                {
                    "size": size,
                    "features": [f.about for f in of],
                    "recipe": {"head": "logistic regression", "C": penalty, "chosen_by": "5-fold"},
                    "validation": metrics.measure(of[1].labels, dog),
                }
            )
        return {"model": self._model(self.large, weights.size + 1), "runs": runs}

    def block5(self) -> dict:
        """Train block 5 and a dense layer a little further, from the maps of block 4.

        Optimizer and epoch are those with the least log loss on a tenth of the training photos,
        held out; the validation photos measure what was chosen.
        """
        found = self._features(self.size, pool=False, layer=block5.LAYER)
        settings = {"features": [f.about for f in found]}
        how = settings, self.batch_size, self.progress
        tuning = block5.Tuning(self.run / "block5", np.asarray(found[0]), found[0].labels, *how)
        runs = [tuning.start(self.size, self.weights)]
        for optimizer in block5.OPTIMIZERS:
            runs += tuning.epochs(optimizer, self.tuning)
        trained = block5.upper(self.size, self.weights).count_params()
        return {
            "model": self._model(self.size, trained),
            **settings,
            "runs": runs,
            **block5.judge(tuning, runs, np.asarray(found[1]), found[1].labels),
        }


def _flat(found: features.Features) -> np.ndarray:
    return np.asarray(found, np.float32).reshape(len(found), -1)


def _averages(found: features.Features) -> np.ndarray:
    values = np.asarray(found, np.float32)
    return values if values.ndim == 2 else values.mean((1, 2))


def _over(values) -> dict:
    """The mean of a number a run, and Student's interval for it."""
    middle, interval = statistics.paired_runs(values, np.zeros(len(values)))
    return {"mean": middle, "interval": interval}
