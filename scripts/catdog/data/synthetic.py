"""Draw cats and dogs: the sample data set, for readers who have no photos at hand.

Coats, colours, poses, backgrounds, clutter, light, noise and sizes are drawn from the same
distributions for both animals. What differs is what differs in nature: ears, muzzle, nose, eyes,
whiskers and tail.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import cv2
import numpy as np
from PIL import Image

VERSION = 1  # counted up when the same seed draws other pictures
FIXED = 4  # OpenCV's fixed-point bits: sixteenths of a pixel

COATS = np.array(
    [
        (38, 36, 40),
        (84, 82, 88),
        (140, 138, 142),
        (198, 196, 198),
        (238, 234, 226),
        (232, 208, 168),
        (214, 164, 92),
        (204, 118, 52),
        (150, 92, 52),
        (98, 62, 40),
        (182, 150, 116),
    ],
    np.float32,
)
IRISES = ((92, 60, 34), (150, 104, 40), (196, 150, 50), (110, 140, 70), (96, 140, 170))


def _ellipse(x, y, rx, ry, turn=0.0, n=40) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    a, b = rx * np.cos(t), ry * np.sin(t)
    c, s = np.cos(turn), np.sin(turn)
    return np.stack([x + a * c - b * s, y + a * s + b * c], 1)


def _smooth(points, rounds=3) -> np.ndarray:
    """Round the corners of a closed polygon (Chaikin 1974)."""
    p = np.asarray(points, float)
    for _ in range(rounds):
        q = np.roll(p, -1, 0)
        p = np.stack([0.75 * p + 0.25 * q, 0.25 * p + 0.75 * q], 1).reshape(-1, 2)
    return p


def _ribbon(points, start, end) -> np.ndarray:
    """The outline of a band along a curve, its half-width going from `start` to `end`."""
    p = np.asarray(points, float)
    t = np.linspace(0, 1, 30)[:, None]
    line = (
        (1 - t) ** 3 * p[0] + 3 * t * (1 - t) ** 2 * p[1] + 3 * t**2 * (1 - t) * p[2] + t**3 * p[3]
    )
    along = np.gradient(line, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.linalg.norm(along, axis=1)[:, None]
    width = (start + (end - start) * t) * np.sqrt(np.clip(1 - (2 * t - 1) ** 16, 0, 1))
    return np.concatenate([line + across * width, (line - across * width)[::-1]])


def _cloud(rng, height, width, cell) -> np.ndarray:
    """Smooth noise (height, width) in [0, 1], its blobs about `cell` pixels wide."""
    small = rng.random((max(2, int(height / cell) + 2), max(2, int(width / cell) + 2)), np.float32)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


class Canvas:
    """A picture (height, width, 3) in float32, 0 to 255, drawn on in units of a frame."""

    def __init__(self, height: int, width: int):
        self.pixels = np.zeros((height, width, 3), np.float32)
        self.frame = np.eye(2, 3)

    def place(self, x, y, scale, turn=0.0, mirror=False):
        """Set the frame: unit lengths become `scale` pixels about the pixel (x, y)."""
        c, s, m = np.cos(turn) * scale, np.sin(turn) * scale, -1 if mirror else 1
        self.frame = np.array([[m * c, -s, x], [m * s, c, y]])

    def to_pixels(self, points) -> np.ndarray:
        return np.asarray(points, float) @ self.frame[:, :2].T + self.frame[:, 2]

    @property
    def scale(self) -> float:
        return float(np.hypot(*self.frame[:, 1]))

    def fill(self, points, colour, shade=0.0, alpha=1.0, grain=None):
        """Fill a polygon with a colour (3,) or a picture of the canvas's shape.

        `shade` darkens it towards its edge and its lower side, as a round body looks in daylight.
        """
        height, width = self.pixels.shape[:2]
        pixels = self.to_pixels(points)
        x0, y0 = np.floor(pixels.min(0)).astype(int) - 1
        x1, y1 = np.ceil(pixels.max(0)).astype(int) + 2
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        if x0 >= x1 or y0 >= y1:
            return
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        corners = np.round((pixels - (x0, y0)) * (1 << FIXED)).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, FIXED)
        box = self.pixels[y0:y1, x0:x1]
        paint = colour[y0:y1, x0:x1] if np.ndim(colour) == 3 else np.float32(colour)
        if shade:
            size = max(3, int(0.35 * min(np.ptp(pixels[:, 0]), np.ptp(pixels[:, 1])))) | 1
            soft = cv2.blur(mask, (size, size), borderType=cv2.BORDER_REPLICATE)
            soft = cv2.blur(soft, (size, size), borderType=cv2.BORDER_REPLICATE)
            light = (1 - shade) + shade * (soft.astype(np.float32) / 200)
            paint = paint * light[..., None]
        if grain is not None:
            paint = paint * grain[y0:y1, x0:x1, None]
        weight = mask[..., None].astype(np.float32) * np.float32(alpha / 255)
        box += (paint - box) * weight

    def line(self, points, colour, thickness):
        """Draw an open line; thickness in units of the frame."""
        pixels = np.round(self.to_pixels(points) * (1 << FIXED)).astype(np.int32)
        wide = max(1, int(round(thickness * self.scale)))
        colour = tuple(float(c) for c in colour)
        cv2.polylines(self.pixels, [pixels], False, colour, wide, cv2.LINE_AA, FIXED)


# ---- what stands around the animal -------------------------------------------------------------


def _colour(rng, low=40, high=230):
    return rng.uniform(low, high, 3).astype(np.float32)


def _gradient(canvas, top, bottom, y0, y1):
    height = canvas.pixels.shape[0]
    a, b = int(y0 * height), int(np.ceil(y1 * height))
    t = np.linspace(0, 1, b - a, dtype=np.float32)[:, None, None]
    canvas.pixels[a:b] = top * (1 - t) + bottom * t


def _outdoors(canvas, rng, horizon):
    height, width = canvas.pixels.shape[:2]
    skies = ((120, 170, 225), (170, 195, 215), (235, 190, 150), (90, 105, 150), (205, 215, 220))
    grounds = ((96, 140, 62), (136, 150, 70), (190, 172, 128), (226, 230, 236), (120, 96, 70))
    sky = np.float32(skies[rng.integers(len(skies))]) + rng.normal(0, 10, 3).astype(np.float32)
    ground = np.float32(grounds[rng.integers(len(grounds))]) + rng.normal(0, 12, 3)
    ground = ground.astype(np.float32)
    _gradient(canvas, sky * 0.85, sky * 0.5 + 125, 0, horizon)
    _gradient(canvas, ground * 0.8, ground * 1.1, horizon, 1)
    for _ in range(rng.integers(0, 3)):  # hills
        x, wide = rng.uniform(0, width), rng.uniform(0.3, 0.7) * width
        tall = rng.uniform(0.05, 0.2) * height
        green = sky * 0.4 + ground * rng.uniform(0.4, 0.6)
        hill = _ellipse(x, horizon * height, wide, tall)
        canvas.fill(np.minimum(hill, (np.inf, horizon * height)), green, 0.2)
    for _ in range(rng.integers(0, 5)):  # trees
        x, tall = rng.uniform(0, width), rng.uniform(0.1, 0.35) * height
        foot = horizon * height + rng.uniform(0, 0.06) * height
        trunk = ((x - tall * 0.05, foot), (x + tall * 0.05, foot), (x, foot - tall))
        canvas.fill(trunk, (88, 64, 44), 0.2)
        leaf = np.float32((60, 100, 50)) + rng.normal(0, 22, 3).astype(np.float32)
        if rng.random() < 0.5:
            for k in range(4):
                shift = rng.uniform(-0.25, 0.25) * tall
                canvas.fill(
                    _ellipse(x + shift, foot - tall * (0.6 + 0.12 * k), tall * 0.3, tall * 0.24),
                    leaf,
                    0.4,
                )
        else:
            for k in range(3):
                y = foot - tall * (0.25 + 0.25 * k)
                w = tall * (0.36 - 0.08 * k)
                canvas.fill(((x - w, y), (x + w, y), (x, y - tall * 0.45)), leaf, 0.3)
    blades = rng.integers(0, 160)
    if blades > 40:
        x, y = rng.uniform(0, width, blades), rng.uniform(horizon * height, height, blades)
        tips = np.stack([x + rng.normal(0, 4, blades), y - rng.uniform(4, 14, blades)], 1)
        tone = rng.uniform(0.7, 1.25, blades)
        for k in range(blades):
            canvas.line(((x[k], y[k]), tips[k]), ground * tone[k], 1.0)


def _indoors(canvas, rng, horizon):
    height, width = canvas.pixels.shape[:2]
    wall, floor = _colour(rng, 90, 235), _colour(rng, 60, 200)
    wall, floor = wall * 0.6 + wall.mean() * 0.4, floor * 0.7 + floor.mean() * 0.3
    _gradient(canvas, wall * 1.05, wall * 0.85, 0, horizon)
    _gradient(canvas, floor * 0.75, floor * 1.1, horizon, 1)
    y = horizon * height
    kind = rng.integers(4)
    if kind == 0:  # striped wallpaper
        step = rng.uniform(0.05, 0.12) * width
        tone = rng.uniform(0.85, 1.12)
        for x in np.arange(rng.uniform(0, step), width, 2 * step):
            canvas.fill(((x, 0), (x + step, 0), (x + step, y), (x, y)), wall * tone)
    elif kind == 1:  # floor boards
        for x in np.linspace(-width, 2 * width, 16):
            canvas.line(((0.5 * width + 0.4 * (x - 0.5 * width), y), (x, height)), floor * 0.7, 1.5)
    elif kind == 2:  # tiles
        for x in np.arange(0, width, 0.11 * width):
            canvas.line(((x, 0), (x, y)), wall * 0.8, 1.0)
        for z in np.arange(y, 0, -0.11 * width):
            canvas.line(((0, z), (width, z)), wall * 0.8, 1.0)
    canvas.fill(
        ((0, y - 0.02 * height), (width, y - 0.02 * height), (width, y), (0, y)), wall * 0.7
    )
    if rng.random() < 0.45:  # a window or a framed picture
        x, z = rng.uniform(0, 0.8) * width, rng.uniform(0, 0.2) * height
        w, h = rng.uniform(0.15, 0.4) * width, rng.uniform(0.15, 0.4) * height
        frame = np.array(((x, z), (x + w, z), (x + w, z + h), (x, z + h)))
        canvas.fill(frame, _colour(rng, 60, 240))
        middle = frame.mean(0)
        canvas.fill((frame - middle) * 0.86 + middle, _colour(rng, 100, 250), 0.25)
        canvas.line(((x + w / 2, z), (x + w / 2, z + h)), (230, 228, 220), 3)
    if rng.random() < 0.4:  # a sofa
        z, h = y - rng.uniform(0.1, 0.3) * height, rng.uniform(0.3, 0.5) * height
        x, w = rng.uniform(-0.2, 0.4) * width, rng.uniform(0.5, 0.9) * width
        cloth = _colour(rng, 60, 200)
        back = _smooth(((x, z), (x + w, z), (x + w, z + h), (x, z + h)), 2)
        canvas.fill(back, cloth, 0.2)
        seat = _smooth(((x, z + h / 2), (x + w, z + h / 2), (x + w, z + h), (x, z + h)), 2)
        canvas.fill(seat, cloth * 1.15, 0.2)


def _studio(canvas, rng, horizon):
    top = _colour(rng, 50, 235)
    _gradient(canvas, top, np.clip(top + rng.uniform(-60, 60), 20, 250).astype(np.float32), 0, 1)
    height, width = canvas.pixels.shape[:2]
    blur = _cloud(rng, height, width, width / rng.uniform(2, 6))
    canvas.pixels += (blur[..., None] - 0.5) * rng.uniform(10, 80)


def _clutter(canvas, rng):
    """A ball, cushion, box, pot plant, bowl or book, anywhere."""
    height, width = canvas.pixels.shape[:2]
    x, y = rng.uniform(0, 1) * width, rng.uniform(0.45, 1.0) * height
    s = rng.uniform(0.04, 0.13) * min(height, width)
    canvas.place(x, y, s, rng.normal(0, 0.15))
    colour, kind = _colour(rng), rng.integers(6)
    if kind == 0:
        canvas.fill(_ellipse(0, 0, 1, 1), colour, 0.5)
        canvas.line(_ellipse(0, 0, 0.5, 1)[:20], colour * 0.7, 0.08)
    elif kind == 1:
        canvas.fill(_smooth(((-1.5, -1), (1.5, -1), (1.3, 1), (-1.3, 1)), 2), colour, 0.45)
    elif kind == 2:
        canvas.fill(((-1, -1), (1, -1), (1, 1), (-1, 1)), colour, 0.1)
        canvas.fill(((1, -1), (1.6, -1.4), (1.6, 0.5), (1, 1)), colour * 0.7)
        canvas.fill(((-1, -1), (-0.4, -1.4), (1.6, -1.4), (1, -1)), colour * 1.15)
    elif kind == 3:
        leaf = np.float32((60, 120, 60)) + rng.normal(0, 20, 3).astype(np.float32)
        for a in np.linspace(-1.2, 1.2, 7):
            tip = (np.sin(a) * 2.2, -0.8 - np.cos(a) * 2.0)
            canvas.fill(_ribbon(((0, -0.6), (0, -1.4), tip, tip), 0.1, 0.3), leaf, 0.2)
        canvas.fill(((-0.8, -0.7), (0.8, -0.7), (0.55, 1), (-0.55, 1)), colour, 0.35)
    elif kind == 4:
        canvas.fill(_smooth(((-1.4, -0.5), (1.4, -0.5), (1.1, 0.6), (-1.1, 0.6)), 2), colour, 0.3)
        canvas.fill(_ellipse(0, -0.4, 1.2, 0.25), colour * 0.5)
    else:
        for k in range(3):
            z, tone = 0.7 - 0.5 * k, _colour(rng)
            canvas.fill(((-1.5, z - 0.4), (1.3, z - 0.4), (1.3, z), (-1.5, z)), tone, 0.1)


# ---- the coat ----------------------------------------------------------------------------------


def _coat(canvas, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the coat as a picture of the canvas's shape, its fur's grain, and a light colour."""
    height, width = canvas.pixels.shape[:2]
    first, second = COATS[rng.choice(len(COATS), 2, replace=False)] + rng.normal(0, 8, (2, 3))
    paint = np.empty((height, width, 3), np.float32)
    paint[:] = first
    s = canvas.scale
    kind = rng.integers(5)
    if kind == 1:  # tabby or brindle
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        bend = _cloud(rng, height, width, s * 0.6) * s * rng.uniform(0.3, 0.8)
        turn = rng.uniform(0, np.pi)
        wave = np.sin(
            (x * np.cos(turn) + y * np.sin(turn) + bend)
            * (2 * np.pi / (s * rng.uniform(0.25, 0.5)))
        )
        weight = np.clip(wave * 1.5 - 0.3, 0, 1) * rng.uniform(0.4, 0.9)
    elif kind == 2:  # patches
        weight = np.clip((_cloud(rng, height, width, s * rng.uniform(0.5, 1.2)) - 0.5) * 12, 0, 1)
    elif kind == 3:  # spots
        weight = np.clip((_cloud(rng, height, width, s * 0.16) - 0.72) * 12, 0, 1)
    elif kind == 4:  # a darker or lighter back
        weight = np.clip((_cloud(rng, height, width, s * 2.0) - 0.4) * 2.5, 0, 1)
    else:
        weight = None
    if weight is not None:
        paint += (second.astype(np.float32) - paint) * weight[..., None]
    grain = rng.normal(0, 1, (height, width)).astype(np.float32)
    grain = cv2.blur(grain, (2, 3)) * rng.uniform(0.02, 0.12) + 1
    light = np.clip(first * 0.5 + 120 + rng.normal(0, 10, 3), 40, 246).astype(np.float32)
    return paint, grain, light


