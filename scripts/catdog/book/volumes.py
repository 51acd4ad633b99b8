"""Networks drawn as volumes: a box for each layer's output, as in the papers."""

from __future__ import annotations

from typing import NamedTuple

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from matplotlib.colors import to_rgb

from catdog.book.plots import CAT, DOG, INK, SOFT

POOLING = (layers.MaxPooling2D, layers.AveragePooling2D)
COLOURS = {"input": SOFT, "conv": CAT, "pool": "#56B4E9", "flatten": "#E69F00", "dense": DOG}
LEAN = (0.32, 0.2)  # how far the back of a box stands right of and above its front, by height
TALL, THICK, THIN = 1.15, 0.55, 0.2  # inches: the tallest box; the thickest, as there is room
KNEE, GAP = 0.03, 0.1  # inches between boxes of one run, and between labels
LETTER = 0.09  # inches: how wide a letter of a label is


class Stage(NamedTuple):
    """One box: what made it, its shape (h, w, c) or (n,), and how many alike follow each other."""

    kind: str
    label: str
    shape: tuple[int, ...]
    kernel: int = 0
    parted: bool = False  # its two halves see only the half before them
    repeat: int = 1


def stages(model: keras.Model, flat: bool = False) -> list[Stage]:
    """Return the boxes of a sequential model: input, convolutions, poolings, dense layers.

    With `flat` also what Flatten makes. Convolutions in a row whose outputs have one shape become
    one stage with `repeat`.
    """
    found = [Stage("input", "input", tuple(model.inputs[0].shape[1:]))]
    for layer in model.layers:
        shape = tuple(layer.output.shape[1:])
        if isinstance(layer, layers.Conv2D):
            k = layer.kernel_size[0]
            new = Stage("conv", f"conv\n{k}×{k}", shape, k, layer.groups > 1)
        elif isinstance(layer, POOLING):
            k = layer.pool_size[0]
            new = Stage("pool", f"pool\n{k}×{k}", shape, k, True)
        elif isinstance(layer, layers.Dense):
            new = Stage("dense", "dense", shape)
        elif isinstance(layer, layers.Flatten) and flat:
            new = Stage("flatten", "flatten", shape)
        else:
            continue
        if new.kind == "conv" and new == found[-1]._replace(repeat=1):
            found[-1] = new._replace(repeat=found[-1].repeat + 1)
        else:
            found.append(new)
    return found


class _Scale:
    """From numbers to inches: lengths grow with the square root, so that all can be seen."""

    def __init__(self, boxes: list[Stage], labels: list[tuple[str, str]], towers: int):
        self.towers, self.thick = towers, THICK
        self.tall = TALL if towers == 1 else 0.8 * TALL
        solid = [box.shape for box in boxes if len(box.shape) == 3]
        self.side, self.channels = max(s[0] for s in solid), max(s[2] for s in solid)
        self.units = max((box.shape[0] for box in boxes if len(box.shape) == 1), default=1)
        lines = [[len(line) for part in label for line in part.split("\n")] for label in labels]
        self.letters = [LETTER * max(line) + GAP for line in lines]

    def box(self, stage: Stage) -> tuple[float, float, tuple[float, float]]:
        """Return the thickness and the height of a box, and where its back stands."""
        if len(stage.shape) == 1:
            return 0.11, self.tall * max(stage.shape[0] / self.units, 0.01) ** 0.5, (0.0, 0.0)
        height = self.tall * (stage.shape[0] / self.side) ** 0.5
        thick = 0.04 + self.thick * (stage.shape[2] / self.channels / self.towers) ** 0.5
        return thick, height, (LEAN[0] * height, LEAN[1] * height)

    def width(self, stage: Stage) -> float:
        thick, _, (right, _) = self.box(stage)
        return stage.repeat * thick + (stage.repeat - 1) * KNEE + right

    def slots(self, boxes: list[Stage]) -> list[float]:
        """How wide the place of each box is, its labels included."""
        return [max(self.width(b) + GAP, w) for b, w in zip(boxes, self.letters, strict=True)]

    def rows(self, boxes: list[Stage], room: float) -> list[list[int]]:
        """Share the boxes out to as few rows of this width as can be, and set how thick they are.

        Towers stay in one row.
        """
        for n in range(1, 2 if self.towers > 1 else len(boxes) + 1):
            parts = [list(part) for part in np.array_split(np.arange(len(boxes)), n)]
            for self.thick in np.arange(THICK, THIN, -0.01):
                slots = self.slots(boxes)
                if all(sum(slots[i] for i in part) <= room for part in parts):
                    return parts
        return parts


