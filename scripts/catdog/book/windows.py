"""Drawings for the chapters on convolution: windows on a picture, and what layers do to a stack."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from catdog.book.plots import CAT, DOG, INK, SOFT, minus

PALE = "#D8E6F0"  # CAT, in a ninth of its strength: fills what numbers or lines stand on


def frame(axis, row: float, column: float, height: float, width: float, **how) -> None:
    """Draw the frame of a window whose first pixel is (row, column)."""
    style: dict = {"fill": False, "ec": DOG, "lw": 3, "zorder": 5} | how
    axis.add_patch(plt.Rectangle((column - 0.5, row - 0.5), width, height, **style))


def table(
    axis, values, title: str = "", *, signed: bool = False, known=None, size: float = 12, top=None
):
    """Draw an array (h, w) as a grid of numbers; where `known` is false, a cell is left empty.

    Its colours reach to `top`, by default to its own largest number.
    """
    values = np.asarray(values, float) + 0.0  # no -0
    top = 2.2 * (top or max(np.abs(values).max(), 1e-12))
    seen = values if known is None else np.where(known, values, np.nan)
    axis.imshow(seen, cmap="PuOr_r" if signed else "gray", vmin=-top if signed else -top / 2.2,
                vmax=top if signed else top / 2.2)  # fmt: skip
    for (y, x), value in np.ndenumerate(seen):
        if np.isfinite(value):
            axis.text(x, y, minus(f"{value:g}"), ha="center", va="center", fontsize=size)
    axis.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(values.shape[0] - 0.5, -0.5))
    axis.set_xticks(np.arange(values.shape[1] + 1) - 0.5, [])
    axis.set_yticks(np.arange(values.shape[0] + 1) - 0.5, [])
    axis.grid(color="white", lw=1)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(True)
    axis.set_title(minus(title), fontsize=11)


def row_of_tables(arrays: dict, signed=(), cell: float = 0.46, between: str = "", below: float = 0):
    """Draw arrays (h, w) side by side, their cells all of one size.

    Args:
        arrays: {title: array}.
        signed: titles of those with a colour for positive and one for negative numbers.
        between: signs that stand between them, one for each gap.
        below: inches to leave free under them.

    Returns:
        the figure and its axes.
    """
    wide = [max(np.shape(a)[1], 2.2) for a in arrays.values()]
    tall = max(np.shape(a)[0] for a in arrays.values())
    width = cell * (sum(wide) + 1.4 * (len(wide) - 1)) + 0.4
    figure = plt.figure(figsize=(width, cell * tall + 0.45 + below), layout="none")
    bottom, high = figure.get_figheight() - cell * tall - 0.4, figure.get_figheight()
    longest = max(len(f"{v:g}") for a in arrays.values() for v in np.ravel(a))
    size = min(12 if cell > 0.4 else 9, 90 * cell / longest)  # points: within the cells
    left, axes = 0.2, []
    for i, (title, values) in enumerate(arrays.items()):
        h, w = np.shape(values)
        x, y = left + cell * (wide[i] - w) / 2, bottom + cell * (tall - h) / 2
        axis = figure.add_axes((x / width, y / high, cell * w / width, cell * h / high))
        table(axis, values, title, signed=title in signed, size=size)
        left += cell * wide[i]
        if i < len(between):
            middle = (left + 0.7 * cell) / width, (bottom + cell * tall / 2) / high
            figure.text(*middle, between[i], ha="center", va="center", fontsize=18)
        left += 1.4 * cell
        axes.append(axis)
    return figure, axes


def products(window, kernel) -> str:
    """Write out the sum of products of a window and a kernel, a line for each row of them."""

    def term(a, b):
        return f"{a:g}×{b:g}" if b >= 0 else f"{a:g}×({b:g})"

    lines = [" + ".join(map(term, *pair)) for pair in zip(window, kernel, strict=True)]
    total = f"{(np.asarray(window) * kernel).sum():g}"
    return minus("\n+ ".join(lines) + f" = {total}")


def arithmetic(picture, kernel, at=(0, 0)):
    """Draw picture (h, w), kernel (kh, kw) and result, and the sum of one window written out.

    The result is filled up to that window, in the order in which one reads.
    """
    kh, kw = kernel.shape
    (row, column), seen = at, np.lib.stride_tricks.sliding_window_view(picture, kernel.shape)
    result = np.einsum("yxij,ij->yx", seen, kernel)
    known = np.arange(result.size).reshape(result.shape) <= row * result.shape[1] + column
    lines = products(seen[row, column], kernel)
    below = 0.35 + 0.22 * lines.count("\n")
    arrays = {"picture": picture, "kernel": kernel, "result": result}
    figure, axes = row_of_tables(arrays, ("kernel", "result"), between="∗=", below=below)
    axes[2].clear()
    table(axes[2], result, "result", signed=True, known=known)
    frame(axes[0], row, column, kh, kw)
    frame(axes[2], row, column, 1, 1)
    figure.text(0.5, 0.02, lines, ha="center", va="bottom", fontsize=12, color=DOG)
    return figure


def zoom(photo, rows: slice, columns: slice, width: float = 9):
    """Draw a photo with a frame on it, and beside it what is in the frame, large."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(width, 0.36 * width))
    for axis, picture in ((left, photo), (right, photo[rows, columns])):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set(xlabel="column")
    left.set(ylabel="row")
    high, wide = rows.stop - rows.start, columns.stop - columns.start
    frame(left, rows.start, columns.start, high, wide)
    right.spines[:].set(visible=True, color=DOG, linewidth=3)
    right.set_title(f"the frame: {high}×{wide} pixels")
    return figure


