"""Write what the live figures load: weights, drawings, and the runtime of the shipped model.

    .venv/bin/python scripts/site/assets.py OUT

The same files give the same bytes. Nothing is computed with a model, so that no TensorFlow starts.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import skimage.data
from PIL import Image

from catdog import CatDogError
from catdog.core import files, paths
from catdog.data import animals, backgrounds, imaging
from catdog.data.drawing import Canvas
from catdog.evaluation import ood

CNN = paths.MODELS / "cat_dog_cnn.keras"
CLASSIFIER = paths.MODELS / "cat_dog_efficientnet.onnx"
HALVED = 100_000  # an array of more values is written in float16
RUNTIME = Path(__file__).parent / "node_modules" / "onnxruntime-web" / "dist"
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
COLUMNS, SIDE = 40, 32  # drawn animals in a row, and how large each is


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def network(out: Path, model: Path = CNN) -> None:
    """Write a sequential model: `network.json` lists its layers, `network.bin` has their weights.

    What does nothing but in training is left out, and so is the flattening, which moves no number.
    """
    with zipfile.ZipFile(model) as archive:
        _, *config = json.loads(archive.read("config.json"))["config"]["layers"]
        stored = h5py.File(io.BytesIO(archive.read("model.weights.h5")))["layers"]
    layers, weights, seen = [], bytearray(), {"Conv2D": 0, "Dense": 0}
    for layer in config:
        kind, settings = layer["class_name"], layer["config"]
        if kind in ("Dropout", "Flatten"):
            continue
        described = {"kind": kind}
        if kind == "Rescaling":
            described |= {"scale": settings["scale"], "offset": settings["offset"]}
        if kind in seen:
            described["relu"] = settings["activation"] == "relu"
            group = kind.lower() + (f"_{seen[kind]}" if seen[kind] else "")
            seen[kind] += 1
            for name, values in zip(
                ("kernel", "bias"), stored[group]["vars"].values(), strict=True
            ):
                bits = 16 if values.size > HALVED else 32
                described[name] = {"shape": values.shape, "bits": bits, "at": len(weights)}
                weights += values[:].astype(f"<f{bits // 8}").tobytes()
        layers.append(described)
    size = config[0]["build_config"]["input_shape"][1]
    (out / "network.bin").write_bytes(weights)
    write_json(out / "network.json", {"size": size, "layers": layers})
    Image.fromarray(imaging.resize(skimage.data.chelsea(), size)).save(out / "cat.png")


def classifier(out: Path, model: Path = CLASSIFIER) -> None:
    """Write the shipped model, what runs it in a browser, and what tells it what is neither.

    `classifier.json` lists the files, with their sizes and hashes. `known.bin` has for each known
    photo its features, a byte each, then for each the value of byte 0 and the step of one, float32.

    Raises:
        CatDogError: the runtime is not installed.
    """
    if not (RUNTIME / RUNTIME_FILES[0]).exists():
        raise CatDogError(
            "onnxruntime-web is not installed, so the figure “cat or dog” cannot run: npm ci "
            "--prefix scripts/site"
        )
    for name in RUNTIME_FILES:
        shutil.copyfile(RUNTIME / name, out / name)
    shutil.copyfile(model, out / "classifier.onnx")
    with np.load(ood.detector_path(model)) as kept:
        (out / "known.bin").write_bytes(
            kept["bank"].tobytes() + kept["scale"].astype("<f4").tobytes()
        )
        known = {"photos": len(kept["bank"]), "threshold": float(kept["threshold"])}
    listed = {
        name: {"bytes": (out / name).stat().st_size, "sha256": files.sha256(out / name)}
        for name in (*RUNTIME_FILES, "classifier.onnx", "known.bin", "cat.png")
    }
    write_json(out / "classifier.json", {"known": known, "files": listed})


def drawing(number: int) -> np.ndarray:
    """Draw a cat, or a dog where the number is odd, before a plain cloth: uint8 (SIDE, SIDE, 3)."""
    rng = np.random.default_rng(number)
    canvas = Canvas(3 * SIDE, 3 * SIDE)
    backgrounds.studio(canvas, rng, 0.5)
    animals.draw(canvas, rng, cat=number % 2 == 0)
    return imaging.resize(np.clip(canvas.pixels, 0, 255).astype(np.uint8), SIDE)


def drawings(out: Path, n: int = 800, held: int = 160) -> None:
    """Write drawn animals side by side in one picture, `animals.jpg`; the first are held out."""
    small = [drawing(number) for number in range(n)]
    rows = [np.hstack(small[at : at + COLUMNS]) for at in range(0, n, COLUMNS)]
    sheet = Image.fromarray(np.vstack(rows))
    sheet.save(out / "animals.jpg", quality=85, subsampling="4:4:4", optimize=True)
    write_json(out / "animals.json", {"n": n, "held": held, "columns": COLUMNS, "side": SIDE})


def main(out: str | Path) -> None:
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    network(folder)
    drawings(folder)
    try:
        classifier(folder)
    except CatDogError as missing:
        print(missing)


if __name__ == "__main__":
    main(*sys.argv[1:])