# ---- the animals -------------------------------------------------------------------------------


def _eyes(canvas, rng, cat, look, y, gap):
    iris = np.float32(IRISES[rng.integers(len(IRISES))]) + rng.normal(0, 12, 3)
    iris = iris.astype(np.float32)
    size = rng.uniform(0.17, 0.23) if cat else rng.uniform(0.12, 0.17)
    sleepy = rng.random() < 0.05
    for side in (-1, 1):
        x = side * gap + look
        if sleepy:
            t = np.linspace(0.15, np.pi - 0.15, 12)
            arc = np.stack([x + np.cos(t) * size, y + np.sin(t) * size * 0.45], 1)
            canvas.line(arc, (30, 24, 24), 0.05)
            continue
        if cat:  # an almond that rises outwards
            almond = _smooth(
                (
                    (x - side * size * 1.25, y + size * 0.45),
                    (x - side * size * 0.1, y - size * 1.05),
                    (x + side * size * 1.3, y - size * 0.45),
                    (x + side * size * 0.2, y + size * 1.0),
                ),
                3,
            )
            canvas.fill((almond - (x, y)) * 1.14 + (x, y), (28, 24, 24))
            canvas.fill(almond, iris * 1.25, 0.2)
            canvas.fill(_ellipse(x, y, size * rng.uniform(0.18, 0.5), size * 0.78), (14, 12, 14))
        else:
            canvas.fill(_ellipse(x, y, size * 1.12, size * 1.08), (26, 22, 22))
            canvas.fill(_ellipse(x, y, size * 0.95, size * 0.92), iris * 0.85, 0.2)
            canvas.fill(_ellipse(x, y, size * 0.6, size * 0.6), (14, 12, 14))
        canvas.fill(
            _ellipse(x - size * 0.3, y - size * 0.35, size * 0.2, size * 0.2), (250, 250, 250)
        )


