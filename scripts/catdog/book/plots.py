"""Pictures for the notebooks, in one style: colour-blind safe, readable when printed."""

from __future__ import annotations

import re
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from catdog import CatDogError

CAT, DOG, INK, SOFT = "#0072B2", "#D55E00", "#222222", "#999999"  # after Okabe & Ito 2008
FAINT = "#666666"  # words in grey that can still be read: SOFT is for lines
COLOURS = {"cat": CAT, "dog": DOG}
CAT_TO_DOG = LinearSegmentedColormap.from_list("cat to dog", [CAT, "white", DOG])
STYLE: dict = {
    "figure.dpi": 90,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.prop_cycle": plt.cycler(color=[CAT, DOG, "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]),
    "image.cmap": "gray",
    "legend.frameon": False,
}
plt.rcParams.update(STYLE)


def minus(text: str) -> str:
    """Return a text whose negative numbers have the minus sign, as matplotlib's axes have it."""
    return re.sub(r"(?<![\w)])-(?=\.?\d)", "−", text)


def grid(images, titles=None, columns: int = 6, width: float = 10, colours=None, span=None):
    """Show pictures of any size in rows, each with its title.

    Grey pictures run from 0 to `span`, by default to the value that two of a thousand pixels
    exceed; if they have negative values, middle grey is 0. A row is as high as its highest picture,
    but no higher than wide.
    """
    cell, above = width / columns, 0.3 if titles is not None else 0
    shapes = [min(image.shape[0] / image.shape[1], 1) for image in images]
    lines = [shapes[i : i + columns] for i in range(0, len(images), columns)]
    tall = [cell * max(line) + above for line in lines]
    figure, axes = plt.subplots(
        len(lines), columns, figsize=(width, sum(tall)), squeeze=False, height_ratios=tall
    )
    for axis in axes.flat:
        axis.axis("off")
        axis.set_anchor("N")  # titles at one height above pictures of several
    for i, (image, axis) in enumerate(zip(images, axes.flat, strict=False)):
        _picture(axis, image, span)
        if titles is not None:
            colour = colours[i] if colours is not None else INK
            axis.set_title(minus(titles[i]), fontsize=max(9, 0.9 * width), color=colour)
    return figure


def _picture(axis, image, span=None):
    """Draw a picture as `grid` says."""
    limits = {}
    if image.ndim == 2:
        top = span or np.quantile(np.abs(image), 0.998) or max(np.abs(image).max(), 1e-12)
        limits = {"vmin": -top if image.min() < 0 and span is None else 0, "vmax": top}
    axis.imshow(image, interpolation="nearest", **limits)


def rows(table: dict, titles=None, width: float = 11):
    """Show rows of pictures, each row with its name on the left; greys are those of `grid`.

    Args:
        table: {name of the row: its pictures}.
        titles: of the columns; or for each row, {name: titles of its pictures}.
    """
    columns = max(map(len, table.values()))
    cell = (width - 1.2) / columns
    per_row = titles if isinstance(titles, dict) else {next(iter(table)): titles or []}
    tall = len(table) * cell + 0.28 * sum(bool(t) for t in per_row.values()) + 0.1
    figure, axes = plt.subplots(len(table), columns, figsize=(width, tall), squeeze=False)
    for (name, images), line in zip(table.items(), axes, strict=True):
        for axis in line:
            axis.axis("off")
        for k, (image, axis) in enumerate(zip(images, line, strict=False)):
            _picture(axis, image)
            if k < len(per_row.get(name, [])):
                axis.set_title(minus(per_row[name][k]), fontsize=9)
        line[0].text(
            -0.08, 0.5, name, ha="right", va="center", fontsize=9, transform=line[0].transAxes
        )
    return figure


def heat(photo, values):
    """Return a photo, uint8 (h, w, 3), in grey with a heat map (h, w), 0 to 1, glowing on it."""
    grey = np.repeat(photo.mean(2, keepdims=True) / 255, 3, 2)
    strength = np.clip(values, 0, 1)[:, :, None]
    return (1 - 0.8 * strength) * grey + 0.8 * strength * plt.cm.inferno(values)[:, :, :3]


