"""Run by test_devices.py with KERAS_BACKEND=jax: the cells of chapter 9, with few photos."""

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ["CATDOG_RUNS"] = tempfile.mkdtemp()
os.environ["MPLBACKEND"] = "agg"
os.environ["TQDM_DISABLE"] = "1"

import keras
import nbformat

from catdog.book import execute
from catdog.data import loading
from catdog.training import config

sample, load = config.scale("sample"), loading.load
short = {name: replace(getattr(sample, name), epochs=2) for name in ("article", "improved")}
config.SCALES["sample"] = replace(sample, **short)


def few(*args, **how):
    images, labels, photos = load(*args, progress=False, **how)
    part = slice(None, None, len(labels) // 64)
    return images[part], labels[part], photos[part]


loading.load = few
(path,) = execute.chapters(["09"])
scope = {}
for cell in nbformat.read(path, 4).cells:
    if cell.cell_type == "code":
        exec(compile(cell.source, path.name, "exec"), scope)
history = scope["log"]["history"]
assert len(history["val_loss"]) == 2 and history["loss"][1] < history["loss"][0] * 1.5
assert Path(os.environ["CATDOG_RUNS"]).exists()
print(json.dumps({"backend": keras.backend.backend(), "history": history}))