def _cat_head(canvas, rng, coat, grain, light, look):
    wide, tall = rng.uniform(0.95, 1.08), rng.uniform(0.8, 0.9)
    ear, spread = rng.uniform(0.75, 1.05), rng.uniform(0.5, 0.66)
    fold = rng.random() < 0.04
    pink = np.float32((222, 160, 150)) + rng.normal(0, 14, 3).astype(np.float32)
    for side in (-1, 1):
        base = np.array(((-0.36, 0.3), (0.40, 0.42), (0.26 + 0.08 * ear, -ear), (0.1, -ear * 0.8)))
        if fold:
            base = np.array(((-0.3, 0.25), (0.4, 0.3), (0.42, -0.12), (-0.05, -0.28)))
        base = base * (side, 1) + (side * spread * wide + 0.2 * look, -tall * 0.72)
        shape = _smooth(base, 2)
        canvas.fill(shape, coat * 0.92, 0.25, grain=grain)
        if not fold:
            middle = shape.mean(0) + (0, 0.06)
            canvas.fill((shape - middle) * 0.6 + middle, pink * 0.8, 0.2)
    head = _smooth(
        (
            (-0.62 * wide, -tall),
            (0.62 * wide, -tall),
            (1.12 * wide, -0.15),
            (1.05 * wide, 0.5),
            (0.45, tall * 1.08),
            (-0.45, tall * 1.08),
            (-1.05 * wide, 0.5),
            (-1.12 * wide, -0.15),
        ),
        3,
    )
    canvas.fill(head, coat, 0.35, grain=grain)
    _eyes(canvas, rng, True, look, -0.08, rng.uniform(0.4, 0.48))
    soft = rng.uniform(0.3, 0.9)
    for side in (-1, 1):
        canvas.fill(_ellipse(look * 1.3 + side * 0.17, 0.46, 0.25, 0.19), light, 0.15, soft)
    nose_x, nose = look * 1.35, rng.uniform(0.1, 0.14)
    tone = pink if rng.random() < 0.5 else np.float32((60, 48, 46))
    triangle = ((nose_x - nose, 0.27), (nose_x + nose, 0.27), (nose_x, 0.27 + nose * 1.2))
    canvas.fill(_smooth(triangle, 2), tone, 0.2)
    dark = (52, 40, 40)
    for side in (-1, 1):
        t = np.linspace(0, np.pi, 9)
        arc = np.stack([nose_x + side * 0.12 * (1 - np.cos(t)), 0.44 + 0.1 * np.sin(t)], 1)
        canvas.line(arc, dark, 0.03)
    hair = (236, 234, 230) if rng.random() < 0.7 else (40, 38, 38)
    for side in (-1, 1):
        for k in (-1, 0, 1):
            end = (nose_x + side * rng.uniform(1.15, 1.5), 0.4 + 0.2 * k + rng.normal(0, 0.06))
            canvas.line(((nose_x + side * 0.25, 0.42 + 0.06 * k), end), hair, 0.018)


