"""Fine-tune the last block of VGG16 from the maps of the block before it, computed once."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn.model_selection import train_test_split

from catdog.evaluation import metrics, statistics
from catdog.models import backbones
from catdog.training import bottleneck, transfer

LAYER = "block4_pool"
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(1e-4, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(1e-5),
}


def upper(size: int, weights: str | Path | None = "imagenet") -> keras.Model:
    """Build block 5, average pooling and a dense layer: maps of block 4 (n, h, w, 512) to (n, 1).

    Args:
        size: height and width of the photos in pixels; weights: as for `backbones.build`.
    """
    if weights is None:
        keras.utils.set_random_seed(0)  # as for the features
    inner = backbones.build("vgg16", size, weights)
    names = [layer.name for layer in inner.layers]
    maps = x = keras.Input(inner.get_layer(LAYER).output.shape[1:], name="maps")
    for layer in inner.layers[names.index(LAYER) + 1 :]:
        x = layer(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dense(1, activation="sigmoid", dtype="float32", name="dog")(x)
    return keras.Model(maps, x, name="block5_and_head")


class Batches(keras.utils.PyDataset):
    """Batches of some rows of maps x (n, h, w, c) and labels y (n,), float32 as they are needed.

    Args:
        rows: their places in x and y.
        seed: of the order they come in; None for that of `rows`.
    """

    def __init__(self, x, y, rows, seed: int | None = None, batch_size: int = 32):
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size
        self.rows = rows if seed is None else np.random.default_rng(seed).permutation(rows)

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, i):
        some = self.rows[i * self.batch_size : (i + 1) * self.batch_size]
        return self.x[some].astype(np.float32), self.y[some].astype(np.float32)[:, None]


class Tuning:
    """Fine-tuning with each of OPTIMIZERS, epoch by epoch, each kept as a model and its numbers.

    A tenth of the training photos is held out to choose among them by.

    Args:
        folder: where they are kept; what is there is not computed again.
        x, y: maps, float16 (n, h, w, 512), and labels (n,), of the training photos.
        settings: what tells this run apart from others.
    """

    def __init__(self, folder: Path, x, y, settings: dict, batch_size: int = 32, progress=True):
        self.folder, self.x, self.y, self.batch_size = folder, x, y, batch_size
        self.settings, self.progress = {**settings, "batch_size": batch_size}, progress
        rows = np.arange(len(y))
        self.used, self.held = train_test_split(rows, test_size=0.1, stratify=y, random_state=1)

    def file(self, optimizer: str, epoch: int) -> Path:
        """Return where the model of an epoch is; the epoch 0 is that before all fine-tuning."""
        return self.folder / (f"{optimizer}-{epoch}.keras" if epoch else "start.keras")

    def start(self, size: int, weights: str | Path | None) -> dict:
        """Give block 5 as it is a head, a logistic regression, so that no gradient begins large."""

        def compute():
            model = upper(size, weights)
            averages = keras.Model(model.inputs, model.get_layer("average").output)
            values = averages.predict(self._batches(self.used), verbose=0)
            kernel, bias, _ = transfer.fit_head(values, self.y[self.used])
            model.get_layer("dog").set_weights([np.float32(kernel)[:, None], np.float32([bias])])
            model.compile(None, "binary_crossentropy", metrics=["accuracy"])
            loss, accuracy = model.evaluate(self._batches(self.held), verbose=0)
            self.folder.mkdir(parents=True, exist_ok=True)
            model.save(self.file("", 0))
            return {"val_loss": loss, "val_accuracy": accuracy}

        return self._kept("none", 0, compute)

    def epochs(self, optimizer: str, n: int) -> list[dict]:
        """Train for n epochs; return for each its loss and accuracy, and on those held out."""
        model, done = None, []
        for epoch in range(1, n + 1):

            def compute(epoch=epoch):
                nonlocal model
                if model is None:
                    file = self.file(optimizer, epoch - 1)
                    model = keras.models.load_model(file, compile=epoch > 1)
                if epoch == 1:
                    how = OPTIMIZERS[optimizer]()
                    model.compile(how, "binary_crossentropy", metrics=["accuracy"])
                log = model.fit(
                    self._batches(self.used, seed=epoch),
                    validation_data=self._batches(self.held),
                    shuffle=False,
                    verbose=0,
                    callbacks=bottleneck.bar(f"{optimizer}, epoch {epoch}", self.progress, 1),
                )
                model.save(self.file(optimizer, epoch))
                return {name: value[0] for name, value in log.history.items()}

            done.append(self._kept(optimizer, epoch, compute))
        return done

    def _batches(self, rows, seed=None) -> Batches:
        return Batches(self.x, self.y, rows, seed, self.batch_size)

    def _kept(self, optimizer, epoch, compute) -> dict:
        which = {"optimizer": optimizer, "epoch": epoch}
        path = self.file(optimizer, epoch).with_suffix(".json")
        if not self.file(optimizer, epoch).exists():  # its numbers alone are no use
            path.unlink(missing_ok=True)
        return {**which, **bottleneck.kept(path, {**self.settings, **which}, compute)}


def judge(tuning: Tuning, runs: list[dict], x: np.ndarray, y: np.ndarray) -> dict:
    """Choose the run with the least log loss on what was held out; measure it on other photos.

    Args:
        x, y: their maps and labels.

    Returns:
        a record: what was chosen, its "validation", that of the untuned start, and the difference.
    """
    chosen = min(runs, key=lambda run: run["val_loss"])
    dogs = [
        keras.models.load_model(tuning.file(*which), compile=False).predict(
            Batches(x, y, np.arange(len(y))), verbose=0
        )[:, 0]
        for which in ((chosen["optimizer"], chosen["epoch"]), ("", 0))
    ]
    tuned, start = ((dog >= 0.5) == y for dog in dogs)
    difference, interval, p = statistics.paired(
        int((tuned & ~start).sum()), int((start & ~tuned).sum()), len(y)
    )
    return {
        "chosen": {name: chosen[name] for name in ("optimizer", "epoch")},
        "chosen_by": f"the log loss on {len(tuning.held):,} training photos, held out",
        "validation": metrics.measure(y, dogs[0]),
        "validation_of_the_start": metrics.measure(y, dogs[1]),
        "tuned_minus_start": {"mean": difference, "interval": interval, "p": p},
    }
