"""Train with progress bars, early stopping, the best weights kept, and resuming after a kill."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
from tqdm.keras import TqdmCallback

from catdog import CatDogError, no_bar
from catdog.core import distribution, files, paths, processes, starting
from catdog.data import batching
from catdog.training import optimizers, recipes


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
        logs = {
            **logs,
            **{
                k.replace(optimizers.LOSS, "loss"): logs[k]
                for k in logs
                if k.endswith(optimizers.LOSS)
            },
        }
        for name, value in logs.items():
            if not name.endswith(optimizers.LOSS):
                self.log["history"].setdefault(name, []).append(float(value))
        self.log["seconds"].append(time.perf_counter() - self.started[0])
        self.log["cpu_seconds"].append(time.process_time() - self.started[1])
        loss = logs.get("val_loss", -epoch)  # without validation photos the last epoch is kept
        better = loss < self.log["best_loss"]
        if better:
            self.log |= {"best_loss": float(loss), "best_epoch": epoch + 1, "wait": 0}
        else:
            self.log["wait"] += 1
        if processes.number():  # the first writes for all
            return
        new = self.folder / f"epoch-{epoch + 1:04d}.part"
        shutil.rmtree(new, ignore_errors=True)
        try:
            self._save(new, better or self.keep == "last")
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)  # takes room, and is of no use
            raise files.cannot_write(self.folder, error) from error
        # the one before stays too: a full disk or a power cut can break the newest
        shutil.rmtree(self.folder / f"epoch-{epoch - 1:04d}", ignore_errors=True)

    def _save(self, new: Path, keep: bool) -> None:
        """Write the state into a folder, which takes the epoch's name when it is whole.

        Args:
            keep: these weights instead of those that the epoch before kept.
        """
        new.mkdir(parents=True)
        epoch = len(self.log["seconds"])
        if keep:
            kept = self._averaged() if self._optimizer().use_ema else self.model.get_weights()
            _save_arrays(new / "kept.npz", kept)
        else:
            shutil.copy(self.folder / f"epoch-{epoch - 1:04d}" / "kept.npz", new / "kept.npz")
        with distribution.alone():  # the other processes save nothing
            self.model.save(new / "model.keras")
        (new / "log.json").write_text(json.dumps(self.log), "utf-8")
        os.replace(new, new.with_suffix(""))

    def _optimizer(self):
        """The recipe's optimizer; with float16 Keras wraps it, to scale the loss."""
        return getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)

    def _averaged(self) -> list[np.ndarray]:
        """The model's weights with the running averages in place of the trained ones."""
        own = self._optimizer()
        pairs = zip(own._trainable_variables, own._model_variables_moving_average, strict=True)
        average = {id(variable): mean for variable, mean in pairs}
        return [keras.ops.convert_to_numpy(average.get(id(v), v)) for v in self.model.weights]


def _save_arrays(path: Path, arrays: list[np.ndarray]) -> None:
    np.savez(path, **{f"{i:03d}": array for i, array in enumerate(arrays)})