def evidence(photo, values):
    """Return a pale photo, uint8 (h, w, 3), with evidence (h, w) on it: cat blue, dog orange.

    The strongest half percent of the values, which are negative for cat, have the full colour.
    """
    pale = np.repeat(0.6 + 0.4 * photo.mean(2, keepdims=True) / 255, 3, 2)
    share = np.clip(values / max(np.quantile(np.abs(values), 0.995), 1e-12), -1, 1)
    return pale * CAT_TO_DOG((share + 1) / 2)[:, :, :3]


def tables(arrays: dict, signed: bool = False):
    """Small arrays (h, w) side by side, each with its name and with every number written in."""
    figure, axes = plt.subplots(1, len(arrays), figsize=(2.9 * len(arrays), 2.9), squeeze=False)
    for axis, (name, values) in zip(axes[0], arrays.items(), strict=True):
        top = 2 * max(np.abs(a).max() for a in arrays.values())
        axis.imshow(values, cmap="PuOr_r" if signed else "Blues", vmin=-top * signed, vmax=top)
        for (y, x), value in np.ndenumerate(values):
            axis.text(x, y, minus(f"{value + 0.0:g}"), ha="center", va="center", color=INK)
        axis.set(xticks=[], yticks=[], title=minus(name))
        axis.spines[:].set_visible(True)
    return figure