def _dog_ear(kind, rng, side, wide, tall):
    if kind == 0:  # hanging
        long = rng.uniform(0.9, 1.4)
        ear = (
            (0.0, -0.3),
            (0.45, -0.15),
            (0.62, long * 0.5),
            (0.42, long),
            (0.1, long * 0.85),
            (0.02, 0.3),
        )
        at = (0.62 * wide, -tall * 0.6)
    elif kind == 1:  # half raised, its tip folded
        ear = ((-0.3, 0.3), (0.0, -0.5), (0.35, -0.62), (0.75, -0.12), (0.62, 0.12), (0.3, 0.3))
        at = (0.58 * wide, -tall * 0.7)
    else:  # raised, rounded
        ear = ((-0.3, 0.4), (-0.2, -0.55), (0.1, -1.0), (0.34, -0.8), (0.42, 0.45))
        at = (0.55 * wide, -tall * 0.72)
    return _smooth(np.array(ear) * (side, 1) + (side * at[0], at[1]), 3)


def _dog_head(canvas, rng, coat, grain, light, look):
    wide, tall = rng.uniform(0.82, 0.98), rng.uniform(0.88, 1.0)
    kind = rng.choice(3, p=(0.7, 0.18, 0.12))
    ears = [_dog_ear(kind, rng, side, wide, tall) + (0.2 * look, 0) for side in (-1, 1)]
    tone = rng.uniform(0.6, 0.95)
    if kind == 2:
        for ear in ears:
            canvas.fill(ear, coat * 0.92, 0.3, grain=grain)
            middle = ear.mean(0) + (0, 0.08)
            canvas.fill((ear - middle) * 0.55 + middle, (168, 124, 116), 0.2)
    head = _smooth(
        (
            (-0.6 * wide, -tall),
            (0.6 * wide, -tall),
            (1.08 * wide, -0.3),
            (0.92 * wide, 0.45),
            (0.5, tall * 1.12),
            (-0.5, tall * 1.12),
            (-0.92 * wide, 0.45),
            (-1.08 * wide, -0.3),
        ),
        3,
    )
    canvas.fill(head, coat, 0.35, grain=grain)
    if kind != 2:
        for ear in ears:
            canvas.fill(ear, coat * tone, 0.4, grain=grain)
    _eyes(canvas, rng, False, look, -0.18, rng.uniform(0.34, 0.42))
    x = look * 1.6
    big, long = rng.uniform(0.42, 0.54), rng.uniform(0.38, 0.48)
    soft = rng.uniform(0.3, 0.9)
    if rng.random() < 0.45:  # the tongue
        tongue = _smooth(((x - 0.16, 0.75), (x + 0.16, 0.75), (x + 0.17, 1.2), (x - 0.15, 1.2)), 3)
        canvas.fill(tongue, (216, 110, 120), 0.35)
    canvas.fill(_ellipse(x, 0.52, big, long), coat, 0.35, grain=grain)
    canvas.fill(_ellipse(x, 0.54, big * 0.94, long * 0.92), light, 0.3, soft)
    dark = np.float32((34, 28, 28)) if rng.random() < 0.8 else np.float32((110, 72, 62))
    nose = rng.uniform(0.17, 0.23)
    canvas.fill(_ellipse(x, 0.3, nose, nose * 0.72), dark, 0.3)
    canvas.fill(
        _ellipse(x - nose * 0.3, 0.25, nose * 0.25, nose * 0.13), (190, 186, 186), alpha=0.7
    )
    canvas.line(((x, 0.4), (x, 0.62)), dark, 0.035)
    for side in (-1, 1):
        t = np.linspace(0, np.pi * 0.8, 9)
        arc = np.stack([x + side * 0.15 * (1 - np.cos(t)), 0.62 + 0.12 * np.sin(t)], 1)
        canvas.line(arc, dark, 0.035)


