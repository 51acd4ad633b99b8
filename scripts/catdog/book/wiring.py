"""Drawn diagrams of what is connected to what: a neuron, layers, a photo and its vector."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, Ellipse, FancyBboxPatch, Polygon, Rectangle

from catdog.book.plots import CAT, CAT_TO_DOG, COLOURS, DOG, INK, SOFT, minus

SHARED = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")  # one for each weight of a kernel
PALE = "#E8E8E8"


def _canvas(width: float, height: float, columns: int = 1, ratios=None):
    """A figure of axes without a frame, one unit as long across as up."""
    figure, axes = plt.subplots(
        1, columns, figsize=(width, height), squeeze=False, width_ratios=ratios
    )
    for axis in axes[0]:
        axis.set_aspect("equal")
        axis.axis("off")
    return figure, axes[0]


def _node(axis, x, y, text="", radius=0.3, colour="white", size=10, ink=INK):
    """A circle with a text in it."""
    axis.add_patch(Circle((x, y), radius, fc=colour, ec=INK, lw=1.2, zorder=3))
    axis.text(x, y, minus(text), ha="center", va="center", fontsize=size, color=ink, zorder=4)


def _arrow(axis, start, end, text="", colour=INK, above=0.12, size=10, curve=0.0):
    """An arrow with a text beside its middle."""
    style = dict(arrowstyle="-|>", color=colour, lw=1.4, shrinkA=0, shrinkB=0)
    style["connectionstyle"] = f"arc3,rad={curve}"
    axis.annotate("", end, start, arrowprops=style, zorder=2)
    x, y = (np.array(start) + end) / 2
    how = {"ha": "center", "va": "center", "fontsize": size, "color": colour, "zorder": 5}
    axis.text(x, y + above, minus(text), **how)


def faces(measures, labels: Sequence[str]):
    """Heads drawn from two numbers each.

    Args:
        measures: (n, 2), the length of the ears and the width of the nose, in cm.
        labels: "cat" or "dog", n of them.
    """
    columns = -(-len(labels) // 2)
    figure, axes = plt.subplots(2, columns, figsize=(10, 5.2))
    for i, (axis, (ear, nose), label) in enumerate(zip(axes.flat, measures, labels, strict=True)):
        for side in (-1, 1):
            corners = ((side * 0.7, 2.0), (side * 2.3, 1.0), (side * 1.9, 2.0 + ear))
            axis.add_patch(Polygon(corners, fc=COLOURS[label], ec=INK, alpha=0.75))
            axis.add_patch(Circle((side * 0.95, 0.7), 0.22, fc=INK))
            axis.plot((side * 1.1, side * 2.9), (-0.9, -0.6), color=INK, lw=0.8)
        axis.add_patch(Ellipse((0, 0), 5, 4.6, fc=PALE, ec=INK, zorder=1))
        for patch in axis.patches[1:4:2]:
            patch.set_zorder(2)
        axis.add_patch(Ellipse((0, -0.8), nose, 0.7 * nose, fc=INK, zorder=3))
        axis.set(xlim=(-3.2, 3.2), ylim=(-2.6, 5.6), aspect="equal")
        axis.set_title(f"{i + 1}: {label}\nears {ear:g}, nose {nose:g}", color=COLOURS[label])
        axis.axis("off")
    return figure


def neuron(x, w, b: float, names: Sequence[str], activation=("", None)):
    """A neuron with its numbers: inputs times weights, their sum with the bias, its activation.

    Args:
        x, w: (n,), the inputs and the weights.
        names: of the inputs.
        activation: its name, and the function.
    """
    figure, (axis,) = _canvas(10, 3.2)
    heights = np.linspace(1, -1, len(x))
    z = float(np.dot(x, w) + b)
    for height, value, weight, name in zip(heights, x, w, names, strict=True):
        _node(axis, 0, height, f"{value:g}", colour=PALE)
        axis.text(-0.45, height, name, ha="right", va="center")
        end = (3.05, 0.22 * np.sign(height))
        _arrow(axis, (0.3, height), end, f"× {weight:g}", CAT, 0.2)
        axis.text(1.7, height * 1.12, minus(f"{value * weight:+g}"), ha="center", color=INK)
    _node(axis, 3.5, 0, "sum", 0.45)
    _arrow(axis, (3.5, 1.15), (3.5, 0.45), "", CAT)
    axis.text(3.5, 1.28, minus(f"bias {b:+g}"), ha="center", color=CAT)
    label, function = activation
    _arrow(axis, (3.95, 0), (5.45, 0), f"z = {z:g}", INK, 0.2)
    _node(axis, 6.0, 0, label, 0.55, size=9)
    _arrow(axis, (6.55, 0), (8.0, 0), f"{function(z):.3f}", DOG, 0.2)
    axis.text(8.1, 0, "prediction", va="center", color=DOG)
    axis.set(xlim=(-1.5, 9.2), ylim=(-1.4, 1.5))
    return figure


def layers(sizes: Sequence[int], names: Sequence[str], width: float = 10):
    """A dense network: a column of neurons for each layer, each connected with all of the last.

    Args:
        sizes: neurons of each layer; the first are the inputs.
        names: of the layers, written below them.
    """
    columns, tall = np.arange(len(sizes)) * 2.6, 0.75
    left, right, half = -0.7, columns[-1] + 0.7, tall * max(sizes) / 2
    low, up = -half - 0.5, half + 0.75
    figure, (axis,) = _canvas(width, width * (up - low) / (right - left))
    places = [
        [(x, tall * (i - (n - 1) / 2)) for i in range(n)]
        for x, n in zip(columns, sizes, strict=True)
    ]
    for before, after in zip(places, places[1:], strict=False):
        for a in before:
            for b in after:
                axis.plot(*zip(a, b, strict=True), color=SOFT, lw=0.8, zorder=1)
        count = f"{len(before)}×{len(after)} weights\n+ {len(after)} biases"
        middle = (before[0][0] + after[0][0]) / 2
        axis.text(middle, half + 0.1, count, ha="center", va="bottom")
    colours = [PALE] + [CAT] * (len(sizes) - 2) + [DOG]
    for column, colour, name in zip(places, colours, names, strict=True):
        for x, y in column:
            _node(axis, x, y, "", 0.25, colour)
        axis.text(column[0][0], -half - 0.35, name, ha="center", va="baseline")
    axis.set(xlim=(left, right), ylim=(low, up))
    return figure


def plane(axis, predict, x, y, names=("", ""), labels=("cat", "dog")) -> None:
    """Colour a plane by the probability of class 1, with the line of 0.5 and the examples on it.

    Args:
        predict: of points (m, 2), the probabilities (m,) of class 1.
        x, y: the examples (n, 2), and their classes (n,), 0 or 1.
        names: of the two numbers.
    """
    (left, low), (right, up) = x.min(0) - 0.5, x.max(0) + 0.5
    across, along = np.meshgrid(np.linspace(left, right, 150), np.linspace(low, up, 150))
    p = predict(np.stack([across.ravel(), along.ravel()], 1)).reshape(across.shape)
    how = dict(origin="lower", aspect="auto", interpolation="bilinear", vmin=0, vmax=1)
    axis.imshow(p, extent=(left, right, low, up), cmap=CAT_TO_DOG, alpha=0.55, **how)
    axis.contour(across, along, p, levels=[0.5], colors=INK)
    for k, (colour, mark) in enumerate(((CAT, "o"), (DOG, "s"))):
        axis.plot(*x[y == k].T, mark, color=colour, mec="white", ms=7, label=labels[k])
    axis.set(xlabel=names[0], ylabel=names[1])


def chain(nodes: Sequence[tuple[str, str]], forward: Sequence[str], backward: Sequence[str]):
    """A chain of numbers: forward over it what makes each of the last, backward each factor.

    Args:
        nodes: name and value of each.
        forward, backward: a text for each step between two nodes.
    """
    figure, (axis,) = _canvas(11, 2.6)
    step = 2.3
    for i, (name, value) in enumerate(nodes):
        box = FancyBboxPatch((i * step - 0.5, -0.35), 1, 0.7, boxstyle="round,pad=0.06", fc=PALE)
        axis.add_patch(box)
        axis.text(i * step, 0.02, minus(f"{name}\n{value}"), ha="center", va="center")
    for i, (ahead, back) in enumerate(zip(forward, backward, strict=True)):
        start, end = i * step + 0.62, (i + 1) * step - 0.62
        _arrow(axis, (start, 0.2), (end, 0.2), "", CAT)
        _arrow(axis, (end, -0.2), (start, -0.2), "", DOG)
        middle = (i + 0.5) * step
        axis.text(middle, 0.75, minus(ahead), ha="center", va="center", color=CAT)
        axis.text(middle, -0.75, minus(back), ha="center", va="center", color=DOG)
    right = (len(nodes) - 1) * step + 0.7
    axis.text(-0.6, 1.2, "forward: compute", color=CAT)
    axis.text(right, -1.3, "backward: how much does the loss change?", color=DOG, ha="right")
    axis.set(xlim=(-0.7, right), ylim=(-1.4, 1.5))
    return figure


def epochs(n: int, batch: int, count: int, seed: int = 0):
    """Epochs as rows: each visits all examples once, in a new order, cut into batches."""
    rng = np.random.default_rng(seed)
    figure, (axis,) = _canvas(10, 0.95 * count + 0.6)
    for row in range(count):
        axis.text(-0.3, -row * 1.5, f"epoch {row + 1}", ha="right", va="center")
        for place, example in enumerate(rng.permutation(n)):
            step = place // batch
            x = place + 0.7 * step
            axis.add_patch(Rectangle((x, -row * 1.5 - 0.4), 0.9, 0.8, fc=PALE, ec=INK))
            axis.text(x + 0.45, -row * 1.5, str(example + 1), ha="center", va="center")
            if place % batch == batch - 1 and row == 0:
                middle = x + 0.9 - batch / 2
                axis.text(middle, 0.6, f"step {step + 1}", ha="center", va="bottom", color=DOG)
    axis.set(xlim=(-1.8, n + 0.7 * n / batch), ylim=(-1.5 * count + 0.8, 1.1))
    return figure


def vector_and_grid(picture):
    """A small grey picture (h, w) as a grid, and row after row as one vector.

    A pixel, the one beside it and the one below it are marked in both.
    """
    height, width = picture.shape
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), width_ratios=(1, 3.2))
    marked = {(1, 1): CAT, (1, 2): DOG, (2, 1): DOG}
    axes[0].imshow(picture, vmin=0, vmax=255)
    axes[0].set(xlabel="column", ylabel="row", title=f"the grid: {height}×{width}")
    axes[0].set(xticks=range(width), yticks=range(height))
    axes[1].imshow(picture.reshape(1, -1), vmin=0, vmax=255, aspect=2.5)
    title = f"the vector: {picture.size} numbers"
    axes[1].set(yticks=[], xlabel="position in the vector")
    axes[1].set_title(title, loc="right")  # the arrows end left of it
    axes[1].set_xticks(range(0, picture.size, width))
    for (row, column), colour in marked.items():
        places = ((axes[0], column, row), (axes[1], row * width + column, 0))
        for axis, x, y in places:
            corner = (x - 0.45, y - 0.45)
            axis.add_patch(Rectangle(corner, 0.9, 0.9, fill=False, ec=colour, lw=3))
    for name, end in (("beside", width + 2), ("below", 2 * width + 1)):
        axes[1].annotate(
            name, (end, -0.5), (end, -2.2), ha="center", color=DOG, arrowprops=dict(arrowstyle="->")
        )
    axes[1].annotate(
        "a pixel",
        (width + 1, 0.5),
        (width + 1, 2.4),
        ha="center",
        color=CAT,
        arrowprops=dict(arrowstyle="->"),
    )
    return figure


def connections(n: int, k: int):
    """What is connected to what, along one row of n pixels: dense, local, and shared weights.

    Args:
        n: pixels at the bottom.
        k: of them each neuron of a local or shared layer sees. A colour is a weight.
    """
    out = n - k + 1
    figure, axes = _canvas(11, 3.3, 3)
    titles = (
        f"dense: {n * out} weights",
        f"local: {k * out} weights",
        f"shared: {k} weights",
    )
    for kind, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        for j in range(out):
            for i in range(n) if kind == 0 else range(j, j + k):
                colour = SHARED[(i - j) % k] if kind == 2 else SOFT
                wide = 2.2 if kind == 2 else 1.1
                axis.plot((i, j + (k - 1) / 2), (0, 3), color=colour, lw=wide, zorder=1)
        for i in range(n):
            _node(axis, i, 0, "", 0.28, PALE)
        for j in range(out):
            _node(axis, j + (k - 1) / 2, 3, "", 0.28, CAT)
        axis.set(title=title, xlim=(-0.6, n - 0.4), ylim=(-1.1, 4.1))
        axis.text((n - 1) / 2, -0.95, f"{n} pixels", ha="center")
        axis.text((n - 1) / 2, 3.45, f"{out} neurons", ha="center", va="bottom", color=CAT)
    return figure


def windows(side: int, k: int, stride: int, at: Sequence[tuple[int, int]]):
    """A picture (side × side) with its window at some places, and the neuron that sees each.

    Args:
        k: the window's side.
        stride: pixels from one window to the next.
        at: (row, column) in the map, a panel each.
    """
    out = (side - k) // stride + 1
    figure, axes = _canvas(11, 3.1, len(at))
    for axis, (row, column) in zip(axes, at, strict=True):
        for count, left, colour in ((side, 0, PALE), (out, side + 2, "white")):
            for y in range(count):
                for x in range(count):
                    lifted = y + (side - count) / 2 if left else y
                    corner = (left + x, -lifted)
                    axis.add_patch(Rectangle(corner, 1, -1, fc=colour, ec=SOFT, lw=0.8))
        y, x = row * stride, column * stride
        axis.add_patch(Rectangle((x, -y), k, -k, fc=DOG, ec=DOG, alpha=0.35, lw=2))
        top = row + (side - out) / 2
        corner = (side + 2 + column, -top)
        axis.add_patch(Rectangle(corner, 1, -1, fc=DOG, ec=INK, zorder=3))
        for edge in (0, k):
            axis.plot((x + k, corner[0]), (-y - edge, -top - bool(edge)), color=DOG, lw=1)
        axis.text(side / 2, -side - 0.3, f"picture {side}×{side}", ha="center", va="top")
        axis.text(side + 2 + out / 2, -side - 0.3, f"map {out}×{out}", ha="center", va="top")
        axis.set(xlim=(-0.2, side + out + 2.6), ylim=(-side - 1.6, 0.4))
    return figure


def stacked(k: int, depth: int):
    """The receptive field of one neuron through layers of windows of k, along one row."""
    wide = depth * (k - 1) + 1
    total = wide + 4
    figure, (axis,) = _canvas(10, 3.2)
    for level in range(depth + 1):
        seen = (depth - level) * (k - 1) + 1
        first = (total - seen) // 2
        for i in range(total):
            inside = first <= i < first + seen
            _node(axis, i, 1.6 * level, "", 0.3, DOG if inside else "white")
            if inside and level:
                for j in range(i - k // 2, i + k // 2 + 1):
                    axis.plot((j, i), (1.6 * (level - 1), 1.6 * level), color=DOG, lw=1.2, zorder=1)
        name = f"layer {level}" if level else "picture"
        axis.text(-0.7, 1.6 * level, name, ha="right", va="center")
        many = f"{seen} neurons" if seen > 1 else "1 neuron"
        label = many if level else f"{seen} pixels"
        axis.text(total - 0.4, 1.6 * level, label, va="center", color=DOG)
    axis.set(xlim=(-2.6, total + 2.2), ylim=(-0.6, 1.6 * depth + 0.6))
    return figure
