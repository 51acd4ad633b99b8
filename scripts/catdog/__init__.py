"""Cats, Dogs & Convolutions: the helper package that the notebooks import.

Data flows one way: data → pipeline → models → training → evaluation → explanation → prediction.
No module imports one to its right.
"""

import os
import platform

__version__ = "0.1.0"

# TensorFlow switches the kernels of oneDNN on by itself only on processors with AVX-512. With AVX2
# alone the article's network trains twice as fast with them. It must be said before TensorFlow is
# imported, which is why the chapters import this package first.
if platform.machine().lower() in ("x86_64", "amd64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


class CatDogError(Exception):
    """An error that the reader can mend: its message says what happened and what to do."""


def no_bar(progress: bool) -> bool:
    """Whether to hide a progress bar: the caller wants none, or TQDM_DISABLE is set."""
    return not progress or bool(os.environ.get("TQDM_DISABLE"))