def _pale(colour: str, strength: float):
    """A colour on white, through which nothing behind it is seen."""
    return 1 - strength * (1 - np.array(to_rgb(colour)))


def _box(axis, x, y, thick, height, lean, colour):
    """Draw a box whose front's left edge is at x and whose middle is at y."""
    low, up, (right, rise) = y - height / 2, y + height / 2, lean
    far = x + thick
    how = {"ec": "white", "lw": 0.8}
    axis.fill((x, far, far, x), (low, low, up, up), color=colour, **how)
    if right:
        top = (x, far, far + right, x + right), (up, up, up + rise, up + rise)
        side = (far, far + right, far + right, far), (low, low + rise, up + rise, up)
        axis.fill(*top, color=_pale(colour, 0.7), **how)
        axis.fill(*side, color=_pale(colour, 0.45), **how)


def _kernel(axis, start, thick, height, lean, share, end):
    """Draw the window of a kernel on a box's right side, and lines from it to the next box."""
    (x, y), (right, rise) = start, lean
    share = max(share, 0.12)
    left, wide, tall = x + thick + 0.35 * right, share * right, share * height
    low = y - tall / 2 + 0.35 * rise
    corners = [
        (left, low),
        (left + wide, low + share * rise),
        (left + wide, low + share * rise + tall),
        (left, low + tall),
    ]
    axis.add_patch(plt.Polygon(corners, fill=False, ec=INK, lw=1.1, zorder=5))
    for corner in corners[1:3]:
        axis.plot(*zip(corner, end, strict=True), color=INK, lw=0.7, ls=":", zorder=5)


def _links(axis, before, after, crossing):
    """Draw which towers a layer sees: lines from the boxes before to those after."""
    for i, start in enumerate(before):
        for j, end in enumerate(after):
            if crossing or i == j or len(before) == 1:
                colour = DOG if crossing and (i != j or len(after) == 1) else SOFT
                axis.plot(*zip(start, end, strict=True), color=colour, lw=1.1, zorder=0)


def _labels(boxes: list[Stage], names: list[str] | None, towers: int) -> list[tuple[str, str]]:
    """What stands above each box, and its shape, or that of a half."""
    found = []
    for i, stage in enumerate(boxes):
        shape = list(stage.shape)
        if 0 < i < len(boxes) - 1:
            shape[-1] //= towers
        name = stage.label if stage.repeat == 1 else f"{stage.repeat} × {stage.label}"
        below = "×".join(map(str, shape[:2])) + "".join(f"\n×{n}" for n in shape[2:])
        found.append((names[i] if names else name, below))
    return found