def curves(history: dict, best_epoch: int | None = None):
    """Loss and accuracy by epoch, on the training and validation photos."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4))
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        for key, label, colour in ((name, "training", SOFT), (f"val_{name}", "validation", CAT)):
            values = history[key]
            axis.plot(range(1, len(values) + 1), values, color=colour, lw=2, label=label)
        if best_epoch:
            axis.axvline(best_epoch, color=DOG, ls=":", lw=1.5, label=f"best epoch: {best_epoch}")
        axis.set(xlabel="epoch", ylabel=name)
        axis.legend()
    return figure


def validation_curves(runs: dict):
    """Validation loss and accuracy by epoch of several runs.

    Args:
        runs: a name for each way, with a list of histories {"val_loss", "val_accuracy"}, one a
            seed; all lines of a way have one colour.
    """
    colours = (DOG, CAT, "#009E73", SOFT)
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4))
    for axis, name in zip(axes, ("val_loss", "val_accuracy"), strict=True):
        for colour, (label, histories) in zip(colours, runs.items(), strict=False):
            for i, history in enumerate(histories):
                values = history[name]
                epochs = range(1, len(values) + 1)
                axis.plot(epochs, values, color=colour, lw=1.6, label=None if i else label)
        axis.set(xlabel="epoch", ylabel=name.replace("val_", "validation "))
    axes[1].legend()
    return figure


def error_rates(measured: dict[str, dict], highlight=(), log: bool = False):
    """Error rates as points with their 95% intervals, a row a name: further left is better.

    Args:
        measured: {name: {"accuracy", "interval"}}.
        highlight: names of the rows in the second colour.
        log: a logarithmic axis, for rates that differ by a factor of ten.
    """
    figure, axis = plt.subplots(figsize=(8, 0.46 * len(measured) + 1.0))
    y = np.arange(len(measured))[::-1]
    for at, (name, row) in zip(y, measured.items(), strict=True):
        colour, error = DOG if name in highlight else CAT, 1 - row["accuracy"]
        low, high = (1 - end for end in reversed(row["interval"]))
        axis.plot((low, high), (at, at), color=colour, lw=2.5, alpha=0.6)
        axis.plot(error, at, "o", color=colour, ms=7)
        digits = 1 if error >= 0.1 else 2
        text = f"{error:.{digits}%}"
        axis.text(error, at + 0.33, text, color=colour, ha="center", va="center", fontsize=9)
    axis.set(yticks=y, yticklabels=list(measured), xlabel="error rate", ylim=(-0.5, len(y) - 0.3))
    if log:
        axis.set_xscale("log")
        ticks = [t for t in (0.005, 0.01, 0.02, 0.05, 0.1) if axis.get_xlim()[1] >= t]
        axis.set_xticks(ticks, [f"{100 * t:g}%" for t in ticks])
        axis.minorticks_off()
    else:
        axis.set_xlim(0, None)
        axis.xaxis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
    return figure


def confusion(matrix, labels=("cat", "dog")):
    """Counts and rates: rows the truth, columns the prediction."""
    matrix = np.asarray(matrix)
    rates = matrix / matrix.sum(1, keepdims=True)
    figure, axis = plt.subplots(figsize=(3.6, 3.2))
    axis.imshow(rates, cmap="Blues", vmin=0, vmax=1)
    for (i, j), n in np.ndenumerate(matrix):
        colour = "white" if rates[i, j] > 0.5 else INK
        axis.text(j, i, f"{n:,}\n{rates[i, j]:.1%}", ha="center", va="center", color=colour)
    axis.set(
        xticks=range(len(labels)),
        yticks=range(len(labels)),
        xticklabels=labels,
        yticklabels=labels,
        xlabel="prediction",
        ylabel="truth",
    )
    axis.spines[:].set_visible(False)
    return figure


def log_bars(names, values, unit: str, form: str = "{:,.0f}"):
    """Horizontal bars on a logarithmic scale, each with its value."""
    figure, axis = plt.subplots(figsize=(8, 0.42 * len(names) + 0.9))
    y = np.arange(len(names))[::-1]
    axis.barh(y, values, color=CAT, height=0.65)
    for at, value in zip(y, values, strict=True):
        axis.text(value * 1.2, at, form.format(value), va="center", fontsize=9)
    axis.set(yticks=y, yticklabels=names, xscale="log", xlabel=f"{unit} (logarithmic scale)")
    axis.set_xlim(min(values) / 2, max(values) * (max(values) / min(values)) ** 0.2)
    return figure


def accuracy_against_cost(records: dict):
    """Accuracy against what it costs to compute a photo's features: up and to the left is better.

    Args:
        records: {name: record of `catdog transfer frozen`}. Of each, model.backbone and model.size,
            validation.accuracy and .interval, and extraction.images_per_second {median, low, high}
            are drawn; those without an extraction, as older ones are, are left out.

    Raises:
        CatDogError: none has one.
    """
    known = [record for record in records.values() if "extraction" in record]
    if not known:
        raise CatDogError("no record says how fast it was: 'catdog transfer frozen' makes some.")
    figure, axis = plt.subplots(figsize=(7.5, 4.2))
    colours = cycle((CAT, DOG, "#009E73", "#CC79A7", "#E69F00", "#56B4E9"))
    for record, colour in zip(known, colours, strict=False):
        rate, right = record["extraction"]["images_per_second"], record["validation"]
        x, y = 1000 / rate["median"], right["accuracy"]
        low, high = right["interval"]
        axis.errorbar(
            x,
            y,
            xerr=[[x - 1000 / rate["high"]], [1000 / rate["low"] - x]],
            yerr=[[y - low], [high - y]],
            fmt="o",
            color=colour,
            capsize=2,
            label=f"{record['model']['backbone']}, {record['model']['size']} pixels",
        )
    axis.legend(loc="lower right")
    axis.set(xscale="log", xlabel="milliseconds for a photo's features (logarithmic)")
    axis.set_ylabel("accuracy")
    axis.margins(x=0.15)
    low, high = axis.get_xlim()
    ticks = [n * ten for ten in (0.1, 1, 10, 100, 1000) for n in (1, 1.5, 2, 3, 4, 6, 8)]
    axis.set_xticks([tick for tick in ticks if low < tick < high])
    axis.minorticks_off()
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter(lambda v, _: f"{v:.1%}")
    return figure