def _tail(canvas, rng, cat, coat, grain, foot, out):
    """From `foot`, going outwards along `out` (+1 or -1)."""
    x, y = foot
    if cat:  # long and slim, its end as wide as its root
        up = rng.uniform(-2.2, 0.2)
        points = (
            (x, y),
            (x + out * 1.1, y + 0.3),
            (x + out * 1.0, y + up),
            (x + out * 1.9, y + up),
        )
        canvas.fill(_ribbon(points, 0.15, 0.13), coat, 0.3, grain=grain)
    elif rng.random() < 0.35:  # curled over the back
        points = (
            (x, y),
            (x + out * 0.9, y - 0.2),
            (x + out * 0.8, y - 1.2),
            (x - out * 0.1, y - 1.0),
        )
        canvas.fill(_ribbon(points, 0.24, 0.2), coat, 0.3, grain=grain)
    else:  # thick at the root, pointed
        up = rng.uniform(-1.4, 0.4)
        points = ((x, y), (x + out * 0.5, y), (x + out * 0.9, y + up), (x + out * 1.3, y + up))
        canvas.fill(_ribbon(points, 0.26, 0.06), coat, 0.3, grain=grain)


def _body(canvas, rng, pose, cat, coat, grain, light):
    """Draw all but the head, whose centre is the frame's origin."""
    fat = rng.uniform(0.85, 1.2)

    def fill(points, **kw):
        canvas.fill(points, coat, 0.35, grain=grain, **kw)

    if pose == "portrait":
        fill(_smooth(((-0.7, 0.2), (0.7, 0.2), (1.5 * fat, 3.2), (-1.5 * fat, 3.2)), 3))
    elif pose == "sitting":
        _tail(canvas, rng, cat, coat, grain, (0.8, 3.0), 1)
        fill(
            _smooth(
                (
                    (-0.7, 0.3),
                    (0.7, 0.3),
                    (1.4 * fat, 2.6),
                    (1.2 * fat, 3.5),
                    (-1.2 * fat, 3.5),
                    (-1.4 * fat, 2.6),
                ),
                3,
            )
        )
        canvas.fill(_ellipse(0, 1.7, 0.5 * fat, 0.8), light, 0.3, rng.uniform(0, 0.7))
        for side in (-1, 1):
            fill(_ellipse(side * 1.0 * fat, 3.0, 0.5, 0.62))
            fill(
                _ribbon(
                    ((side * 0.4, 1.7), (side * 0.42, 2.4), (side * 0.4, 3.0), (side * 0.42, 3.6)),
                    0.3,
                    0.24,
                )
            )
            canvas.fill(_ellipse(side * 0.44, 3.55, 0.33, 0.18), coat * 1.06, 0.3, grain=grain)
    elif pose == "standing":
        _tail(canvas, rng, cat, coat, grain, (3.6, 0.7), 1)
        for x in (0.75, 3.25):
            canvas.fill(
                _ribbon(((x, 1.2), (x, 1.8), (x + 0.05, 2.4), (x, 3.0)), 0.32, 0.2),
                coat * 0.75,
                0.3,
                grain=grain,
            )
        fill(
            _smooth(
                (
                    (0.1, -0.1),
                    (1.5, 0.35),
                    (3.6, 0.3),
                    (4.0, 1.2),
                    (3.2, 1.2 + 0.6 * fat),
                    (0.9, 1.3 + 0.7 * fat),
                    (0.0, 1.2),
                ),
                3,
            )
        )
        for x in (0.4, 3.6):
            fill(_ribbon(((x, 1.0), (x, 1.8), (x - 0.05, 2.4), (x, 3.15)), 0.4, 0.21))
            canvas.fill(_ellipse(x - 0.1, 3.12, 0.32, 0.16), coat * 1.06, 0.3, grain=grain)
    else:  # lying
        _tail(canvas, rng, cat, coat, grain, (3.5, 1.2), 1)
        fill(
            _smooth(
                ((-0.3, 0.2), (1.2, -0.1), (3.0, -0.3 * fat), (4.0, 0.5), (3.9, 1.5), (-0.4, 1.5)),
                3,
            )
        )
        fill(_ellipse(3.0, 1.0, 0.85, 0.6))
        for x in (-0.5, 0.6):
            fill(_ribbon(((x + 0.8, 1.2), (x + 0.4, 1.35), (x, 1.4), (x - 0.5, 1.4)), 0.28, 0.2))


