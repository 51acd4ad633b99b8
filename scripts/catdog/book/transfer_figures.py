"""The drawn pictures of chapters 10 and 11: a network without its top, what learns."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from catdog.book.plots import CAT, DOG, INK, SOFT

FROZEN = "#cfe3f0"


def _text(axis, x, y, text, colour=INK, **how):
    how = {"ha": "center", "va": "center", "fontsize": 9, "color": colour} | how
    axis.text(x, y, text, **how)


def without_its_top(shapes: dict[str, tuple[int, ...]], old: str, new: str):
    """A backbone's blocks, its own top cut off and another head in its place.

    Args:
        shapes: {name: (height, width, channels)} of what goes from block to block, photo first.
        old, new: what stands in the top that goes, and in the head that comes.
    """
    figure, axis = plt.subplots(figsize=(10, 3.3))
    largest = next(iter(shapes.values()))[0]
    x = 0.0
    for i, (name, (height, _, channels)) in enumerate(shapes.items()):
        tall, wide = 4.2 * height / largest, 0.35 + channels / 420
        colour = SOFT if i == 0 else CAT
        face = "white" if i == 0 else FROZEN
        axis.add_patch(Rectangle((x, -tall / 2), wide, tall, fc=face, ec=colour, lw=1.5))
        _text(axis, x + wide / 2, -2.5, f"{name}\n{height}×{height}\n×{channels}", va="top")
        x += wide + 0.75
        axis.annotate("", (x - 0.1, 0), (x - 0.65, 0), arrowprops={"arrowstyle": "->", "lw": 1.2})
    axis.plot((x, x), (-2.4, 2.7), ":", color=INK, lw=1.5)
    for y, text, colour, style in ((1.3, old, SOFT, "--"), (-1.3, new, DOG, "-")):
        box = Rectangle((x + 0.7, y - 0.8), 3.1, 1.6, fc="white", ec=colour, ls=style, lw=1.8)
        axis.add_patch(box)
        _text(axis, x + 2.25, y, text, colour)
    axis.annotate("", (x + 0.65, -1.3), (x, 0), arrowprops={"arrowstyle": "->", "color": DOG})
    _text(axis, x / 2 + 0.6, 2.5, "kept as it is: the backbone", CAT, fontsize=10)
    _text(axis, x + 2.25, 2.5, "cut off", SOFT, fontsize=10)
    _text(axis, x + 2.25, -2.5, "ours, trained", DOG, fontsize=10, va="top")
    axis.set(xlim=(-0.2, x + 4), ylim=(-3.6, 3))
    axis.axis("off")
    return figure


def what_learns(ways: dict[str, int | None], blocks: int = 16):
    """A row for each way to train a network: which blocks stay frozen, which learn.

    Args:
        ways: {name: the first block that learns, or None for the head alone}.
    """
    names = ["stem", *map(str, range(blocks)), "top conv", "head"]
    figure, axis = plt.subplots(figsize=(10, 0.62 * len(ways) + 0.9))
    for row, (way, first) in enumerate(ways.items()):
        for i in range(len(names)):
            learns = i == len(names) - 1 or (first is not None and i > first)
            face, edge = (DOG, DOG) if learns else (FROZEN, CAT)
            place = (i + 0.05, -row - 0.3)
            axis.add_patch(Rectangle(place, 0.9, 0.6, fc=face, ec=edge, lw=1))
        _text(axis, -0.3, -row, way, ha="right", fontsize=10)
    for i, name in enumerate(names):
        _text(axis, i + 0.5, 0.45, name.replace(" ", "\n"), va="bottom")
    _text(axis, 0, -len(ways) + 0.35, "blue: frozen", CAT, ha="left", fontsize=10, va="top")
    _text(axis, 2.6, -len(ways) + 0.35, "orange: learns", DOG, ha="left", fontsize=10, va="top")
    axis.set(xlim=(-3.4, len(names) + 0.1), ylim=(-len(ways) - 0.1, 1.3))
    axis.axis("off")
    return figure
