"""What stands around a drawn animal: outdoors, indoors or a studio, and clutter."""

from __future__ import annotations

import numpy as np

from catdog.data.drawing import Canvas, cloud, ellipse, random_colour, ribbon, smooth


def _gradient(canvas, top, bottom, y0, y1):
    height = canvas.pixels.shape[0]
    a, b = int(y0 * height), int(np.ceil(y1 * height))
    t = np.linspace(0, 1, b - a, dtype=np.float32)[:, None, None]
    canvas.pixels[a:b] = top * (1 - t) + bottom * t


def outdoors(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Fill the canvas with sky and ground; hills, trees and grass on some."""
    height, width = canvas.pixels.shape[:2]
    skies = ((120, 170, 225), (170, 195, 215), (235, 190, 150), (90, 105, 150), (205, 215, 220))
    grounds = ((96, 140, 62), (136, 150, 70), (190, 172, 128), (226, 230, 236), (120, 96, 70))
    sky = np.array(skies[rng.integers(len(skies))], np.float32) + rng.normal(0, 10, 3).astype(
        np.float32
    )
    ground = np.array(grounds[rng.integers(len(grounds))], np.float32) + rng.normal(0, 12, 3)
    ground = ground.astype(np.float32)
    _gradient(canvas, sky * 0.85, sky * 0.5 + 125, 0, horizon)
    _gradient(canvas, ground * 0.8, ground * 1.1, horizon, 1)
    for _ in range(rng.integers(0, 3)):  # hills
        x, wide = rng.uniform(0, width), rng.uniform(0.3, 0.7) * width
        tall = rng.uniform(0.05, 0.2) * height
        green = sky * 0.4 + ground * rng.uniform(0.4, 0.6)
        hill = ellipse(x, horizon * height, wide, tall)
        canvas.fill(np.minimum(hill, (np.inf, horizon * height)), green, 0.2)
    for _ in range(rng.integers(0, 5)):  # trees
        x, tall = rng.uniform(0, width), rng.uniform(0.1, 0.35) * height
        foot = horizon * height + rng.uniform(0, 0.06) * height
        trunk = ((x - tall * 0.05, foot), (x + tall * 0.05, foot), (x, foot - tall))
        canvas.fill(trunk, (88, 64, 44), 0.2)
        leaf = np.array((60, 100, 50), np.float32) + rng.normal(0, 22, 3).astype(np.float32)
        if rng.random() < 0.5:
            for k in range(4):
                shift = rng.uniform(-0.25, 0.25) * tall
                canvas.fill(
                    ellipse(x + shift, foot - tall * (0.6 + 0.12 * k), tall * 0.3, tall * 0.24),
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
        xs, ys = rng.uniform(0, width, blades), rng.uniform(horizon * height, height, blades)
        tips = np.stack([xs + rng.normal(0, 4, blades), ys - rng.uniform(4, 14, blades)], 1)
        tone = rng.uniform(0.7, 1.25, blades)
        for k in range(blades):
            canvas.line(((xs[k], ys[k]), tips[k]), ground * tone[k], 1.0)


def indoors(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Fill the canvas with wall and floor; a window and a sofa on some."""
    height, width = canvas.pixels.shape[:2]
    wall, floor = random_colour(rng, 90, 235), random_colour(rng, 60, 200)
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
        canvas.fill(frame, random_colour(rng, 60, 240))
        middle = frame.mean(0)
        canvas.fill((frame - middle) * 0.86 + middle, random_colour(rng, 100, 250), 0.25)
        canvas.line(((x + w / 2, z), (x + w / 2, z + h)), (230, 228, 220), 3)
    if rng.random() < 0.4:  # a sofa
        z, h = y - rng.uniform(0.1, 0.3) * height, rng.uniform(0.3, 0.5) * height
        x, w = rng.uniform(-0.2, 0.4) * width, rng.uniform(0.5, 0.9) * width
        cloth = random_colour(rng, 60, 200)
        back = smooth(((x, z), (x + w, z), (x + w, z + h), (x, z + h)), 2)
        canvas.fill(back, cloth, 0.2)
        seat = smooth(((x, z + h / 2), (x + w, z + h / 2), (x + w, z + h), (x, z + h)), 2)
        canvas.fill(seat, cloth * 1.15, 0.2)


def studio(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """Fill the canvas with one soft gradient, uneven like a cloth."""
    top = random_colour(rng, 50, 235)
    _gradient(canvas, top, np.clip(top + rng.uniform(-60, 60), 20, 250).astype(np.float32), 0, 1)
    height, width = canvas.pixels.shape[:2]
    blur = cloud(rng, height, width, width / rng.uniform(2, 6))
    canvas.pixels += (blur[..., None] - 0.5) * rng.uniform(10, 80)


def clutter(canvas: Canvas, rng: np.random.Generator) -> None:
    """A ball, cushion, box, pot plant, bowl or book, anywhere."""
    height, width = canvas.pixels.shape[:2]
    x, y = rng.uniform(0, 1) * width, rng.uniform(0.45, 1.0) * height
    s = rng.uniform(0.04, 0.13) * min(height, width)
    canvas.place(x, y, s, rng.normal(0, 0.15))
    colour, kind = random_colour(rng), rng.integers(6)
    if kind == 0:
        canvas.fill(ellipse(0, 0, 1, 1), colour, 0.5)
        canvas.line(ellipse(0, 0, 0.5, 1)[:20], colour * 0.7, 0.08)
    elif kind == 1:
        canvas.fill(smooth(((-1.5, -1), (1.5, -1), (1.3, 1), (-1.3, 1)), 2), colour, 0.45)
    elif kind == 2:
        canvas.fill(((-1, -1), (1, -1), (1, 1), (-1, 1)), colour, 0.1)
        canvas.fill(((1, -1), (1.6, -1.4), (1.6, 0.5), (1, 1)), colour * 0.7)
        canvas.fill(((-1, -1), (-0.4, -1.4), (1.6, -1.4), (1, -1)), colour * 1.15)
    elif kind == 3:
        leaf = np.array((60, 120, 60), np.float32) + rng.normal(0, 20, 3).astype(np.float32)
        for a in np.linspace(-1.2, 1.2, 7):
            tip = (np.sin(a) * 2.2, -0.8 - np.cos(a) * 2.0)
            canvas.fill(ribbon(((0, -0.6), (0, -1.4), tip, tip), 0.1, 0.3), leaf, 0.2)
        canvas.fill(((-0.8, -0.7), (0.8, -0.7), (0.55, 1), (-0.55, 1)), colour, 0.35)
    elif kind == 4:
        canvas.fill(smooth(((-1.4, -0.5), (1.4, -0.5), (1.1, 0.6), (-1.1, 0.6)), 2), colour, 0.3)
        canvas.fill(ellipse(0, -0.4, 1.2, 0.25), colour * 0.5)
    else:
        for k in range(3):
            z, tone = 0.7 - 0.5 * k, random_colour(rng)
            canvas.fill(((-1.5, z - 0.4), (1.3, z - 0.4), (1.3, z), (-1.5, z)), tone, 0.1)
