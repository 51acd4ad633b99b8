"""The pictures in a chapter's outputs: small, with no loss that the eye could see."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

COLOURS = 16384  # a chart has a tenth of them, nearly all from the smoothing of its letters
LOSS = 12  # levels of 255 by which a channel of a pixel may change when colours are merged
QUALITY = 75  # of a JPEG, its colours at half the resolution, as eyes see them
GAIN = 1.2  # a JPEG is taken when a PNG is so many times as large


def _encoded(image: Image.Image, form: str, **how) -> bytes:
    out = io.BytesIO()
    image.save(out, form, optimize=True, **how)
    return out.getvalue()


def smaller(png: bytes) -> tuple[str, bytes]:
    """Return the MIME type and the bytes of a PNG made smaller.

    A chart stays a PNG, of at most 256 colours where that is not seen: letters and thin lines stay
    sharp. What is full of photos becomes a JPEG, by which it shrinks far more. A picture that has a
    palette already, or that is transparent, is returned as it is.
    """
    image: Image.Image = Image.open(io.BytesIO(png))
    if image.mode == "P" or np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        return "image/png", png
    image = image.convert("RGB")
    sharp = _encoded(image, "PNG")
    if image.getcolors(COLOURS):
        few = image.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
        if np.abs(np.asarray(few.convert("RGB"), int) - np.asarray(image)).max() <= LOSS:
            sharp = _encoded(few, "PNG")
    pixels = np.asarray(image)
    if (pixels == pixels[..., :1]).all():
        image = image.convert("L")
    jpeg = _encoded(image, "JPEG", quality=QUALITY, subsampling="4:2:0", progressive=True)
    return ("image/jpeg", jpeg) if len(sharp) > GAIN * len(jpeg) else ("image/png", sharp)


def shrink(data: dict) -> None:
    """Make the PNG of an output's data (MIME type: base64 text) smaller, in place."""
    if "image/png" in data:
        kind, small = smaller(base64.b64decode(data.pop("image/png")))
        data[kind] = base64.b64encode(small).decode()
