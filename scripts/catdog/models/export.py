"""Write a model as ONNX, which other programs and languages can run, and prove it the same."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from catdog import CatDogError, __version__
from catdog.core import files
from catdog.models import onnxfile, provenance
from catdog.models.onnxfile import session

TOLERANCE, TOLERANCE_HALF = 1e-4, 1e-2  # of a probability
OUTPUTS = ("probabilities", "features", "heat")


def with_evidence(model: keras.Model) -> keras.Model:
    """Return the model with what its probabilities rest on, as far as it has them: a list of

    - "probabilities" (n, 2);
    - "features" (n, c), what its last dense layer takes;
    - "heat" (n, h, w), where it saw a dog (above 0) or a cat (below 0): the last feature maps, each
      times its weight in the log odds of dog. It is the class activation map (Zhou et al. 2016,
      arXiv 1512.04150, equation 2), and h·w times Grad-CAM before that is cut off at 0. Only of a
      model that ends in global average pooling, one dense layer and softmax.
    """
    found, last = [model.outputs[0]], _last_dense(model)
    if last is not None:
        found.append(layers.Flatten(name="features")(last.input))
        pool = _source(last.input, layers.Dropout)
        averaged = isinstance(pool, layers.GlobalAveragePooling2D)
        if averaged and last.units == 2:
            kernel = np.asarray(ops.convert_to_numpy(last.kernel))
            weight = layers.Dense(1, use_bias=False, name="heat")
            heat = weight(pool.input)
            weight.set_weights([kernel[:, 1:] - kernel[:, :1]])
            found.append(layers.Reshape(tuple(heat.shape[1:3]))(heat))
    return keras.Model(model.inputs[0], found)


def _last_dense(model: keras.Model) -> Any:
    """The dense layer whose outputs, through a function at most, are the model's; or None."""
    last = _source(model.outputs[0], layers.Activation, layers.Softmax, layers.Concatenate)
    return last if isinstance(last, layers.Dense) else None


def _source(tensor: Any, *passed: type) -> Any:
    """The layer that a tensor comes from, before layers of the kinds that are passed by."""
    layer = tensor._keras_history.operation
    while isinstance(layer, passed):
        found: Any = layer.input  # type: ignore[attr-defined]
        layer = (found[-1] if isinstance(found, list) else found)._keras_history.operation
    return layer


def export(
    model: keras.Model, out: str | Path, half: bool = False, of: str | Path | None = None
) -> float:
    """Write a model as an ONNX file, and compare what onnxruntime makes of it with Keras.

    The file takes `photo`, float32 (batch, size, size, 3), RGB, 0 to 255. It gives `probabilities`,
    float32 (batch, 2), of cat and dog, and "features" and "heat" as `with_evidence` has them. Its
    metadata says how a photo is made ready.

    Args:
        half: keep the weights in float16: half the size. It computes in float32 all the same.
        of: the model's file, which the metadata then names by its SHA-256; and if it says which
            photos it was made from, so do they.

    Returns:
        the largest difference between both probabilities on a batch of random pictures.

    Raises:
        CatDogError: `out` exists already or cannot be written, TensorFlow is missing, or the two
            differ by more than 1e-4, with `half` by more than 1e-2; then no file is left.
    """
    out = Path(out)
    files.must_be_new(out)
    size = model.inputs[0].shape[1]
    pictures = np.random.default_rng(1).uniform(0, 255, (3, size, size, 3)).astype(np.float32)
    whole = with_evidence(model)
    with onnxfile.quiet():
        wanted = [ops.convert_to_numpy(x) for x in whole(pictures, training=False)]
    with files.atomic_write(out, new=True) as part:
        _write(whole, part, half, _metadata(size, of))
        given = session(part).run(list(OUTPUTS[: len(wanted)]), {"photo": pictures})
        tolerance = TOLERANCE_HALF if half else TOLERANCE
        for one, other, name in zip(given, wanted, OUTPUTS, strict=False):
            scale = 1.0 if name == "probabilities" else 5 * max(1.0, float(np.abs(other).max()))
            difference = float(np.abs(one - other).max()) if one.shape == other.shape else np.inf
            if not difference <= tolerance * scale:
                raise CatDogError(
                    f"onnxruntime and Keras differ by {difference:.2g}, more than "
                    f"{tolerance * scale:g}: {out} was not written."
                )
    return float(np.abs(given[0] - wanted[0]).max())


def _metadata(size: int, of: str | Path | None) -> dict[str, str]:
    """What another program has to know to get the same answers."""
    told = {
        "producer": f"catdog {__version__}",
        "labels": "cat,dog",
        "photo": f"float32 (batch, {size}, {size}, 3): height, width, RGB; 0 to 255",
        "preprocessing": (
            "Upright as EXIF says, transparent is white, sRGB. Stretched to the square, not "
            "cropped, then rounded to whole numbers; no other scaling. A photo whose shorter side "
            "is longer than the square: by area, each new pixel the mean of what it covers, pixels "
            "covered in part counted in part. Any other: bilinear in both directions, with "
            "half-pixel centres, the outermost pixels repeated, and without smoothing where it "
            "shrinks; as OpenCV's INTER_LINEAR computes it for bytes, which rounds down a little: "
            "with weights a0 + a1 along a row and b0 + b1 along a column, each rounded to whole "
            "2048ths, r = a0*left + a1*right is taken in the upper and in the lower row, and "
            "((b0*(r_upper >> 4) >> 16) + (b1*(r_lower >> 4) >> 16) + 2) >> 2 is the new pixel. "
            "JPEGs of 4 times the square's side or more are decoded at a half, a quarter or an "
            "eighth, still at least 2 times its side, which changes the pixels little."
        ),
    }
    with contextlib.suppress(CatDogError):  # a damaged list is no reason not to export the network
        if of and provenance.read(of):
            told[provenance.PROPERTY] = provenance.text(of) or ""
    return told | ({"keras_sha256": files.sha256(of)} if of else {})


def _write(model: keras.Model, path: Path, half: bool, metadata: dict[str, str]) -> None:
    import onnx

    onnxfile.write(model, path)
    proto = onnx.load(path)
    graph = proto.graph
    names = {graph.input[0].name: "photo"}
    names |= {out.name: name for out, name in zip(graph.output, OUTPUTS, strict=False)}
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for node in graph.node:
        for of_node in (node.input, node.output):
            of_node[:] = [names.get(name, name) for name in of_node]
    if half:
        _halve(graph)
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def _halve(graph) -> None:
    """Keep the large float32 weights of a graph as float16, which it casts when it is opened."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= 256:
            name, small = weight.name, values.astype(np.float16)
            if not np.isfinite(small).all():
                raise CatDogError("a weight is too large for float16: export it without --half.")
            weight.CopyFrom(numpy_helper.from_array(small, f"{name}_half"))
            casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
