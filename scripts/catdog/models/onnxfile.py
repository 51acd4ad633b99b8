"""Write a Keras model as ONNX, and run it with onnxruntime."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from catdog import CatDogError
from catdog.core import resources, starting

if TYPE_CHECKING:  # who only runs a file needs no Keras
    import keras

# An error while it simplifies a graph is an error; else it copies the graph before every step,
# which takes half a gigabyte.
os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")


@contextlib.contextmanager
def quiet():
    """Silence the exporters, which print, warn and log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def write(model: keras.Model, path: str | Path) -> None:
    """Write a model of one input as ONNX: `photo`, float32 (n, size, size, 3) with any n.

    The TensorFlow backend does it, through tf2onnx; of a model of another, in a process of its own.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return _write_elsewhere(model, Path(path))
    size = model.inputs[0].shape[1]
    signature = [keras.InputSpec(shape=(None, size, size, 3), dtype="float32", name="photo")]
    with quiet():
        model(keras.Input((size, size, 3)))  # Keras exports what was called before, only
        model.export(str(path), format="onnx", verbose=False, input_signature=signature)
    gc.collect()  # the exporter leaves copies of its graphs behind that refer to each other


def _write_elsewhere(model: keras.Model, path: Path) -> None:
    code = (
        "import sys, keras; from catdog.models import onnxfile, saving; "  # saving knows all layers
        "onnxfile.write(keras.models.load_model(sys.argv[1], compile=False), sys.argv[2])"
    )
    try:
        starting.tensorflow()  # which Keras imports to save a model, and less quietly
    except ImportError as error:
        raise CatDogError(f"ONNX files are written by TensorFlow ({error}): install it.") from error
    environment = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["CUDA_VISIBLE_DEVICES"] = "-1"  # the other backend may have all of its memory
    with tempfile.TemporaryDirectory() as folder:
        model.save(file := Path(folder) / "model.keras")
        done = subprocess.run(
            [sys.executable, "-c", code, file, path.resolve()],
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CatDogError(
            "the process that writes ONNX files, with the TensorFlow backend, ended with code "
            f"{done.returncode}: {last}"
        )


def session(path: str | Path):
    """Open an ONNX file on the processor, with a thread for each core: an `InferenceSession`."""
    import onnxruntime  # only now: while a file is written, memory is at its peak

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = resources.cores()
    if os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE":  # others work here, too
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
