"""Pictures for the tests."""

import io

import numpy as np
from PIL import Image


def jpeg(seed: int, size=(32, 24)) -> bytes:
    """A small valid JPEG; one seed, one picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()
