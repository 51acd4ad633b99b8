"""Pictures of chapters 12 and 13: differences with their intervals, blocks of layers, splits."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from catdog.book.plots import CAT, DOG, INK, SOFT, minus

UNSURE = "not statistically distinguishable"
COLOURS = {"helps": CAT, "costs": DOG, UNSURE: SOFT}


def differences(names, series: dict, bands=None, limits=(0.15, 0.15), families=()):
    """Differences in accuracy with their intervals, in points: a row a name, a panel a series.

    Their colour is the verdict: blue where the whole interval is above 0, orange below it, grey
    else.

    Args:
        series: {title: [(difference, (low, high)), or None, for each name]}.
        bands: {title: half a width}, of a grey band around 0 that stands for all its intervals.
        limits: for each panel, how far it reaches; what reaches further ends there, in an arrow.
        families: for each name the family it belongs to; lines part them.
    """
    figure, axes = plt.subplots(
        1,
        len(series),
        figsize=(10, 0.26 * len(names) + 1.6),
        sharey=True,
        squeeze=False,
        gridspec_kw={"wspace": 0.05},  # the last number of a panel, and the next one's first
    )
    y = np.arange(len(names))[::-1]
    for axis, (title, changes), limit in zip(axes[0], series.items(), limits, strict=True):
        reach = (bands or {}).get(title)
        if reach:
            axis.axvspan(-100 * reach, 100 * reach, color=SOFT, alpha=0.2, lw=0)
        axis.axvline(0, color=INK, lw=1)
        for at, change in zip(y, changes, strict=True):
            if change:
                _change(axis, at, change, limit, with_interval=not reach)
        for at in [y[i] + 0.5 for i in range(1, len(families)) if families[i] != families[i - 1]]:
            axis.axhline(at, color=SOFT, lw=0.6)
        axis.set(title=title, xlabel="points of accuracy", xlim=(-108 * limit, 108 * limit))
        axis.xaxis.set_major_formatter(lambda v, _: minus(f"{v:+g}") if v else "0")
    for i, family in enumerate(families):
        if family not in families[:i]:
            across = axes[0, -1].get_yaxis_transform()
            axes[0, -1].text(1.02, y[i], family, transform=across, va="center")
    axes[0, 0].set(yticks=y, yticklabels=names, ylim=(-0.6, len(names) - 0.4))
    marks = [plt.Line2D([], [], color=c, marker="o", lw=2.5, label=k) for k, c in COLOURS.items()]
    figure.legend(handles=marks, loc="outside upper center", ncols=3)
    return figure


def _change(axis, at, change, limit, with_interval) -> None:
    """Draw one difference, as `differences` says."""
    difference, (low, high) = change
    colour = COLOURS["helps" if low > 0 else "costs" if high < 0 else UNSURE]
    if with_interval:
        ends = 100 * np.clip((low, high), -limit, limit)
        axis.plot(ends, (at, at), color=colour, lw=2.5, alpha=0.6, solid_capstyle="butt")
        for end, beyond, arrow in zip(ends, (low < -limit, high > limit), "<>", strict=True):
            if beyond:
                axis.plot(end, at, arrow, color=colour, ms=6)
    inside = abs(difference) <= limit
    place = 100 * np.clip(difference, -limit, limit)
    axis.plot(place, at, "o" if inside else "<>"[difference > 0], color=colour, ms=6)


def blocks():
    """Three blocks of layers, drawn: one convolution, two, and two with a way around them."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.9))
    stacks = {
        "one convolution": ["convolution", "ReLU", "max pooling"],
        "two convolutions": ["convolution", "ReLU", "convolution", "ReLU", "max pooling"],
        "residual": ["convolution", "ReLU", "convolution", "+", "ReLU", "max pooling"],
    }
    fills = {"convolution": CAT, "ReLU": "#E69F00", "max pooling": "#56B4E9", "+": "white"}
    for axis, (title, layers) in zip(axes, stacks.items(), strict=True):
        for i, layer in enumerate(layers):
            box = dict(boxstyle="round,pad=0.35", fc=fills[layer], ec=INK)
            white = "white" if layer == "convolution" else INK
            axis.text(0, -i, layer, ha="center", va="center", color=white, bbox=box)
        for i in range(-1, len(layers)):
            axis.annotate("", (0, -i - 0.72), (0, -i - 0.28), arrowprops={"arrowstyle": "->"})
        if title == "residual":
            axis.plot((0, 0.8, 0.8), (0.62, 0.62, -3), color=DOG, lw=2)
            axis.annotate(
                "", (0.15, -3), (0.82, -3), arrowprops=dict(arrowstyle="->", color=DOG, lw=2)
            )
            axis.text(0.9, -1.2, "the way\naround", color=DOG, va="center")
        axis.text(0, 1.0, "in", ha="center")
        axis.text(0, -len(layers) - 0.05, "out", ha="center", va="center")
        axis.set(title=title, xlim=(-1.2, 2.1), ylim=(-6.4, 1.4))
        axis.axis("off")
    return figure


def splits(parts: dict):
    """The parts of a data set as one bar: {what a part is for: how many photos}."""
    figure, axis = plt.subplots(figsize=(10, 1.2))
    left = 0
    for (purpose, n), colour in zip(parts.items(), (SOFT, CAT, DOG), strict=True):
        axis.barh(0, n, left=left, color=colour, ec="white", lw=2, height=0.6)
        axis.text(left + n / 2, 0, f"{n:,}", ha="center", va="center", color="white", weight="bold")
        axis.text(left + n / 2, 0.42, purpose, ha="center", va="bottom", fontsize=10)
        left += n
    axis.set(ylim=(-0.35, 0.8), xlim=(0, left))
    axis.axis("off")
    return figure
