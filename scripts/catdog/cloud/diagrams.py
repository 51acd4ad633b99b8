"""The drawn pictures of chapters 18 and 19: a GPU, what costs what, shared batches, a ring."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.patches import FancyBboxPatch

from catdog.book.plots import CAT, DOG, FAINT, INK, SOFT
from catdog.cloud import instances

GOOD = "#009E73"


def _canvas(width: float, height: float):
    figure, axis = plt.subplots(figsize=(width, height))
    axis.set(xlim=(0, 10 * width), ylim=(0, 10 * height), aspect="equal")
    axis.axis("off")
    return figure, axis


def _box(axis, x, y, wide, tall, text="", colour=INK, fill="white", size=10, top=False, **how):
    shape = FancyBboxPatch(
        (x, y), wide, tall, boxstyle="round,pad=0,rounding_size=1.2", fc=fill, ec=colour, lw=1.5
    )
    axis.add_patch(shape)
    at = y + tall - 1.5 if top else y + tall / 2
    axis.text(
        x + wide / 2,
        at,
        text,
        ha="center",
        va="top" if top else "center",
        fontsize=size,
        color=INK,  # whatever its frame: letters on a tint of their own colour are too faint
        **how,
    )


def _arrow(axis, a, b, text="", colour=INK, style="->", width=1.5, above=True, size=10):
    how = {"arrowstyle": style, "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", b, a, arrowprops=how)
    x, y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    va = "bottom" if above else "top"
    axis.text(x, y + (0.8 if above else -0.8), text, ha="center", va=va, fontsize=size, color=INK)


def cores():
    """A processor's few large cores beside a GPU's many small ones, each box a core: a T4's."""
    figure, axis = _canvas(10.5, 3.2)
    figure.set_layout_engine("none")
    axis.set_position((0, 0, 1, 1))  # 9 pixels a unit: all boxes of a core have the same size
    for i in range(4):
        x, y = 4 + 13 * (i % 2), 5 + 12 * (i // 2)
        _box(axis, x, y, 11, 10, "core", CAT, "#e2eff7", 10)
    rows, columns, step = 32, 80, 6 / 9
    x, y = np.meshgrid(50 + step * np.arange(columns), 5.2 + step * np.arange(rows))
    corners = np.stack([x, y], 2).reshape(-1, 1, 2)
    square = 4 / 9 * np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    axis.add_collection(PolyCollection(corners + square, color=DOG, lw=0))
    axis.text(16, 29, "a processor: few cores, each quick at anything", ha="center", size=10)
    label = f"a GPU: {rows * columns:,} cores, all at the same step"
    axis.text(77, 29, label, ha="center", size=10)
    axis.text(16, 3, "one thing after the other", ha="center", va="top", size=10, color=CAT)
    label = "the same operation on many numbers at once"
    axis.text(77, 3, label, ha="center", va="top", size=10, color=DOG)
    return figure


def where():
    """What is where: the browser here, Jupyter there, a tunnel between, every port closed."""
    figure, axis = _canvas(10.5, 3.9)
    axis.set_ylim(4, 43)
    _box(axis, 1, 13, 30, 29, "your computer", FAINT, "#f6f6f6", 10, top=True)
    _box(axis, 4, 28, 24, 8, "browser\nhttp://127.0.0.1", CAT)
    _box(axis, 4, 16, 24, 8, "catdog aws connect", CAT)
    _arrow(axis, (16, 28), (16, 24), colour=CAT)
    _box(axis, 58, 5, 46, 37, "the machine, rented from AWS", FAINT, "#f6f6f6", 10, top=True)
    _box(axis, 61, 16, 13, 8, "SSH", CAT)
    _box(axis, 78, 28, 23, 8, "Jupyter\n127.0.0.1, token", CAT)
    _box(axis, 78, 16, 10, 8, "notebook\nkernel", INK)
    _box(axis, 91, 16, 10, 8, "GPU", DOG, weight="bold")
    _box(axis, 61, 6.5, 40, 6, "disk, encrypted: notebooks, photos, runs", INK)
    _arrow(axis, (67.5, 24), (78, 31), colour=CAT)
    _arrow(axis, (83, 28), (83, 24))
    _arrow(axis, (88, 20), (91, 20))
    _arrow(axis, (83, 16), (83, 12.5), style="<->")
    _arrow(axis, (28, 20), (61, 20), "tunnel, encrypted from end to end", GOOD, "<->", 5)
    axis.text(44.5, 17.5, "by AWS's Session Manager,\nor straight to SSH", **_small(GOOD, "top"))
    _arrow(axis, (40, 33), (57.5, 33), "anyone else", DOG)
    axis.text(57.7, 33, "✕", color=DOG, fontsize=20, ha="center", va="center", weight="bold")
    axis.text(48, 31.5, "every port is\nclosed to them", **_small(DOG, "top"))
    _arrow(axis, (58, 8), (34, 8), "packages, over the web", FAINT)
    _box(axis, 14, 5, 20, 6, "the internet", FAINT)
    return figure


def _small(colour, va):
    return {"ha": "center", "va": va, "fontsize": 10, "color": colour}


def states(name: str = instances.DEFAULT, disk: int = 100, idle: int = 30, hours: int = 8):
    """The states of a machine, what leads from one to the next, and what each costs."""
    one, a_disk = instances.TYPES[name], instances.disk_usd_hour(disk)
    running = one.usd + a_disk + instances.ADDRESS_USD_HOUR
    figure, axis = _canvas(10.5, 3.4)
    for x, title, lines, colour, fill in (
        (
            2,
            "running",
            f"machine ${one.usd:.3f}\ndisk ${a_disk:.3f}\naddress "
            f"${instances.ADDRESS_USD_HOUR:.3f}\n= ${running:.2f} an hour",
            DOG,
            "#fbe8dd",
        ),
        (
            41,
            "stopped",
            f"disk ${a_disk:.3f}\n= ${24 * a_disk:.2f} a day\nyour files stay",
            CAT,
            "#e2eff7",
        ),
        (80, "deleted", "nothing\n= $0\nyour files are gone", GOOD, "#e0f3ed"),
    ):
        _box(axis, x, 9, 23, 16, "", colour, fill)
        axis.text(x + 11.5, 23.5, title, ha="center", va="top", color=INK, weight="bold")
        axis.text(x + 11.5, 19.8, lines, ha="center", va="top", fontsize=10, color=INK)
    _arrow(axis, (25, 20), (41, 20), "catdog aws stop")
    _arrow(axis, (41, 13), (25, 13), "catdog aws start", above=False)
    _arrow(axis, (64, 17), (80, 17), "catdog aws down")
    axis.text(
        33, 26, f"by itself after {idle} idle\nminutes, or {hours} hours", **_small(DOG, "bottom")
    )
    axis.plot((13.5, 13.5, 91.5), (9, 4, 4), color=INK, lw=1.5)
    _arrow(axis, (91.5, 4), (91.5, 9))
    axis.text(52, 3.2, "catdog aws down", ha="center", va="top", fontsize=10)
    axis.text(13.5, 30, "catdog aws up", ha="center", va="bottom", fontsize=10)
    _arrow(axis, (13.5, 29.5), (13.5, 25))
    return figure


def sharing(devices: int = 4, batch: int = 64):
    """One step on several devices: the batch is shared, the gradients are averaged."""
    figure, axis = _canvas(10.5, 3.6)
    share, tall = batch // devices, 28 / devices
    _box(axis, 1, 3, 15, 30, f"one batch\n{batch} photos", INK)
    _box(axis, 88, 10, 16, 16, "the same step\non every\ndevice", GOOD, "#e0f3ed")
    _box(axis, 66, 10, 14, 16, "mean of the\ngradients", DOG, "#fbe8dd")
    for i in range(devices):
        y = 4.5 + i * tall
        middle = y + (tall - 1.5) / 2
        _box(axis, 24, y, 12, tall - 1.5, f"{share} photos", INK)
        _box(axis, 40, y, 18, tall - 1.5, f"device {devices - i}: network", CAT, "#e2eff7")
        _arrow(axis, (16, middle), (24, middle))
        _arrow(axis, (36, middle), (40, middle))
        _arrow(axis, (58, middle), (66, 14 + 8 * (i + 0.5) / devices), colour=DOG)
    _arrow(axis, (80, 18), (88, 18), colour=GOOD)
    return figure


def machines(n: int = 3, share: int = 64):
    """One step on several machines: each decodes its share, only gradients are sent."""
    figure, axis = _canvas(10.5, 4.2)
    tall = 39 / n
    _box(axis, 87, 3, 16, 36, "the wire:\n\nmean of the\ngradients", DOG, "#fbe8dd")
    for i in range(n):
        y = 42 - (i + 1) * tall
        middle, high, low = y + (tall - 3) / 2, y + tall - 6, y + 1
        _box(axis, 1, y - 1, 81, tall - 1, "", SOFT, "#f6f6f6")
        axis.text(2.5, y + tall - 3, f"machine {i}", va="top", fontsize=10, color=INK)
        _box(axis, 15, low, 12, tall - 5, "its disk:\nall photos", INK)
        _box(axis, 30, low, 12, tall - 5, f"decodes\n{share} of {n * share}", INK)
        _box(axis, 45, low, 14, tall - 5, "network:\nits gradient", CAT, "#e2eff7")
        _box(axis, 64, low, 16, (tall - 5) / 2, "the same step", GOOD, "#e0f3ed")
        _arrow(axis, (27, middle), (30, middle))
        _arrow(axis, (42, middle), (45, middle))
        _arrow(axis, (59, high), (87, high), colour=DOG, width=3)
        _arrow(axis, (87, low + (tall - 5) / 4), (80, low + (tall - 5) / 4), colour=GOOD)
    return figure


def ring(n: int = 4):
    """Machines in a ring; in the first step, each passes another piece of its gradient on."""
    figure, axis = plt.subplots(figsize=(8, 4.2))
    angles = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    x, y = 3 * np.cos(angles), 1.5 * np.sin(angles)
    for i in range(n):
        j = (i + 1) % n
        a, b = ((0.72 * x[i] + 0.28 * x[j], 0.72 * y[i] + 0.28 * y[j]) for i, j in ((i, j), (j, i)))
        axis.annotate("", b, a, arrowprops={"arrowstyle": "->", "color": DOG, "lw": 2})
        beside = 0.61 * (x[i] + x[j]), 0.61 * (y[i] + y[j])
        axis.text(*beside, f"piece {i}", color=DOG, ha="center", va="center")
        for piece in range(n):
            colour = DOG if piece == i else CAT
            left = x[i] + 0.26 * (piece - n / 2)
            axis.add_patch(plt.Rectangle((left, y[i] - 0.12), 0.22, 0.24, fc=colour, ec="white"))
            axis.text(
                left + 0.11, y[i], str(piece), color="white", fontsize=9, ha="center", va="center"
            )
        axis.text(x[i], y[i] + 0.2, f"machine {i}", ha="center", va="bottom", color=INK)
    axis.set(xlim=(-4.2, 4.2), ylim=(-2, 2.1))
    axis.axis("off")
    return figure


def supply(per_core: float, per_gpu=(1_000, 3_000, 10_000), names=("p2.8xlarge", "p2.16xlarge")):
    """Photos a second that N GPUs ask for, beside what a machine's processor can decode.

    Args:
        per_core: photos a second of one core; a virtual core of the cloud is half of one.
        per_gpu: what one GPU may take, in photos a second.
    """
    figure, axis = plt.subplots(figsize=(8.5, 3.8))
    gpus = range(1, 17)
    for rate, colour in zip(per_gpu, ("#009E73", CAT, INK), strict=True):
        axis.plot(gpus, [rate * n for n in gpus], color=colour, lw=2)
        axis.text(16.8, rate * 16, f"{rate:,} a GPU", color=colour, va="center", fontsize=10)
    for name in names:
        one = instances.TYPES[name]
        axis.plot(one.gpus, per_core * one.vcpus / 2, "o", color=DOG, ms=8)
        axis.annotate(
            name,
            (one.gpus, per_core * one.vcpus / 2),
            xytext=(0, -18),
            textcoords="offset points",
            color=DOG,
            fontsize=10,
            ha="center",
        )
    axis.set(xlabel="GPUs", ylabel="photos a second", xlim=(0.9, 30), yscale="log")
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter(lambda v, _: f"{v:g}" if v <= 16 else "")
    axis.yaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    return figure
