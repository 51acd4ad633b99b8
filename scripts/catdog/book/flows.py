"""Diagrams of photos on their way into a network: chapter 8."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt

from catdog.book.plots import CAT, DOG, INK, SOFT


def _tile(axis, x: float, y: float, colour: str, text: str = "") -> None:
    """A square of one photo, its lower left corner at (x, y)."""
    axis.add_patch(plt.Rectangle((x, y), 0.86, 0.86, color=colour))
    axis.text(x + 0.43, y + 0.41, text, ha="center", va="center", color="white", fontsize=9)


def _blank(width: float, height: float, columns: float, rows: float):
    """A figure without axes, over 0 to columns and 0 to rows."""
    figure, axis = plt.subplots(figsize=(width, height))
    axis.set(xlim=(0, columns), ylim=(0, rows), aspect="equal")
    axis.axis("off")
    return figure, axis


def split(cats: int, dogs: int, ratio: float):
    """Photos, a tile each, and below them the two sides of a stratified split."""
    kept = [(c, round(n * ratio)) for c, n in ((CAT, cats), (DOG, dogs))]
    figure, axis = _blank(10, 1.9, cats + dogs + 4.6, 4.4)
    for i in range(cats + dogs):
        _tile(axis, 3.4 + i, 3.3, CAT if i < cats else DOG, "cat" if i < cats else "dog")
    axis.text(3.1, 3.73, f"{cats + dogs} photos", ha="right", va="center", color=INK)
    rest = [(CAT, cats - kept[0][1]), (DOG, dogs - kept[1][1])]
    for row, (name, side) in enumerate((("train", rest), ("validation", kept))):
        y = 1.6 - 1.2 * row
        x = 3.4
        for colour, count in side:
            for _ in range(count):
                _tile(axis, x, y, colour, "cat" if colour == CAT else "dog")
                x += 1
        says = ", ".join(f"{n} {kind}" for (_, n), kind in zip(side, ("cats", "dogs"), strict=True))
        axis.text(3.1, y + 0.43, name, ha="right", va="center", color=INK, weight="bold")
        axis.text(x + 0.2, y + 0.43, says, ha="left", va="center", color=INK)
    return figure


def epochs(orders: Sequence[Sequence[int]], batch_size: int):
    """The order of the photos in each epoch, cut into batches of that size."""
    many = len(orders[0])
    gaps = -(-many // batch_size) - 1
    figure, axis = _blank(10, 1.1 + 0.55 * len(orders), many + 0.5 * gaps + 2.6, len(orders) + 0.8)
    for row, order in enumerate(orders):
        y = len(orders) - 1 - row
        axis.text(2.2, y + 0.43, f"epoch {row + 1}", ha="right", va="center", color=INK)
        for i, number in enumerate(order):
            colour = CAT if number % 2 else DOG
            _tile(axis, 2.6 + i + 0.5 * (i // batch_size), y, colour, str(number))
    for b in range(gaps + 1):
        first, last = b * batch_size, min((b + 1) * batch_size, many)
        middle = 2.6 + (first + last) / 2 + 0.5 * b - 0.07
        axis.text(middle, len(orders) + 0.2, f"batch {b + 1}", ha="center", color=INK)
    return figure


def prefetch(prepare: float = 2, train: float = 3, batches: int = 4):
    """Who works when: batches made one after the other, and batches made ahead."""
    figure, axes = plt.subplots(2, 1, figsize=(10, 2.8), sharex=True)
    for axis, ahead in zip(axes, (False, True), strict=True):
        ready, free = 0.0, 0.0  # when the processor, and when the network, has time
        for b in range(batches):
            begin = ready if ahead else max(ready, free)
            ready = begin + prepare
            start = max(ready, free)
            free = start + train
            for y, at, long, colour in ((1, begin, prepare, DOG), (0, start, train, CAT)):
                axis.barh(y, long, left=at, color=colour, ec="white", height=0.8)
                axis.text(at + long / 2, y, f"{b + 1}", ha="center", va="center", color="w")
        axis.axvline(free, color=SOFT, ls=":")
        axis.text(free + 0.2, 0.5, f"{free:g}", color=INK, va="center")
        title = "batches made ahead (prefetch)" if ahead else "one after the other"
        axis.set(yticks=(0, 1), yticklabels=("train on batch", "make batch"), title=title)
    axes[1].set_xlabel("units of time")
    axes[1].set_xticks([])
    return figure
