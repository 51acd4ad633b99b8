"""Photos to arrays: decode and resize.

Pillow reads them all, for training and for answers: what it takes a file for, both take it for.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from catdog import CatDogError

SIZE = 150
MAX_PIXELS = 50_000_000  # that are decoded at once
UPRIGHT = {  # what undoes an orientation of EXIF
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
cv2.setNumThreads(0)  # each batch is made by one thread; several are made at a time
# What is odd about a photo and does not stop it from being read is no news to a reader. Python's
# `catch_warnings` is not safe in threads, so these are left out for good.
warnings.filterwarnings("ignore", module=r"PIL\.")
with contextlib.suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()
Image.init()  # registers what Pillow reads
HEIC_SUFFIXES = {".heic", ".heif"}
SUFFIXES = {".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp", ".gif"} | (
    {".avif", ".tif", ".tiff"} | HEIC_SUFFIXES
) & set(Image.EXTENSION)
FORMATS = tuple(  # the JPEGs of telephones, MPO, are JPEG
    kind
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF")
    if kind in Image.OPEN
)
JPEG = b"\xff\xd8\xff"
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
NOISE = bytes(range(1, 251)) * 8  # no 0xFF: all of it is picture to a decoder


class TooLarge(CatDogError):
    """A photo of more bytes or pixels than are read."""


def resize(pixels: np.ndarray, size: int = SIZE, nearest: bool = False) -> np.ndarray:
    """Stretch a photo, uint8 (h, w, 3), to (size, size, 3); a new pixel is a mean of old ones.

    Args:
        nearest: a new pixel is the old one it lies in, as in Pillow's `resize` with NEAREST.
    """
    if nearest:
        return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    shrinks = min(pixels.shape[:2]) > size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(pixels, (size, size), interpolation=how)


def decode(blob: bytes | np.ndarray | Path, size: int = SIZE, nearest: bool = False) -> np.ndarray:
    """Decode a photo, upright as its EXIF says, and stretch it to uint8 (size, size, 3).

    Args:
        nearest: see `resize`.

    Raises:
        CatDogError: see `pixels_of`.
    """
    return resize(pixels_of(blob, None if nearest else size), size, nearest)


def pixels_of(source: bytes | np.ndarray | Path, size: int | None = SIZE) -> np.ndarray:
    """Decode a photo, upright as its EXIF says, to uint8 (h, w, 3) that is to be made size×size.

    Photos of at least twice the size are decoded at a half, a quarter or an eighth: a JPEG can give
    that without computing all its pixels. None decodes them all, or, where they are more than 50
    million, at a half. What is transparent is white; of an animation the first picture is taken.

    Args:
        source: a file or its bytes.

    Raises:
        OSError: the file is missing or cannot be read.
        CatDogError: it is no picture that can be decoded, is damaged, or has more than 50 million
            pixels, 200 million in a JPEG (TooLarge). The message has no subject: "cannot be …".
    """
    blob = source.read_bytes() if isinstance(source, Path) else bytes(source)
    try:
        try:
            return _decoded(blob, size)
        except OSError:
            if blob[:3] != JPEG:
                raise
            return _decoded(_ended(blob), size)
    except CatDogError:
        raise
    except UnidentifiedImageError:
        if is_heic(blob):
            why = "is a HEIC photo: convert it to JPEG, or install pillow-heif"
            raise CatDogError(why) from None
        raise CatDogError("cannot be decoded: it is no picture") from None
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise CatDogError(f"cannot be decoded: {error}") from None


def is_heic(blob: bytes) -> bool:
    """Whether it is a photo of a telephone in HEIC, whatever its name."""
    return blob[4:8] == b"ftyp" and blob[8:12] in HEIC


def opened(blob: bytes) -> Image.Image:
    """Read a photo's head: Pillow's image, not yet decoded.

    Raises:
        CatDogError: it has too many pixels (TooLarge).
        Exception: whatever Pillow raises on what is no photo.
    """
    limit, advice = MAX_PIXELS, "make it smaller"
    try:
        if blob[:3] == JPEG:  # `Image.open` refuses one of over 178 million pixels
            image = JpegImagePlugin.jpeg_factory(io.BytesIO(blob))
            if not image.info.get("progressive"):  # is decoded at a half, in a quarter of the space
                limit *= 4
            elif image.width * image.height <= limit * 4:
                advice = "save it as a JPEG that is not progressive, or make it smaller"
        else:
            image = Image.open(io.BytesIO(blob), formats=FORMATS)
        if image.width * image.height <= limit:
            return image
    except Image.DecompressionBombError:
        pass
    raise TooLarge(f"has more than {limit:,} pixels: {advice}")


def _decoded(blob: bytes, size: int | None) -> np.ndarray:
    with opened(blob) as image:
        least = size or max(image.size)
        if image.width * image.height > MAX_PIXELS:
            least = min(least, max(1, min(image.size) // 2))
        image.draft(None, (least, least))
        image.load()
        try:
            turn = UPRIGHT.get(image.getexif().get(0x0112))
        except Exception:  # Pillow raises many kinds on damaged EXIF
            turn = None
        if image.mode.startswith("I;16"):
            grey = np.asarray(image).astype(np.float32) / 257
            image = Image.fromarray(np.round(grey).astype(np.uint8))
        elif image.mode in ("I", "F"):
            raise CatDogError(f"cannot be decoded: its pixels are of 32 bits ({image.mode})")
        elif image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        if image.mode != "RGB":
            image = image.convert("RGB")
        return np.array(image if turn is None else image.transpose(turn))


def _ended(blob: bytes) -> bytes:
    """Put the end marker behind a JPEG if that is all it lacks.

    A decoder that finds the end too early makes up what is missing. If all is there, it does not
    matter what follows it; if not, noise gives other pixels than the end marker.
    """
    cut = blob.rstrip(b"\xff")
    whole, noisy = (_decoded(cut + more + b"\xff\xd9", None) for more in (b"", NOISE))
    return cut + b"\xff\xd9" if np.array_equal(whole, noisy) else blob


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Return the photos, uint8 (n, h, w, 3), as (n, size, size, 3); as they are if they are so."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([resize(pixels, size) for pixels in images])
