"""Write a model as ONNX, which other programs and languages can run, and prove it the same."""

from __future__ import annotations

import time
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import files
from catdog.evaluation.statistics import spread
from catdog.models import onnxfile, saving
from catdog.models.onnxfile import session

TOLERANCE = 1e-4


def export(model: keras.Model, out: str | Path) -> float:
    """Write a model as an ONNX file, and compare what onnxruntime makes of it with Keras.

    The file takes `photo`, float32 (batch, size, size, 3), 0 to 255, and gives `probabilities`,
    float32 (batch, 2), of cat and dog.

    Returns:
        the largest difference between the two on a batch of random pictures.

    Raises:
        CatDogError: `out` exists already or cannot be written, the backend cannot export, or the
            two differ by more than 1e-4; then no file is left.
    """
    out = Path(out)
    files.must_be_new(out)
    size = model.inputs[0].shape[1]
    pictures = np.random.default_rng(1).uniform(0, 255, (3, size, size, 3)).astype(np.float32)
    with onnxfile.quiet():
        wanted = model.predict_on_batch(pictures)
    with files.atomic_write(out) as part:
        _write(model, part)
        given = session(part).run(None, {"photo": pictures})[0]
        difference = float(np.abs(given - wanted).max())
        if given.shape != wanted.shape or not difference <= TOLERANCE:
            raise CatDogError(
                f"onnxruntime and Keras differ by {difference:.2g}, more than {TOLERANCE:g}: "
                f"{out} was not written."
            )
    return difference


def _write(model: keras.Model, path: Path) -> None:
    import onnx

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise CatDogError(
            f"ONNX files are written with the TensorFlow backend, and this is {backend}: run it "
            "again with KERAS_BACKEND=tensorflow. The model file is the same for both."
        )
    onnxfile.write(model, path)
    graph = onnx.load(path)
    ends = (graph.graph.input[0], "photo"), (graph.graph.output[0], "probabilities")
    for value, name in ends:
        old, value.name = value.name, name
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
        for node in graph.graph.node:
            for names in (node.input, node.output):
                for i, known in enumerate(names):
                    if known == old:
                        names[i] = name
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def summary(found: dict) -> str:
    """Say in lines what `speed` has found."""
    lines = [
        f"{name:24} {way['median']:7.1f} images/s ({way['low']:.1f} to {way['high']:.1f})"
        for name, way in found["images_per_second"].items()
    ]
    lines += [
        f"{name}: onnxruntime is {ratio['median']:.2f} times as fast as Keras "
        f"({ratio['low']:.2f} to {ratio['high']:.2f})"
        for name, ratio in found["ratio"].items()
    ]
    return "\n".join(lines)


def speed(
    path: str | Path | None = None, rounds: int = 7, batches=(1, 32), progress: bool = True
) -> dict:
    """Compare the speed of a model in Keras and in onnxruntime, taking turns, on this machine.

    Keras runs it compiled, as `predict_on_batch` does; each with all cores.

    Returns:
        "images_per_second" {"Keras, batch 1": spread, …} and "ratio" {"batch 1": spread, …}, where
        a spread is {"median", "low", "high"} over the rounds, and the largest "difference".
    """
    import tempfile

    path = Path(path or saving.DEFAULT)
    model = saving.load_model(path)
    size = model.inputs[0].shape[1]
    pictures = np.random.default_rng(1).uniform(0, 255, (max(batches), size, size, 3))
    pictures = pictures.astype(np.float32)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model.onnx"
        difference = export(model, out)
        onnx_bytes, runtime = out.stat().st_size, session(out)
        ways = {
            "Keras": lambda x: model.predict_on_batch(x),
            "onnxruntime": lambda x: runtime.run(None, {"photo": x}),
        }
        for count in tqdm(range(rounds + 1), desc="rounds", disable=no_bar(progress)):
            for batch in batches:
                for way, run in ways.items():
                    x, times = pictures[:batch], 1 + 15 // batch
                    started = time.perf_counter()
                    for _ in range(times):
                        run(x)
                    took = time.perf_counter() - started
                    if count:  # the first round warms up
                        rates.setdefault(f"{way}, batch {batch}", []).append(batch * times / took)

    ratios = {
        f"batch {batch}": spread(
            np.array(rates[f"onnxruntime, batch {batch}"]) / rates[f"Keras, batch {batch}"]
        )
        for batch in batches
    }
    return {
        "what": f"catdog bench export --model {path.name}",
        "rounds": rounds,
        "images_per_second": {name: spread(values) for name, values in rates.items()},
        "ratio": ratios,
        "difference": difference,
        "megabytes": {
            "keras": round(path.stat().st_size / 1e6, 2),
            "onnx": round(onnx_bytes / 1e6, 2),
        },
    }