EXTENT = {  # the bounding box of each pose, in head radii: left, top, right, bottom
    "portrait": (-1.6, -1.7, 1.6, 2.0),
    "sitting": (-1.9, -1.7, 2.3, 3.8),
    "standing": (-1.5, -1.8, 5.0, 3.3),
    "lying": (-1.5, -1.7, 4.9, 1.7),
}


def _animal(canvas, rng, cat):
    height, width = canvas.pixels.shape[:2]
    pose = str(rng.choice(list(EXTENT), p=(0.55, 0.2, 0.13, 0.12)))
    left, top, right, bottom = EXTENT[pose]
    fit = min(width / (right - left), height / (bottom - top))
    scale = fit * rng.uniform(0.8, 1.2)
    mirror = rng.random() < 0.5
    x = width / 2 - (left + right) / 2 * scale * (-1 if mirror else 1)
    y = height / 2 - (top + bottom) / 2 * scale
    x, y = x + rng.normal(0, 0.05) * width, y + rng.normal(0, 0.04) * height
    turn = rng.normal(0, 0.08)
    canvas.place(x, y, scale, turn, mirror)
    coat, grain, light = _coat(canvas, rng)
    if pose != "portrait":  # its shadow on the ground
        middle, half = (left + right) / 2, (right - left) / 2.6
        canvas.fill(_ellipse(middle, bottom - 0.25, half, 0.3), (20, 18, 20), 0, 0.35)
    _body(canvas, rng, pose, cat, coat, grain, light)
    if rng.random() < 0.35:  # a collar
        band = _ribbon(((-0.75, 0.9), (-0.3, 1.25), (0.3, 1.25), (0.75, 0.9)), 0.13, 0.13)
        canvas.fill(band, _colour(rng), 0.2)
        if rng.random() < 0.5:
            canvas.fill(_ellipse(0, 1.35, 0.13, 0.13), (226, 190, 80), 0.3)
    canvas.place(x, y, scale, turn + rng.normal(0, 0.1), mirror)
    look = float(np.clip(rng.normal(0, 0.12), -0.25, 0.25))
    (_cat_head if cat else _dog_head)(canvas, rng, coat, grain, light, look)