def draw(
    model: keras.Model,
    names: list[str] | None = None,
    towers: int = 1,
    flat: bool = False,
    width: float = 8,
):
    """Draw a sequential model as volumes: height and width of a box, its thickness the channels.

    Lengths grow with the square root of the numbers, which stand below. The small frames are
    kernels. A vector is a bar. What is too long for one row goes on in the next.

    Args:
        names: what stands above the boxes, instead of the kinds of layers.
        towers: 2 draws each layer between the first and the last as two halves, one above the
            other, each with the shape that stands below. Orange lines show where a half sees both
            halves before it.
        flat: draw what Flatten makes, too.
        width: of the figure, in inches; labels keep their size.
    """
    boxes = stages(model, flat)
    labels = _labels(boxes, names, towers)
    scale = _Scale(boxes, labels, towers)
    parts = scale.rows(boxes, width)
    middles = [0.0] if towers == 1 else [0.85 * scale.tall, -0.85 * scale.tall]
    reach = 0.72 * TALL + middles[0]
    figure = plt.figure(figsize=(width, (2 * reach + 0.9) * len(parts)), layout="none")
    for row, part in enumerate(parts):
        axis = figure.add_axes((0, 1 - (row + 1) / len(parts), 1, 1 / len(parts)))
        places = _row(axis, scale, boxes, part, middles, width)
        for i, x in zip(part, places, strict=True):
            how: dict = {"ha": "center", "fontsize": 10, "color": INK}
            axis.text(x, reach + 0.08, labels[i][0], va="bottom", **how)
            axis.text(x, -reach + 0.18, labels[i][1], va="top", **how)
        axis.set(xlim=(0, width), ylim=(-reach - 0.3, reach + 0.6))
        axis.axis("off")
    return figure


def _row(axis, scale: _Scale, boxes: list[Stage], part: list[int], middles, width: float):
    """Draw some of the boxes, from left to right; return the middle of each place.

    A kernel whose output stands in the next row points to the right edge.
    """
    slots = scale.slots(boxes)
    gap = (width - sum(slots[i] for i in part)) / len(part)
    left, before, places = gap / 2, (0.0, [(0.0, 0.0)]), []
    for i in part:
        stage = boxes[i]
        thick, height, lean = scale.box(stage)
        half = scale.width(stage) / 2
        x, end = left + slots[i] / 2 - half, left + slots[i] / 2 + half
        rows = middles if 0 < i < len(boxes) - 1 else [0.0]
        if i > 0 and scale.towers == 2:
            crossing = not stage.parted and len(before[1]) == 2
            _links(axis, before[1], [(x, y) for y in rows], crossing)
        if scale.towers == 1 and i == part[0] and stage.kernel:
            axis.plot((0, x), (0, 0), color=INK, lw=0.7, ls=":", zorder=5)
        elif scale.towers == 1 and stage.kernel:
            shape = scale.box(boxes[i - 1])
            start = (before[0] - shape[0] - shape[2][0], 0.0)
            _kernel(axis, start, *shape, stage.kernel / boxes[i - 1].shape[0], (x, 0.0))
        for y in rows:
            for k in range(stage.repeat):
                _box(axis, x + k * (thick + KNEE), y, thick, height, lean, COLOURS[stage.kind])
        before = end, [(end - lean[0] / 2, y + lean[1] / 2) for y in rows]
        places.append(left + slots[i] / 2)
        left += slots[i] + gap
    follower = boxes[part[-1] + 1] if part[-1] + 1 < len(boxes) else None
    if follower and follower.kernel and scale.towers == 1:
        start = (before[0] - thick - lean[0], 0.0)
        share = follower.kernel / stage.shape[0]
        _kernel(axis, start, thick, height, lean, share, (width, 0.0))
    return places


def _sheet(axis, x, n, cell, colours):
    """Draw n×n leaning cells; return the corners of the right edge and of the left one."""
    lean = 0.45

    def corner(i, j):
        return x + cell * 0.62 * j, cell * (n / 2 - i + lean * (j - n / 2))

    for (i, j), colour in colours.items():
        points = [corner(i, j), corner(i, j + 1), corner(i + 1, j + 1), corner(i + 1, j)]
        axis.add_patch(plt.Polygon(points, fc=colour, ec=INK, lw=0.8, alpha=0.8))
    return [corner(0, n), corner(n, n)], [corner(0, 0), corner(n, 0)]