def _fingerprint(*sets) -> str:
    """A hash of the labels and of every hundredth photo, of few photos of more."""
    digest = hashlib.sha256()
    for images, labels in filter(None, sets):
        step = min(100, max(1, len(images) // 100))
        digest.update(np.ascontiguousarray(images[::step]))
        digest.update(np.asarray(labels, np.int32).tobytes())
    return digest.hexdigest()


def _epochs(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("epoch-*") if not p.name.endswith(".part"))


def _latest(folder: Path) -> Path | None:
    return (_epochs(folder) or [None])[-1]


def _read(epoch: Path) -> tuple[dict, keras.Model]:
    """Return the log and the model of an epoch, or say which of its files is broken."""
    file = epoch / "log.json"
    try:
        log = json.loads(file.read_text("utf-8"))
        file = epoch / "kept.npz"
        with np.load(file) as kept:
            _ = [kept[name] for name in kept.files]  # a whole archive can be read
        file = epoch / "model.keras"
        return log, keras.models.load_model(file)
    except Exception as error:
        raise CatDogError(f"{file} is broken ({type(error).__name__})") from error


def _resume(run: Path) -> tuple[dict, keras.Model] | None:
    """Return the log and the model of the newest epoch that is whole; None if there is no epoch.

    Newer ones, which are broken, are said and removed.
    """
    broken = {}
    for epoch in reversed(_epochs(run)):
        try:
            found = _read(epoch)
        except CatDogError as error:
            broken[epoch] = error
            continue
        for newer, error in broken.items():
            print(f"{error}: going on from {epoch.name}", file=sys.stderr)
            shutil.rmtree(newer)
        return found
    if broken:
        first = next(iter(broken.values()))
        raise CatDogError(f"{first}: delete the folder {run} to train anew.") from first
    return None


def _begin(run: Path, seed: int) -> tuple[dict, keras.Model] | None:
    """Set the seed; return what `_resume` does, in every process what process 0 finds."""
    if processes.count() > 1:
        with distribution.alone():  # the others have nothing to read yet
            _resume(run)
        processes.mirror(_latest(run), run)
    starting.tensorflow()  # which Keras imports for its seed, and less quietly
    keras.utils.set_random_seed(seed)
    return _resume(run)


def _layers(network: keras.Model) -> list:
    """What each layer of a network is set to, but its name, which is another each time."""
    found = []
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            found += _layers(layer)
            continue
        own = {k: v for k, v in layer.get_config().items() if k not in ("name", "dtype")}
        found.append([type(layer).__name__, own])
    return found


def _given(one: keras.Model, again: keras.Model) -> str:
    """A hash of what two builds of a network have in common: weights that no chance has drawn."""
    digest = hashlib.sha256()
    for a, b in zip(one.get_weights(), again.get_weights(), strict=True):
        if np.array_equal(a, b):
            digest.update(np.ascontiguousarray(a))
    return digest.hexdigest()


LATER = ("cutmix", "unmixed", "calibrate")  # what the recipes of older runs had no name for


def _settings(build, recipe: recipes.Recipe, seed: int, *sets) -> dict:
    """Return what a run is known by, as JSON has it."""
    network, default = build(), recipes.Recipe()
    settings = {
        **{k: v for k, v in asdict(recipe).items() if k not in LATER or v != getattr(default, k)},
        "seed": seed,
        "network": [list(w.shape) for w in network.weights],
        "layers": _layers(network),
        "given": _given(network, build()),
        "photos": _fingerprint(*sets),
    }
    learning = {id(w) for w in network.trainable_weights}
    if frozen := [i for i, w in enumerate(network.weights) if id(w) not in learning]:
        settings["frozen"] = frozen
    return json.loads(json.dumps(settings, default=str))


def _must_be_same(note: Path, settings: dict) -> None:
    newer = {name: settings[name] for name in ("layers", "given")}  # older runs do not say them
    try:
        same = not note.exists() or newer | json.loads(note.read_text("utf-8")) == settings
    except ValueError:
        raise CatDogError(
            f"{note} is broken: delete the folder {note.parent} to train anew."
        ) from None
    if not same:
        text = f"{note.parent} holds a run with other settings. Name another folder for this."
        raise CatDogError(text)


class _Stop(keras.callbacks.Callback):
    def __init__(self, patience: int | None, log: dict):
        super().__init__()
        self.patience, self.log = patience, log

    def on_epoch_end(self, epoch, logs=None):
        if self.patience is not None and self.log["wait"] > self.patience:
            self.model.stop_training = True


def train(
    build,
    recipe: recipes.Recipe,
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
    Of several processes the first one's folder counts, and no other has one.

    Args:
        train_set, validation_set: uint8 images (n, h, w, 3) and labels (n,), as from
            `loading.load`. Without validation photos the last epoch's weights are kept.
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
        CatDogError: a loss becomes infinite or not a number (the epochs before are kept), another
            program is training in the folder, or its files are broken in the two newest epochs.
    """
    recipe = recipes.with_native_precision(recipe)
    chosen = distribution.choose(devices, recipe.batch_size)
    settings = _settings(build, recipe, seed, train_set, validation_set)
    if run is None:
        digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
        run = paths.RUNS / f"cnn-{digest[:12]}"
    run = processes.folder(run)
    note = run / "settings.json"
    steps = math.ceil(len(train_set[0]) / recipe.batch_size)
    policy = keras.config.dtype_policy()
    with contextlib.ExitStack() as undo:
        undo.enter_context(files.lock(run / ".lock", "training"))
        _must_be_same(note, settings)
        files.write(note, json.dumps(settings, indent=1))
        processes.must_agree(settings)
        undo.callback(keras.config.set_dtype_policy, policy)
        undo.enter_context(distribution.strategy_scope(chosen))
        keras.config.set_dtype_policy(recipe.precision)
        found = _begin(run, seed)
        if found is None:
            model, epoch, optimizer = build(), 0, None
            log = {"history": {}, "seconds": [], "cpu_seconds": []}
            log |= {"best_loss": math.inf, "best_epoch": 0, "wait": 0}
        else:
            log, model = found
            epoch, optimizer = len(log["seconds"]), model.optimizer
        optimizers.compile_model(model, recipe, steps, optimizer, weighted=bool(chosen))
        stopped = recipe.patience is not None and log["wait"] > recipe.patience
        if epoch < recipe.epochs and not stopped:
            own = [_State(run, log, seed, recipe.keep), _Stop(recipe.patience, log)]
            if recipe.ema is not None and validation_set is not None:  # to be judged by
                own.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
            if not no_bar(progress):
                own.append(TqdmCallback(verbose=1, initial=epoch))
            batches = batching.training_batches(
                *train_set,
                recipe.batch_size,
                recipe.augmentation,
                seed,
                epoch,
                also=recipe.mix if recipe.cutmix else None,
                sizes=recipe.size if recipe.progressive_sizes else None,
                share=distribution.share(chosen),
            )
            judging = validation_set and batching.validation_batches(
                *validation_set,
                share=distribution.share(chosen),
                size=recipe.final_size if recipe.progressive_sizes else None,
            )
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
        processes.mirror(_latest(run), run)
    model = build()
    with np.load(_latest(run) / "kept.npz") as kept:
        model.set_weights([kept[name] for name in sorted(kept.files)])
    return model, log
