"""Cats, Dogs & Convolutions: the helper package that the notebooks import.

It has rooms, and each imports only what stands left of it, and of its own:
core → data → models → evaluation → training → inference → studies → book → cloud → cli.
What a chapter uses is found without them: `from catdog import loading` is `catdog.data.loading`.
"""

import importlib
import os
import platform

__version__ = "0.1.0"

# TensorFlow switches the kernels of oneDNN on by itself only on processors with AVX-512. With AVX2
# alone the article's network trains twice as fast with them. It must be said before TensorFlow is
# imported, which is why the chapters import this package first.
if platform.machine().lower() in ("x86_64", "amd64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# onnxruntime tells its makers how it is used, and keeps an identifier in the home directory, unless
# it is told not to before it is imported. Here nothing leaves the reader's machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_FOR_CHAPTERS = {
    "core": "distribution hardware paths recording",
    "data": "augmentation batching imaging loading manifests organizing pixel_cache sources",
    "models": "backbones export features networks saving",
    "evaluation": "attribution metrics ood reported statistics",
    "training": "config loop optimizers recipes transfer",
    "inference": "classifier prediction submission",
    "studies": "ablation search",
    "book": "plots",
}
_ROOM = {name: room for room, names in _FOR_CHAPTERS.items() for name in names.split()}
__all__ = ["CatDogError", "Classifier", *_ROOM]


def __getattr__(name: str):
    """Import a module that chapters use when it is first asked for: some take seconds."""
    if name == "Classifier":
        return importlib.import_module("catdog.inference.classifier").Classifier
    if name not in _ROOM:
        raise AttributeError(f"module 'catdog' has no attribute {name!r}")
    return importlib.import_module(f"catdog.{_ROOM[name]}.{name}")


class CatDogError(Exception):
    """An error that the reader can mend: its message says what happened and what to do."""


def no_bar(progress: bool) -> bool:
    """Whether to hide a progress bar: the caller wants none, or TQDM_DISABLE is set."""
    return not progress or bool(os.environ.get("TQDM_DISABLE"))
