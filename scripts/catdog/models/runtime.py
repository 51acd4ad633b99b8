"""Run a trained model with onnxruntime, which starts in a fraction of Keras's time.

A `.keras` file is run from an ONNX file of the same weights: the one beside it, if that is of the
same file (its metadata say so), else one that is made once and kept in `features/`. Where none can
be made, for want of TensorFlow say, Keras runs the model.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog import CatDogError
from catdog.core import files, paths, starting
from catdog.models import onnxfile

AT_A_TIME = {"onnxruntime": 4, "keras": 32}  # photos; what 4 take stays in the processor's cache


@dataclass(frozen=True)
class Output:
    """What a model gives for n photos.

    Attributes:
        dog: the probability of dog, float32 (n,); cat's is the rest.
        features: what its last dense layer takes, float32 (n, c); None if it has none.
        heat: float32 (n, h, w), see `export.with_evidence`; None if it has none.
    """

    dog: np.ndarray
    features: np.ndarray | None = None
    heat: np.ndarray | None = None


@dataclass(frozen=True)
class Runtime:
    """A model that can be asked.

    Attributes:
        path: the file that was named.
        size: of the square photos that it takes, in pixels.
        sha256: of the `.keras` file whose weights these are; "" if the ONNX file does not say.
        engine: "onnxruntime" or "keras".
    """

    path: Path
    size: int
    sha256: str
    engine: str
    _run: Callable[[np.ndarray], dict[str, np.ndarray]]

    def __call__(self, photos: np.ndarray, mirror: bool = False) -> Output:
        """Ask about photos, uint8 (n, size, size, 3).

        Args:
            mirror: average the probability and the features of a photo and of its mirror image.

        Raises:
            CatDogError: the photos have another shape.
        """
        photos, size = np.asarray(photos), self.size
        if photos.shape[1:] != (size, size, 3) or not len(photos):
            raise CatDogError(f"photos of shape {photos.shape}: (n, {size}, {size}, 3) is wanted.")
        parts, n = [], AT_A_TIME[self.engine]
        for at in range(0, len(photos), n):
            x = photos[at : at + n].astype(np.float32)
            found = self._run(x)
            if mirror:
                other = self._run(np.ascontiguousarray(x[:, :, ::-1]))
                both = ("probabilities", "features")
                found |= {name: (found[name] + other[name]) / 2 for name in both if name in found}
            parts.append(found)
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return Output(whole["probabilities"][:, 1], whole.get("features"), whole.get("heat"))


def load(path: str | Path | None = None) -> Runtime:
    """Open a `.keras` or `.onnx` file, by default the model that ships with the project.

    Raises:
        CatDogError: the file is missing, is no model that can be read, or takes or gives something
            else than photos and the probabilities of cat and dog.
    """
    path = paths.model_file(path)
    if path.suffix.lower() == ".onnx":
        return _onnx(path, path)
    digest = files.sha256(path)
    for made in (path.with_suffix(".onnx"), paths.FEATURES / f"model-{digest[:16]}.onnx"):
        if found := _kept(made, path, digest):
            return found
    return _made(path, made, digest)


def _kept(file: Path, path: Path, digest: str) -> Runtime | None:
    """Open the ONNX file that was made of a model; None if it is another's, damaged or missing."""
    with contextlib.suppress(CatDogError):
        if file.is_file() and (found := _onnx(file, path)).sha256 == digest:
            return found
    return None


def _onnx(file: Path, path: Path) -> Runtime:
    try:
        opened = onnxfile.session(file)
    except Exception as error:  # onnxruntime has a dozen kinds of its own
        why = str(error).strip().splitlines()[0]
        raise CatDogError(f"{file} is not an ONNX file that can be read ({why}).") from None
    taken, given = opened.get_inputs(), {one.name: one.shape for one in opened.get_outputs()}
    shape = taken[0].shape if len(taken) == 1 else []
    if len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2] or not isinstance(shape[1], int):
        shape = None
    if shape is None or taken[0].name != "photo" or given.get("probabilities", [0])[1:] != [2]:
        raise CatDogError(
            f"{file} must take `photo` (batch, size, size, 3) and give `probabilities` (batch, 2), "
            "as a file of `catdog export` does."
        )
    about = opened.get_modelmeta().custom_metadata_map
    names = list(given)

    def run(photos: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, opened.run(None, {"photo": photos}), strict=True))

    return Runtime(path, shape[1], about.get("keras_sha256", ""), "onnxruntime", run)


def _made(path: Path, out: Path, digest: str) -> Runtime:
    """Make the ONNX file of a `.keras` file, and open it; or leave the model to Keras."""
    starting.load_keras()
    from catdog.models import export, saving

    model = saving.load_model(path)
    print(f"{path.name}: making it ready; the next time is quick …", file=sys.stderr, flush=True)
    try:
        with files.lock(paths.FEATURES / "onnx.lock", "writing an ONNX file", wait=None):
            if found := _kept(out, path, digest):  # the program that was waited for made it
                return found
            out.unlink(missing_ok=True)  # ours, and damaged
            export.export(model, out, of=path)
            return _onnx(out, path)
    except Exception as error:  # no TensorFlow, a layer without an ONNX form, a full disk …
        why = str(error).strip().splitlines() or [type(error).__name__]
        print(f"{path.name} cannot run in onnxruntime, so Keras runs it: {why[0]}", file=sys.stderr)
    whole = export.with_evidence(model)

    def run(photos: np.ndarray) -> dict[str, np.ndarray]:
        found = whole.predict_on_batch(photos)
        found = found if isinstance(found, list) else [found]
        return {
            name: np.asarray(x, np.float32) for name, x in zip(export.OUTPUTS, found, strict=False)
        }

    return Runtime(path, model.inputs[0].shape[1], digest, "keras", run)
