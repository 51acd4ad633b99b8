"""What pictures are drawn with: shapes, smooth noise, colours, and the canvas."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

Colour = Sequence[float] | np.ndarray
FIXED = 4  # OpenCV's fixed-point bits: sixteenths of a pixel


def random_colour(rng: np.random.Generator, low: float = 40, high: float = 230) -> np.ndarray:
    """Return a colour (3,), each channel between low and high."""
    return rng.uniform(low, high, 3).astype(np.float32)


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """Return the polygon (40, 2) of an ellipse about (x, y)."""
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], 1)


def smooth(points: ArrayLike, rounds: int = 3) -> np.ndarray:
    """Round the corners of a closed polygon (Chaikin 1974)."""
    p = np.asarray(points, float)
    for _ in range(rounds):
        q = np.roll(p, -1, 0)
        p = np.stack([0.75 * p + 0.25 * q, 0.25 * p + 0.75 * q], 1).reshape(-1, 2)
    return p


def ribbon(points: ArrayLike, start: float, end: float) -> np.ndarray:
    """Return the outline of a band along a curve, its half-width going from `start` to `end`."""
    p = np.asarray(points, float)
    t = np.linspace(0, 1, 30)[:, None]
    line = (
        (1 - t) ** 3 * p[0] + 3 * t * (1 - t) ** 2 * p[1] + 3 * t**2 * (1 - t) * p[2] + t**3 * p[3]
    )
    along = np.gradient(line, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.linalg.norm(along, axis=1)[:, None]
    width = (start + (end - start) * t) * np.sqrt(np.clip(1 - (2 * t - 1) ** 16, 0, 1))
    return np.concatenate([line + across * width, (line - across * width)[::-1]])


def cloud(rng: np.random.Generator, height: int, width: int, cell: float) -> np.ndarray:
    """Return smooth noise (height, width) in [0, 1], its blobs about `cell` pixels wide."""
    small = rng.random((max(2, int(height / cell) + 2), max(2, int(width / cell) + 2)), np.float32)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


class Canvas:
    """A picture (height, width, 3) in float32, 0 to 255, drawn on in units of a frame."""

    def __init__(self, height: int, width: int) -> None:
        self.pixels: np.ndarray = np.zeros((height, width, 3), np.float32)
        self.frame = np.eye(2, 3)

    def place(
        self, x: float, y: float, scale: float, turn: float = 0.0, mirror: bool = False
    ) -> None:
        """Set the frame: unit lengths become `scale` pixels about the pixel (x, y)."""
        c, s, m = np.cos(turn) * scale, np.sin(turn) * scale, -1 if mirror else 1
        self.frame = np.array([[m * c, -s, x], [m * s, c, y]])

    def to_pixels(self, points: ArrayLike) -> np.ndarray:
        """Return points (n, 2) of the frame as pixels (n, 2)."""
        return np.asarray(points, float) @ self.frame[:, :2].T + self.frame[:, 2]

    @property
    def scale(self) -> float:
        """How many pixels a unit of the frame is long."""
        return float(np.hypot(*self.frame[:, 1]))

    def fill(
        self,
        points: ArrayLike,
        colour: Colour,
        shade: float = 0.0,
        alpha: float = 1.0,
        grain: np.ndarray | None = None,
    ) -> None:
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
        paint = np.asarray(colour)
        paint = paint[y0:y1, x0:x1] if paint.ndim == 3 else paint.astype(np.float32)
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

    def line(self, points: ArrayLike, colour: Colour, thickness: float) -> None:
        """Draw an open line; thickness in units of the frame."""
        pixels = np.round(self.to_pixels(points) * (1 << FIXED)).astype(np.int32)
        wide = max(1, int(round(thickness * self.scale)))
        colour = tuple(float(c) for c in colour)
        cv2.polylines(self.pixels, [pixels], False, colour, wide, cv2.LINE_AA, FIXED)
