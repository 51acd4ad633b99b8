"""Run by test_devices.py in a process of its own, for the backend can split the processor once."""

import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import layers

from catdog.core import distribution
from catdog.training import loop, recipes


def main(numbers):
    most = max(numbers)
    distribution.use_logical_devices(most)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (43, 24, 24, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, 43)
    images[labels == 1, :12] //= 2
    photos = (images, labels), (images[:29], labels[:29])  # batches of 16, 16, 11; and 29
    recipe = replace(
        recipes.IMPROVED, epochs=2, batch_size=16, ema=0.9, precision="float32", learning_rate=1e-3
    )

    # JAX draws dropout's numbers for the whole batch, TensorFlow the same for each device's part
    on_jax = keras.backend.backend() == "jax"

    def train(run, devices):
        def build():  # small: most of the time goes into compiling it for each number of devices
            top = [layers.Flatten(), *([layers.Dropout(0.5)] if on_jax else []), layers.Dense(2)]
            return keras.Sequential(
                [
                    keras.Input((24, 24, 3)),
                    layers.Rescaling(1 / 127.5, offset=-1),
                    layers.Conv2D(8, 3, strides=2, activation="relu"),
                    *top,
                    layers.Softmax(dtype="float32"),
                ]
            )

        model, log = loop.train(build, recipe, *photos, run, progress=False, devices=devices)
        return model.get_weights(), log["history"]

    def distance(a, b):
        return float(max(np.abs(x - y).max() for x, y in zip(a, b, strict=True)))

    folder = Path(tempfile.mkdtemp())
    runs = {n: train(folder / str(n), n) for n in numbers}
    out = {
        "history": {n: history for n, (_, history) in runs.items()},
        "distance": {n: distance(runs[1][0], weights) for n, (weights, _) in runs.items()},
    }

    on_epoch_end = loop._State.on_epoch_end

    def broken(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        on_epoch_end(self, epoch, logs)

    loop._State.on_epoch_end = broken
    try:
        train(folder / "broken", most)
    except KeyboardInterrupt:
        out["left"] = sorted(p.name for p in (folder / "broken").glob("epoch-*"))
    loop._State.on_epoch_end = on_epoch_end
    shutil.copytree(folder / "broken", folder / "other")
    out["resumed"] = distance(runs[most][0], train(folder / "broken", most)[0])
    out["resumed on one"] = distance(runs[most][0], train(folder / "other", 1)[0])
    shutil.rmtree(folder)
    print(json.dumps(out))


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]])
