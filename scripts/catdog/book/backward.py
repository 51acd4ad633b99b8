"""Diagrams of chapter 6: values that go forwards in blue, gradients that come back in orange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from catdog.book.plots import CAT, CAT_TO_DOG, DOG, INK, SOFT, minus

Cells = Sequence[tuple[int, int]]
GAP = 1.3  # cells between two arrays, where the sign between them stands


def numbers(
    *rows: dict[str, ArrayLike],
    frames: Sequence[Mapping[str, Cells]] = (),
    signs: str = "",
    notes: Sequence[str] = (),
):
    """Draw small arrays with all their numbers, side by side, rows of them below each other.

    Args:
        rows: {name: array (h, w), or (w,)}; names that begin with "gradient" are drawn in orange.
        frames: for each row {name: the cells (row, column) that are framed}.
        signs: what stands between an array and the next.
        notes: for each row what stands at its end.
    """
    tables = [{name: np.atleast_2d(array) for name, array in row.items()} for row in rows]
    wide = max(sum(a.shape[1] + GAP for a in row.values()) for row in tables)
    wide += 0.22 * max(map(len, notes), default=0)
    heights = [max(len(a) for a in row.values()) + 1.1 for row in tables]
    scale = min(0.55, 10 / wide)
    figure, axis = plt.subplots(figsize=(scale * wide, scale * sum(heights)))
    top = 0.0
    for i, (row, high) in enumerate(zip(tables, heights, strict=True)):
        left, middle = 0.0, top + (high + 0.9) / 2
        for k, (name, array) in enumerate(row.items()):
            framed = frames[i].get(name, ()) if i < len(frames) else ()
            _table(axis, array, (left, middle - len(array) / 2), name, framed)
            left += array.shape[1] + GAP
            if k < len(signs) and k < len(row) - 1:
                _text(axis, left - GAP / 2, middle, signs[k], fontsize=15)
        if i < len(notes):
            _text(axis, left - GAP / 2, middle, notes[i], ha="left", color=DOG)
        top += high
    axis.set(xlim=(-GAP / 2, wide - GAP / 2), ylim=(top + 0.1, 0), aspect="equal")
    axis.axis("off")
    return figure


def _text(axis, x, y, text, **how):
    axis.text(x, y, minus(text), **({"ha": "center", "va": "center", "color": INK} | how))


def _table(axis, array, corner, name, framed):
    """Draw one array, its upper left corner at (x, y), with its name above."""
    left, top = corner
    colour = DOG if name.startswith("gradient") else CAT
    for (r, c), value in np.ndenumerate(array):
        chosen = (r, c) in set(framed)
        face = {"facecolor": DOG, "alpha": 0.2} if chosen else {"facecolor": "white"}
        axis.add_patch(plt.Rectangle((left + c, top + r), 1, 1, ec=SOFT, lw=0.8, **face))
        if chosen:
            axis.add_patch(
                plt.Rectangle((left + c + 0.05, top + r + 0.05), 0.9, 0.9, fill=False, ec=DOG, lw=2)
            )
        weight = "bold" if chosen else "normal"
        _text(axis, left + c + 0.5, top + r + 0.5, f"{value:.3g}", color=colour, weight=weight)
    _text(axis, left + array.shape[1] / 2, top - 0.4, name, fontsize=9)


def chain(layers: dict[str, Sequence[int]], weights: dict[str, str]):
    """Draw a network as boxes: blue arrows with shapes go forwards, orange ones come back.

    Args:
        layers: {name: shape of what leaves it}; the first one is the input.
        weights: {name of a layer: names of its weights}, whose gradients leave below it.
    """
    figure, axis = plt.subplots(figsize=(10, 2.3))
    step, wide = 2.0, 1.15
    for i, (name, shape) in enumerate(layers.items()):
        x = i * step
        axis.add_patch(plt.Rectangle((x, 0), wide, 1, facecolor="white", ec=INK, lw=1.5))
        _text(axis, x + wide / 2, 0.5, name.replace(" ", "\n"))
        if name in weights:
            _arrow(axis, (x + wide / 2, 0), (x + wide / 2, -0.55), DOG)
            _text(axis, x + wide / 2, -0.78, f"gradients of\n{weights[name]}", va="top")
        if i == len(layers) - 1:
            continue
        here, there = x + wide, x + step
        _arrow(axis, (here, 0.75), (there, 0.75), CAT)
        _text(axis, (here + there) / 2, 1.2, "×".join(map(str, shape)), color=CAT)
        if i > 0:
            _arrow(axis, (there, 0.25), (here, 0.25), DOG)
    axis.set(xlim=(-0.1, (len(layers) - 1) * step + wide + 0.1), ylim=(-1.5, 1.4))
    axis.axis("off")
    return figure


def _arrow(axis, start, end, colour):
    how = {"arrowstyle": "-|>", "color": colour, "lw": 2, "shrinkA": 2, "shrinkB": 2}
    axis.annotate("", xy=end, xytext=start, arrowprops=how)


def weight_touches(x: ArrayLike, kernel: ArrayLike, gradient: ArrayLike, weights: Cells):
    """For each weight (row, column) of a kernel, a row: the pixels that it was multiplied with."""
    h, w = np.shape(gradient)
    row = {"input": x, "kernel": kernel, "gradient of the output": gradient}
    every = [(r, c) for r in range(h) for c in range(w)]
    frames, notes = [], []
    for a, b in weights:
        pixels = [(a + r, b + c) for r, c in every]
        frames.append({"input": pixels, "kernel": [(a, b)], "gradient of the output": every})
        notes.append(_products([np.asarray(x)[p] for p in pixels], np.ravel(gradient)))
    return numbers(*[row] * len(frames), frames=frames, notes=notes)


def _products(left, right) -> str:
    """Write out a sum of products: "1×2 + 3×(-1) = -1"."""
    signed = [[f"{n:g}" if n >= 0 else f"({n:g})" for n in side] for side in (left, right)]
    terms = [f"{a}×{b}" for a, b in zip(*signed, strict=True)]
    return f"{' + '.join(terms)} = {np.dot(left, right):g}"


def pixel_touches(x: ArrayLike, kernel: ArrayLike, gradient: ArrayLike, pixels: Cells):
    """For each pixel (row, column) of the input, a row: the outputs whose window lay over it."""
    shape, (kh, kw) = np.shape(gradient), np.shape(kernel)
    row = {"input": x, "kernel": kernel, "gradient of the output": gradient}
    frames, notes = [], []
    for p, q in pixels:
        met = [(a, b) for a in range(kh) for b in range(kw)]
        met = [(a, b) for a, b in met if 0 <= p - a < shape[0] and 0 <= q - b < shape[1]]
        outputs = [(p - a, q - b) for a, b in met]
        frames.append({"input": [(p, q)], "kernel": met, "gradient of the output": outputs})
        factors = [np.asarray(kernel)[m] for m in met], [np.asarray(gradient)[o] for o in outputs]
        notes.append(_products(*factors))
    return numbers(*[row] * len(frames), frames=frames, notes=notes)


def push(probabilities: ArrayLike, label: int):
    """Bars of a prediction, of the label, and of their difference: the gradient of the logits."""
    p = np.asarray(probabilities, float)
    y = np.eye(len(p))[label]
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.4), sharey=True)
    for axis, values, name, colour in (
        (axes[0], p, "prediction p", CAT),
        (axes[1], y, "label y", SOFT),
        (axes[2], p - y, "gradient of the logits, p − y", DOG),
    ):
        axis.bar(range(len(p)), values, color=colour)
        axis.axhline(0, color=INK, lw=0.8)
        axis.set(title=name, xlabel="class", xticks=range(len(p)), ylim=(-1.05, 1.05))
    axes[0].set_ylabel("probability")
    return figure


def growth(kernels: dict[str, np.ndarray], columns: int = 8):
    """Filters (k, k, 1, f) at several times, a row a time, in one scale of colours.

    Args:
        kernels: {name of the time: kernels}; the first `columns` filters are drawn.
    """
    largest = max(np.abs(values).max() for values in kernels.values())
    size = (10, 10 / (columns + 1) * len(kernels) + 0.3)
    figure, axes = plt.subplots(len(kernels), columns, figsize=size, squeeze=False)
    for line, (name, values) in zip(axes, kernels.items(), strict=True):
        for f, axis in enumerate(line):
            picture = axis.imshow(values[:, :, 0, f], cmap=CAT_TO_DOG, vmin=-largest, vmax=largest)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(True)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.colorbar(picture, ax=axes, shrink=0.6, label="weight")
    return figure
