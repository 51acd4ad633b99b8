"""A drawn cat or dog: its coat, body, tail and head, in one of four poses."""

from __future__ import annotations

import cv2
import numpy as np

from catdog.data.drawing import Canvas, cloud, ellipse, random_colour, ribbon, smooth

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
        bend = cloud(rng, height, width, s * 0.6) * s * rng.uniform(0.3, 0.8)
        turn = rng.uniform(0, np.pi)
        wave = np.sin(
            (x * np.cos(turn) + y * np.sin(turn) + bend)
            * (2 * np.pi / (s * rng.uniform(0.25, 0.5)))
        )
        weight = np.clip(wave * 1.5 - 0.3, 0, 1) * rng.uniform(0.4, 0.9)
    elif kind == 2:  # patches
        weight = np.clip((cloud(rng, height, width, s * rng.uniform(0.5, 1.2)) - 0.5) * 12, 0, 1)
    elif kind == 3:  # spots
        weight = np.clip((cloud(rng, height, width, s * 0.16) - 0.72) * 12, 0, 1)
    elif kind == 4:  # a darker or lighter back
        weight = np.clip((cloud(rng, height, width, s * 2.0) - 0.4) * 2.5, 0, 1)
    else:
        weight = None
    if weight is not None:
        paint += (second.astype(np.float32) - paint) * weight[..., None]
    grain = rng.normal(0, 1, (height, width)).astype(np.float32)
    grain = cv2.blur(grain, (2, 3)) * rng.uniform(0.02, 0.12) + 1
    light = np.clip(first * 0.5 + 120 + rng.normal(0, 10, 3), 40, 246).astype(np.float32)
    return paint, grain, light


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
            almond = smooth(
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
            canvas.fill(ellipse(x, y, size * rng.uniform(0.18, 0.5), size * 0.78), (14, 12, 14))
        else:
            canvas.fill(ellipse(x, y, size * 1.12, size * 1.08), (26, 22, 22))
            canvas.fill(ellipse(x, y, size * 0.95, size * 0.92), iris * 0.85, 0.2)
            canvas.fill(ellipse(x, y, size * 0.6, size * 0.6), (14, 12, 14))
        canvas.fill(
            ellipse(x - size * 0.3, y - size * 0.35, size * 0.2, size * 0.2), (250, 250, 250)
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
        shape = smooth(base, 2)
        canvas.fill(shape, coat * 0.92, 0.25, grain=grain)
        if not fold:
            middle = shape.mean(0) + (0, 0.06)
            canvas.fill((shape - middle) * 0.6 + middle, pink * 0.8, 0.2)
    head = smooth(
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
        canvas.fill(ellipse(look * 1.3 + side * 0.17, 0.46, 0.25, 0.19), light, 0.15, soft)
    nose_x, nose = look * 1.35, rng.uniform(0.1, 0.14)
    tone = pink if rng.random() < 0.5 else np.float32((60, 48, 46))
    triangle = ((nose_x - nose, 0.27), (nose_x + nose, 0.27), (nose_x, 0.27 + nose * 1.2))
    canvas.fill(smooth(triangle, 2), tone, 0.2)
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
    return smooth(np.array(ear) * (side, 1) + (side * at[0], at[1]), 3)


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
    head = smooth(
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
        tongue = smooth(((x - 0.16, 0.75), (x + 0.16, 0.75), (x + 0.17, 1.2), (x - 0.15, 1.2)), 3)
        canvas.fill(tongue, (216, 110, 120), 0.35)
    canvas.fill(ellipse(x, 0.52, big, long), coat, 0.35, grain=grain)
    canvas.fill(ellipse(x, 0.54, big * 0.94, long * 0.92), light, 0.3, soft)
    dark = np.float32((34, 28, 28)) if rng.random() < 0.8 else np.float32((110, 72, 62))
    nose = rng.uniform(0.17, 0.23)
    canvas.fill(ellipse(x, 0.3, nose, nose * 0.72), dark, 0.3)
    canvas.fill(ellipse(x - nose * 0.3, 0.25, nose * 0.25, nose * 0.13), (190, 186, 186), alpha=0.7)
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
        canvas.fill(ribbon(points, 0.15, 0.13), coat, 0.3, grain=grain)
    elif rng.random() < 0.35:  # curled over the back
        points = (
            (x, y),
            (x + out * 0.9, y - 0.2),
            (x + out * 0.8, y - 1.2),
            (x - out * 0.1, y - 1.0),
        )
        canvas.fill(ribbon(points, 0.24, 0.2), coat, 0.3, grain=grain)
    else:  # thick at the root, pointed
        up = rng.uniform(-1.4, 0.4)
        points = ((x, y), (x + out * 0.5, y), (x + out * 0.9, y + up), (x + out * 1.3, y + up))
        canvas.fill(ribbon(points, 0.26, 0.06), coat, 0.3, grain=grain)


# long because each pose has the points of its own outlines
def _body(canvas, rng, pose, cat, coat, grain, light):
    """Draw all but the head, whose centre is the frame's origin."""
    fat = rng.uniform(0.85, 1.2)

    def fill(points, **kw):
        canvas.fill(points, coat, 0.35, grain=grain, **kw)

    if pose == "portrait":
        fill(smooth(((-0.7, 0.2), (0.7, 0.2), (1.5 * fat, 3.2), (-1.5 * fat, 3.2)), 3))
    elif pose == "sitting":
        _tail(canvas, rng, cat, coat, grain, (0.8, 3.0), 1)
        fill(
            smooth(
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
        canvas.fill(ellipse(0, 1.7, 0.5 * fat, 0.8), light, 0.3, rng.uniform(0, 0.7))
        for side in (-1, 1):
            fill(ellipse(side * 1.0 * fat, 3.0, 0.5, 0.62))
            fill(
                ribbon(
                    ((side * 0.4, 1.7), (side * 0.42, 2.4), (side * 0.4, 3.0), (side * 0.42, 3.6)),
                    0.3,
                    0.24,
                )
            )
            canvas.fill(ellipse(side * 0.44, 3.55, 0.33, 0.18), coat * 1.06, 0.3, grain=grain)
    elif pose == "standing":
        _tail(canvas, rng, cat, coat, grain, (3.6, 0.7), 1)
        for x in (0.75, 3.25):
            canvas.fill(
                ribbon(((x, 1.2), (x, 1.8), (x + 0.05, 2.4), (x, 3.0)), 0.32, 0.2),
                coat * 0.75,
                0.3,
                grain=grain,
            )
        fill(
            smooth(
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
            fill(ribbon(((x, 1.0), (x, 1.8), (x - 0.05, 2.4), (x, 3.15)), 0.4, 0.21))
            canvas.fill(ellipse(x - 0.1, 3.12, 0.32, 0.16), coat * 1.06, 0.3, grain=grain)
    else:  # lying
        _tail(canvas, rng, cat, coat, grain, (3.5, 1.2), 1)
        fill(
            smooth(
                ((-0.3, 0.2), (1.2, -0.1), (3.0, -0.3 * fat), (4.0, 0.5), (3.9, 1.5), (-0.4, 1.5)),
                3,
            )
        )
        fill(ellipse(3.0, 1.0, 0.85, 0.6))
        for x in (-0.5, 0.6):
            fill(ribbon(((x + 0.8, 1.2), (x + 0.4, 1.35), (x, 1.4), (x - 0.5, 1.4)), 0.28, 0.2))


EXTENT = {  # the bounding box of each pose, in head radii: left, top, right, bottom
    "portrait": (-1.6, -1.7, 1.6, 2.0),
    "sitting": (-1.9, -1.7, 2.3, 3.8),
    "standing": (-1.5, -1.8, 5.0, 3.3),
    "lying": (-1.5, -1.7, 4.9, 1.7),
}


def draw(canvas: Canvas, rng: np.random.Generator, cat: bool) -> None:
    """Draw a cat, or a dog, with its shadow and sometimes a collar."""
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
        canvas.fill(ellipse(middle, bottom - 0.25, half, 0.3), (20, 18, 20), 0, 0.35)
    _body(canvas, rng, pose, cat, coat, grain, light)
    if rng.random() < 0.35:  # a collar
        band = ribbon(((-0.75, 0.9), (-0.3, 1.25), (0.3, 1.25), (0.75, 0.9)), 0.13, 0.13)
        canvas.fill(band, random_colour(rng), 0.2)
        if rng.random() < 0.5:
            canvas.fill(ellipse(0, 1.35, 0.13, 0.13), (226, 190, 80), 0.3)
    canvas.place(x, y, scale, turn + rng.normal(0, 0.1), mirror)
    look = float(np.clip(rng.normal(0, 0.12), -0.25, 0.25))
    (_cat_head if cat else _dog_head)(canvas, rng, coat, grain, light, look)