def placements(settings: dict, n: int = 6, k: int = 3):
    """Draw where a kernel lies on a picture of n×n pixels: its first place and its last in a row.

    Args:
        settings: {name: dict of stride, padding and dilation, as far as they are not 1, 0, 1}.
    """
    figure, axes = plt.subplots(1, len(settings), figsize=(3.3 * len(settings), 3.4))
    for axis, (name, how) in zip(np.atleast_1d(axes), settings.items(), strict=True):
        s, p, d = how.get("stride", 1), how.get("padding", 0), how.get("dilation", 1)
        reach = d * (k - 1) + 1
        result = (n + 2 * p - reach) // s + 1
        for y, x in np.ndindex(n + 2 * p, n + 2 * p):
            inside = p <= y < n + p and p <= x < n + p
            fill, line = (PALE, "-") if inside else ("white", ":")
            frame(axis, y, x, 1, 1, fill=True, fc=fill, ec=SOFT, lw=1, ls=line, zorder=1)
        for start, colour, mark in ((0, DOG, "o"), (s * (result - 1), CAT, "s")):
            frame(axis, 0, start, reach, reach, ec=colour)
            taps = d * np.arange(k)
            size = 5 if start or result == 1 else 9  # both are seen where they meet
            x, y = np.meshgrid(start + taps, taps)
            axis.plot(x.ravel(), y.ravel(), mark, color=colour, ms=size, zorder=6)
        edge = n + 2 * p - 0.2
        axis.set(xlim=(-0.8, edge), ylim=(edge, -0.8), aspect="equal")
        axis.axis("off")
        axis.set_title(f"{name}: {n}×{n} → {result}×{result}")
    return figure


def channels(patch, kernel):
    """Draw a window (k, k, 3) of a colour photo, its kernel, and how they become one number."""
    sums = (patch * kernel).sum((0, 1)) + 0.0  # no -0
    figure, axes = plt.subplots(3, 2, figsize=(6.6, 5.4), width_ratios=(1, 1))
    for c, name in enumerate(("red", "green", "blue")):
        table(axes[c, 0], patch[:, :, c], f"window, {name}", size=10, top=patch.max())
        table(axes[c, 1], kernel[:, :, c], f"kernel, {name}", signed=True, size=10)
        axes[c, 1].text(
            1.2, 0.5, minus(f"→ {sums[c]:g}"), transform=axes[c, 1].transAxes,
            fontsize=13, va="center",
        )  # fmt: skip
        axes[c, 0].text(1.65, 0.5, "×", transform=axes[c, 0].transAxes, fontsize=16, va="center")
    total = " + ".join(f"{v:g}" if v >= 0 else f"({v:g})" for v in sums)
    text = minus(f"{total} = {sums.sum():g}")
    figure.supxlabel(text, fontsize=13, color=DOG)
    return figure


