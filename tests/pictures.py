"""Pictures for the tests."""

import io
import struct

import numpy as np
import skimage.data
from PIL import Image

CAT = skimage.data.chelsea()  # uint8 (300, 451, 3)
HEIC = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(100)
SIDEWAYS = (0x0112, 3, 1, struct.pack("<HH", 6, 0))  # a tag of EXIF: type, count, value


def learnable(n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Random photos (n, size, size, 3), the upper half of dogs' darker, and their labels (n,)."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (n, size, size, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, n)
    images[labels == 1, : size // 2] //= 2
    return images, labels


def jpeg(seed: int, size=(32, 24)) -> bytes:
    """A small valid JPEG; one seed, one picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def saved(pixels, kind="JPEG", **how) -> bytes:
    """The file of an image, or of pixels."""
    out = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(out, kind, **how)
    return out.getvalue()


def with_exif(blob, *tags, before=b"") -> bytes:
    """A JPEG with an EXIF of these tags: (tag, type, count, four bytes of value)."""
    entries = b"".join(struct.pack("<HHI", *tag[:3]) + tag[3] for tag in tags)
    body = b"Exif\0\0" + before + b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries
    body += bytes(4)
    return blob[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + blob[2:]


def of_size(width, height, blob) -> bytes:
    """Let a JPEG of one scan claim other sides."""
    at = next(i for i in (blob.find(b"\xff\xc0"), blob.find(b"\xff\xc2")) if i >= 0)
    return blob[: at + 5] + struct.pack(">HH", height, width) + blob[at + 9 :]