# ---- the camera --------------------------------------------------------------------------------


def _size(rng) -> tuple[int, int]:
    """Height and width: mostly a 4:3 picture whose longer side is up to 500, as in Kaggle's."""
    longer = int(rng.choice((500, rng.integers(180, 500)), p=(0.35, 0.65)))
    ratio = float(np.clip(rng.choice((0.75, rng.normal(0.85, 0.15))), 0.5, 1.0))
    shorter = int(longer * ratio)
    return (shorter, longer) if rng.random() < 0.7 else (longer, shorter)


def draw(label: str, number: int, seed: int = 1) -> np.ndarray:
    """Draw one animal, "cat" or "dog", uint8 (height, width, 3): one number, one picture."""
    cat = label == "cat"
    rng = np.random.default_rng([seed, number, 0 if cat else 1])
    height, width = _size(rng)
    canvas = Canvas(height, width)
    place = rng.choice(3, p=(0.4, 0.4, 0.2))
    (_outdoors, _indoors, _studio)[place](canvas, rng, rng.uniform(0.35, 0.75))
    for _ in range(rng.integers(0, 5)):
        _clutter(canvas, rng)
    if rng.random() < 0.5:  # out of focus behind the animal
        canvas.pixels = cv2.blur(canvas.pixels, (1 + 2 * int(rng.integers(1, 4)),) * 2)
    canvas.pixels *= rng.uniform(0.75, 1.1)
    canvas.place(0, 0, 1)
    _animal(canvas, rng, cat)
    if rng.random() < 0.12:  # something in front of it
        _clutter(canvas, rng)
    pixels = canvas.pixels * (rng.normal(1, 0.06, 3) * rng.uniform(0.65, 1.2)).astype(np.float32)
    if rng.random() < 0.3:
        pixels = cv2.blur(pixels, (3, 3))
    noise = rng.standard_normal((height, width), np.float32) * np.float32(rng.uniform(1, 9))
    pixels += noise[..., None]
    return np.clip(pixels, 0, 255).astype(np.uint8)


def jpeg(label: str, number: int, seed: int = 1) -> bytes:
    """Draw one animal as a JPEG file."""
    quality = 75 + (number * 7) % 18
    out = io.BytesIO()
    Image.fromarray(draw(label, number, seed)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _numbered(seed, pair):
    return jpeg(*pair, seed)


def jpegs(pairs: list[tuple[str, int]], seed: int = 1) -> Iterator[bytes]:
    """Draw many, in order, on every core."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(_numbered, seed), pairs, chunksize=20)