def pooling(x, at=(0, 0)):
    """Draw an array (h, w) in squares of 2×2, and the largest of each; one square is framed."""
    h, w = x.shape
    small = np.max([x[i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0)
    arrays = {f"{h}×{w}": x, f"{h // 2}×{w // 2}": small}
    figure, axes = row_of_tables(arrays, cell=0.36, between="→", below=0.35)
    for edge in range(2, h, 2):
        axes[0].axhline(edge - 0.5, color=INK, lw=1.5)
    for edge in range(2, w, 2):
        axes[0].axvline(edge - 0.5, color=INK, lw=1.5)
    row, column = at
    frame(axes[0], 2 * row, 2 * column, 2, 2)
    frame(axes[1], row, column, 1, 1)
    square = x[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel()
    text = f"max({', '.join(f'{v:g}' for v in square)}) = {square.max():g}"
    figure.text(0.5, 0.02, text, ha="center", va="bottom", fontsize=12, color=DOG)
    return figure


def receptive(stack, width: float = 10):
    """Draw from the side which pixels one number at the top of a stack of layers depends on.

    Args:
        stack: from the bottom, (name, side of the kernel, stride) of each layer.
    """
    starts, jumps = [0.0], [1]  # of each level: its first neuron's place, and how far to the next
    for _, k, s in stack:
        starts.append(starts[-1] + (k - 1) / 2 * jumps[-1])
        jumps.append(jumps[-1] * s)
    ranges = [(1, 1)]  # the neurons that are seen, from the top down: first and last
    counts = [3]
    for _, k, s in reversed(stack):
        first, last = ranges[0]
        ranges.insert(0, (first * s, last * s + k - 1))
        counts.insert(0, (counts[0] - 1) * s + k)
    figure, axis = plt.subplots(figsize=(width, 0.8 * len(counts) + 0.3))
    for level, (count, (first, last)) in enumerate(zip(counts, ranges, strict=True)):
        place = starts[level] + jumps[level] * np.arange(count)
        seen = place[first : last + 1]
        axis.plot(place, np.full(count, level), "s", color=PALE, mec=SOFT, ms=9)
        axis.plot(seen, np.full(len(seen), level), "s", color=DOG, mec=INK, ms=9, zorder=4)
        name = stack[level - 1][0] if level else "picture"
        axis.text(-1.2, level, name, ha="right", va="center", fontsize=11)
        right = counts[0] + 0.2
        pixels = ranges[0][1] - ranges[0][0] + 1
        text = f"depends on {pixels} pixels" if level == len(stack) else f"{last - first + 1} used"
        axis.text(right, level, text, va="center", fontsize=11, color=DOG)
        if level:
            _, k, s = stack[level - 1]
            below = starts[level - 1] + jumps[level - 1] * np.arange(counts[level - 1])
            for u in range(first, last + 1):
                for v in below[u * s : u * s + k]:
                    axis.plot((place[u], v), (level, level - 1), color=SOFT, lw=0.9, zorder=1)
    axis.set(xlim=(-1, counts[0] + 0.1), ylim=(-0.4, len(stack) + 0.4))
    axis.axis("off")
    return figure


def nested(photo, sides: dict, at, width: float = 6):
    """Draw squares around one place (row, column) of a photo: {name: side in pixels}."""
    figure, axis = plt.subplots(figsize=(width, 0.72 * width))
    axis.imshow(photo)
    styles = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
    colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for (name, side), style, colour in zip(sides.items(), styles, colours, strict=False):
        row, column = at[0] - (side - 1) / 2, at[1] - (side - 1) / 2
        label = f"{name}: {side}×{side}"
        frame(axis, row, column, side, side, ec=colour, ls=style, lw=2.2, label=label)
    axis.axis("off")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=11)
    return figure


def flatten(maps, names=("cat", "dog")):
    """Draw how maps (h, w, c) become one row of numbers, each connected with every output."""
    h, w, c = maps.shape
    row = maps.reshape(-1)
    figure = plt.figure(figsize=(10, 3.9), layout="none")
    for k in range(c):
        axis = figure.add_axes([0.01, 0.06 + 0.32 * (c - 1 - k), 0.2, 0.21])
        table(axis, maps[:, :, k], f"map {k + 1}", size=11)
    axis = figure.add_axes([0.25, 0.02, 0.74, 0.96])
    axis.set(xlim=(0, 10), ylim=(-0.5, len(row) + 0.2))
    axis.axis("off")
    axis.annotate("", (2.6, len(row) / 2), (0.2, len(row) / 2), arrowprops={"arrowstyle": "->"})
    axis.text(1.4, len(row) / 2 + 0.4, "flatten", ha="center", fontsize=12)
    ends = np.linspace(len(row) * 0.75, len(row) * 0.25, len(names)) - 0.5
    for i, value in enumerate(row):
        y = len(row) - 1 - i
        axis.add_patch(plt.Rectangle((3, y - 0.42), 0.8, 0.84, fc=PALE, ec=SOFT))
        axis.text(3.4, y, f"{value:g}", ha="center", va="center", fontsize=10)
        for end, colour in zip(ends, (CAT, DOG), strict=False):
            axis.plot((3.8, 7.7), (y, end), color=colour, lw=0.9)
    for name, end, colour in zip(names, ends, (CAT, DOG), strict=False):
        axis.plot(7.9, end, "o", color=colour, ms=22)
        axis.text(8.4, end, name, va="center", fontsize=13)
    axis.text(
        5.7, len(row) - 0.4, f"dense: {row.size}×{len(names)} weights", ha="center", fontsize=12
    )
    return figure


def overview(photo, maps):
    """Draw a convolutional network in one picture: what the photo becomes, step by step.

    Args:
        photo: grey, (h, w).
        maps: what four filters make of it, (h, w, 4).
    """
    positive = np.maximum(maps, 0)
    h, w = (side // 8 * 8 for side in maps.shape[:2])
    small = positive[:h, :w].reshape(h // 8, 8, w // 8, 8, -1).max((1, 3))
    stages = [
        ("photo", [photo], ""),
        ("convolution", np.moveaxis(maps, 2, 0), "finds\npatterns"),
        ("ReLU", np.moveaxis(positive, 2, 0), "keeps what\nwas found"),
        ("max pooling", np.moveaxis(small, 2, 0), "makes it\nsmaller"),
    ]
    figure, axis = plt.subplots(figsize=(11, 3.5))
    x, side = 0.0, 1.9
    for name, pictures, purpose in stages:
        tall = side * (0.62 if name == "max pooling" else 1)
        for k in range(len(pictures) - 1, -1, -1):
            picture, shift = pictures[k], 0.24 * k
            top = np.quantile(np.abs(picture), 0.99) + 1e-9
            box = (x + shift, x + shift + tall * 1.2, shift - tall / 2, shift + tall / 2)
            limits = {"vmin": -top if picture.min() < 0 else 0, "vmax": top, "zorder": 9 - k}
            axis.imshow(picture, extent=box, cmap="gray", **limits)
            frame(
                axis,
                box[2] + 0.5,
                x + shift + 0.5,
                tall,
                tall * 1.2,
                ec="white",
                lw=1.2,
                zorder=9 - k,
            )
        axis.text(x + tall * 0.6, -1.2, name, ha="center", va="top", fontsize=12, weight="bold")
        axis.text(x + tall * 0.6, -1.5, purpose, ha="center", va="top", fontsize=11)
        x += tall * 1.2 + 0.24 * len(pictures) + 0.35
    heights = np.linspace(1.15, -1.0, 12)
    axis.plot(np.full(12, x + 0.2), heights, "s", color=PALE, mec=SOFT, ms=9)
    for end, name, colour in ((0.55, "cat", CAT), (-0.45, "dog", DOG)):
        for y in heights:
            axis.plot((x + 0.3, x + 1.9), (y, end), color=colour, lw=0.7)
        axis.plot(x + 2, end, "o", color=colour, ms=18)
        axis.text(x + 2.3, end, name, va="center", fontsize=12)
    axis.text(x + 1.1, -1.2, "flatten, dense", ha="center", va="top", fontsize=12, weight="bold")
    axis.text(x + 1.1, -1.5, "weighs it up:\ncat or dog?", ha="center", va="top", fontsize=11)
    axis.set(xlim=(-0.1, x + 3), ylim=(-2.3, 1.8), aspect="equal")
    axis.axis("off")
    return figure
