"""The drawn pictures of chapters 10 and 11: a network without its top, what learns."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from catdog.book.plots import CAT, DOG, FAINT, INK, SOFT

FROZEN = "#cfe3f0"


def _text(axis, x, y, text, colour=INK, **how):
    how = {"ha": "center", "va": "center", "fontsize": 10, "color": colour} | how
    axis.text(x, y, text, **how)


def without_its_top(shapes: dict[str, tuple[int, ...]], old: str, new: str):
    """A backbone's blocks, its own top cut off and another head in its place.

    Args:
        shapes: {name: (height, width, channels)} of what goes from block to block, photo first.
        old, new: what stands in the top that goes, and in the head that comes.
    """
    figure, axis = plt.subplots(figsize=(5.8, 4.4))  # its words can be read on a phone
    largest = next(iter(shapes.values()))[0]
    x = 0.0
    for i, (name, (height, _, channels)) in enumerate(shapes.items()):
        tall, wide = 4.2 * height / largest, 0.35 + channels / 420
        colour = SOFT if i == 0 else CAT
        face = "white" if i == 0 else FROZEN
        axis.add_patch(Rectangle((x, -tall / 2), wide, tall, fc=face, ec=colour, lw=1.5))
        _text(axis, x + wide / 2, -2.4, f"{name}\n{height}×{height}\n×{channels}", va="top")
        end, x = x + wide, x + wide + 1
        if i < len(shapes) - 1:
            axis.annotate("", (x - 0.1, 0), (end + 0.1, 0), arrowprops={"arrowstyle": "->"})
    _text(axis, end / 2, 2.8, "kept as it is: the backbone", CAT)
    axis.plot((0, end), (-4.9, -4.9), ":", color=INK, lw=1.5)
    middle = end - wide / 2
    for left, words, text, colour, style in (
        (0, "cut off", old, FAINT, "--"),
        (end - 4.4, "ours, trained", new, DOG, "-"),
    ):
        box = Rectangle((left, -7.9), 4.4, 2.3, fc="white", ec=colour, ls=style, lw=1.8)
        axis.add_patch(box)
        _text(axis, left + 2.2, -6.75, text, colour)
        _text(axis, left + 2.2, -8.1, words, colour, va="top")
    axis.annotate("", (middle, -5.5), (middle, -4.5), arrowprops={"arrowstyle": "->", "color": DOG})
    axis.set(xlim=(-0.6, end + 0.2), ylim=(-8.8, 3.2))
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
        _text(axis, -0.3, -row, way, ha="right")
    for i, name in enumerate(names):
        _text(axis, i + 0.5, 0.45, name.replace(" ", "\n"), va="bottom", fontsize=9)
    _text(axis, 0, -len(ways) + 0.35, "blue: frozen", CAT, ha="left", va="top")
    _text(axis, 2.6, -len(ways) + 0.35, "orange: learns", DOG, ha="left", va="top")
    axis.set(xlim=(-3.4, len(names) + 0.1), ylim=(-len(ways) - 0.1, 1.3))
    axis.axis("off")
    return figure