def receptive(kernels=(3, 3), width: float = 8):
    """Draw what one number sees through convolutions in a row, without padding.

    Orange are a window of the input and the number that it gives; blue is what the last one sees.

    Args:
        kernels: their sides, from the input on.
    """
    sides = [1 + sum(k - 1 for k in kernels[i:]) for i in range(len(kernels) + 1)]
    orange = [kernels[0], 1, *[0] * (len(sides) - 2)]
    figure = plt.figure(figsize=(width, 3.1), layout="none")
    axis = figure.add_axes((0, 0, 1, 1))
    cell, step = 2.0 / (1.45 * sides[0]), width / len(sides)
    ends: list = []
    for i, n in enumerate(sides):
        colours = {
            (y, x): DOG if max(y, x) < orange[i] and n > 1 else CAT
            for y in range(n)
            for x in range(n)
        }
        right, left = _sheet(axis, (i + 0.5) * step - 0.31 * cell * n, n, cell, colours)
        for start, end in zip(ends, left, strict=False):
            axis.plot(*zip(start, end, strict=True), color=INK, lw=0.8, ls=":")
        ends = right
        made = f"after conv {kernels[i - 1]}×{kernels[i - 1]}" if i else "input"
        text: dict = {"ha": "center", "va": "top", "fontsize": 9.5, "color": INK}
        axis.text((i + 0.5) * step, -1.32, f"{made}\n{n}×{n}", **text)
    axis.set(xlim=(0, width), ylim=(-1.9, 1.2))
    axis.axis("off")
    return figure


def windows(n: int, rows: dict, width: float = 8):
    """Draw n cells in a row, and below them where windows of a pooling lie.

    Args:
        rows: {name: (size of the window, stride)}. Cells that no window covers stay white.
    """
    figure, axes = plt.subplots(len(rows), 1, figsize=(width, 1.5 * len(rows)))
    for axis, (name, (size, stride)) in zip(np.atleast_1d(axes), rows.items(), strict=True):
        starts = range(0, n - size + 1, stride)
        covered = {cell for start in starts for cell in range(start, start + size)}
        for cell in range(n):
            colour = COLOURS["pool"] if cell in covered else "white"
            axis.add_patch(plt.Rectangle((cell, 0), 1, 1, fc=colour, ec=INK, lw=0.8))
        for k, start in enumerate(starts):
            y, colour = -0.35 - 0.3 * (k % 2), (CAT, DOG)[k % 2]
            axis.plot((start + 0.1, start + size - 0.1), (y, y), color=colour, lw=4)
        axis.set(xlim=(-0.2, n + 0.2), ylim=(-0.95, 1.1), title=f"{name}: {len(starts)} windows")
        axis.axis("off")
    return figure


def show(table) -> None:
    """Print a table of layers, a data frame, with a comma in numbers from 1,000 on."""
    print(table.to_string(index=False, formatters=dict.fromkeys(table.columns[2:], "{:,}".format)))


def most_active(model: keras.Model, layer, photos: np.ndarray, size: int, channels: int = 10):
    """Find the channels of a layer that stand out most, and where in the photos they do.

    A channel stands out by its largest activation, in standard deviations of all of them.

    Args:
        photos: (n, h, h, 3), as the model takes them.
        size: in pixels, the side of the pieces: the layer's receptive field.

    Returns:
        the channels' numbers, and of each the piece (size, size, 3) where it is largest; what lies
        beyond a photo's border is grey.
    """
    maps = keras.ops.convert_to_numpy(keras.Model(model.inputs, layer.output)(photos))
    edge = ((0, 0), (size, size), (size, size), (0, 0))
    padded, stride = np.pad(photos, edge, constant_values=127), photos.shape[1] // maps.shape[1]
    chosen = np.argsort(-maps.max((0, 1, 2)) / (maps.std((0, 1, 2)) + 1e-6))[:channels]
    pieces = []
    for channel in chosen:
        i, y, x = np.unravel_index(maps[..., channel].argmax(), maps.shape[:3])
        top, left = (int((at + 0.5) * stride) + size - size // 2 for at in (y, x))
        pieces.append(padded[i, top : top + size, left : left + size])
    return chosen, pieces
