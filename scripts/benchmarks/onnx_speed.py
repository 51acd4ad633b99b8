"""The speed of a model's ONNX file in onnxruntime beside that of the model in Keras."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from catdog import no_bar
from catdog.core import paths
from catdog.evaluation.statistics import spread
from catdog.models import saving
from catdog.models.export import export
from catdog.models.onnxfile import session


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
    path = Path(path or paths.DEFAULT_MODEL)
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
