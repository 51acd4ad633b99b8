"""The drawn pictures of chapter 14: the roofline, a schedule, what a matrix does to directions."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from catdog.book.plots import CAT, DOG, INK, SOFT


def roofline(peak: float, memory: float, points: dict[str, float]):
    """How fast a computation can be, by how much it computes with each byte that it moves.

    Args:
        peak: of the processor, in 10⁹ operations a second.
        memory: in 10⁹ bytes a second.
        points: {name: operations a byte}, each drawn on the roof.
    """
    figure, axis = plt.subplots(figsize=(9, 3.8))
    x = np.geomspace(0.05, 2000, 300)
    axis.plot(x, np.minimum(peak, memory * x), color=INK, lw=2)
    corner = peak / memory
    axis.plot((corner, corner), (memory * x[0], peak), ":", color=SOFT)
    axis.fill_between(x[x <= corner], memory * x[x <= corner], memory * x[0], color=DOG, alpha=0.12)
    axis.fill_between(x[x >= corner], peak, memory * x[0], color=CAT, alpha=0.12)
    for side, text, colour in ((0.3, "memory is the limit", DOG), (0.93, "arithmetic is", CAT)):
        place: dict = {"transform": axis.get_xaxis_transform(), "ha": "center", "fontsize": 10}
        at = corner * side if side < 0.5 else (corner * x[-1]) ** 0.5
        axis.text(at, 0.05, text, color=colour, **place)
    flat = iter([9, -17] * len(points))  # labels above and below the roof: neighbours stay apart
    for name, intensity in points.items():
        height = min(peak, memory * intensity)
        axis.plot(intensity, height, "o", color=DOG if intensity < corner else CAT, ms=8)
        how: dict = {"textcoords": "offset points", "fontsize": 9}
        away = ((-6, 4), "right") if intensity < corner else ((0, next(flat)), "center")
        axis.annotate(name, (intensity, height), away[0], ha=away[1], **how)
    axis.set(xscale="log", yscale="log", xlabel="operations for each byte that is moved")
    axis.set(ylabel="10⁹ operations a second", ylim=(memory * x[0], 4 * peak))
    return figure


def schedule(epochs: int, panels: dict[str, tuple]):
    """Several quantities over the epochs of one training, a panel each, one above the other.

    Args:
        panels: {name and unit: (x, y)}; the y of whole epochs is drawn as steps.
    """
    figure, axes = plt.subplots(len(panels), 1, figsize=(9, 1.7 * len(panels) + 0.4), sharex=True)
    for axis, (name, (x, y)), colour in zip(axes, panels.items(), (DOG, CAT, INK), strict=False):
        if len(set(y)) < 6:
            axis.step([*x, epochs], [*y, y[-1]], where="post", color=colour, lw=2)
            axis.set_yticks(sorted(set(y)))
        else:
            axis.plot(x, y, color=colour, lw=2)
        axis.set(ylabel=name, ylim=(0, 1.15 * max(y)))
    axes[-1].set(xlabel="epoch", xlim=(0, epochs))
    return figure


def directions(matrices: dict[str, np.ndarray]):
    """What 2×2 matrices do to the directions of a circle: an ellipse, its axes the singular values.

    Args:
        matrices: {title: matrix}. Before them stands the circle itself.
    """
    angles = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    drawn = {"all directions, length 1": np.eye(2)} | matrices
    figure, axes = plt.subplots(1, len(drawn), figsize=(10, 2.3))
    wide, tall = 1.15 * np.abs([m @ circle for m in drawn.values()]).max((0, 2))
    # the first matrix says which two directions are followed through all pictures
    _, _, rows = np.linalg.svd(next(iter(matrices.values())))
    for axis, (title, matrix) in zip(axes, drawn.items(), strict=True):
        axis.plot(*(matrix @ circle), color=SOFT, lw=2)
        for row, colour in zip(rows, (DOG, CAT), strict=True):
            x, y = matrix @ row
            arrow = {"arrowstyle": "->", "color": colour, "lw": 2.5, "shrinkA": 0, "shrinkB": 0}
            axis.annotate("", (x, y), (0, 0), arrowprops=arrow)
            far = 1 + 0.45 / max(np.hypot(x, y), 0.3)
            label = f"{np.hypot(x, y):.2g}"
            axis.text(far * x, far * y, label, color=colour, ha="center", va="center")
        tall = max(tall, 1.6)
        axis.set(xlim=(-wide, wide), ylim=(-tall, tall), aspect="equal", xticks=[], yticks=[])
        axis.set_title(title)
        axis.spines[:].set_visible(False)
    return figure


def story(parts: dict[str, tuple[float, float, float]]):
    """A bar for each way to train: milliseconds a photo to decode, change at random, and learn."""
    figure, axis = plt.subplots(figsize=(9, 0.45 * len(parts) + 1.2))
    names, y = list(parts), np.arange(len(parts))[::-1]
    left, colours = np.zeros(len(parts)), (SOFT, CAT, DOG)
    for k, label in enumerate(("decode and resize", "change at random", "learn")):
        width = np.array([values[k] for values in parts.values()])
        axis.barh(y, width, left=left, color=colours[k], label=label, height=0.65)
        left += width
    for at, total in zip(y, left, strict=True):
        axis.text(total, at, f" {1000 / total:,.0f} photos/s", va="center")
    axis.set(yticks=y, yticklabels=names, xlabel="milliseconds a photo, one thing after the other")
    axis.set_xlim(0, 1.25 * left.max())
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


def dots(rows: dict[str, list[float]], band: list[float]):
    """Error rates of runs, a row a recipe, a dot a seed; grey: the range of the band's runs.

    Args:
        rows: {name: accuracies}. band: accuracies.
    """
    figure, axis = plt.subplots(figsize=(8, 0.4 * len(rows) + 0.9))
    axis.axvspan(1 - max(band), 1 - min(band), color=SOFT, alpha=0.3, lw=0)
    for y, accuracies in enumerate(reversed(rows.values())):
        axis.plot([1 - a for a in accuracies], [y] * len(accuracies), "o", color=CAT, alpha=0.6)
    axis.set(yticks=range(len(rows)), yticklabels=list(rows)[::-1], xlabel="error rate")
    axis.set_ylim(-0.5, len(rows) - 0.5)
    axis.xaxis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
    return figure
