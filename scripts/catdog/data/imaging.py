"""Photos to arrays: decode and resize.

Pillow reads them all, for training and for answers: what it takes a file for, both take it for.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from catdog import CatDogError

SIZE = 150
MAX_BYTES = 200_000_000  # of a file
MAX_PIXELS = 50_000_000  # that are decoded at once
# Of formats that cannot be decoded at a fraction: one photo costs 250 MB of memory at most, and
# the decoders of the last three need more for a pixel.
MAX_WHOLE = dict.fromkeys(("PNG", "BMP", "GIF", "TIFF"), 32_000_000)
MAX_WHOLE |= dict.fromkeys(("WEBP", "AVIF", "HEIF"), 15_000_000)
MAX_SCANS = 100  # of a JPEG, as in libtiff; a progressive one that is no attack has about 10
MAX_SEGMENTS = 10_000
MAX_FILL = 100_000  # bytes between two segments of a JPEG's head
MAX_PROFILE = 4_000_000  # bytes of a colour profile; a printer's has 2 million
ALIKE = 3  # of 255: how far the profiles that call themselves sRGB differ
STRIP = 2**20  # pixels that are converted at a time
AS_STORED = {  # of an upright photo, the view that is as a file of this EXIF orientation stores it
    2: lambda photo: photo[:, ::-1],
    3: lambda photo: photo[::-1, ::-1],
    4: lambda photo: photo[::-1],
    5: lambda photo: photo.swapaxes(0, 1),
    6: lambda photo: np.rot90(photo),
    7: lambda photo: photo[::-1, ::-1].swapaxes(0, 1),
    8: lambda photo: np.rot90(photo, -1),
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
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xCC}  # markers of a JPEG
SEQUENTIAL, END, SCAN = (b"\xc0", b"\xc1", b"\xc9"), 0xD9, 0xDA
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# Those that libjpeg reads by their length, and the end. It passes over others, restarts among them,
# and the 0xFF of the picture itself, which 0 follows.
_MARKER = re.compile(rb"\xff[\xc0-\xc7\xc9-\xcf\xd9-\xdd\xe0-\xef\xfe]")
NOISE = bytes(range(1, 251)) * 8  # no 0xFF: all of it is picture to a decoder


class TooLarge(CatDogError):
    """A photo of more bytes, pixels or scans than are read."""


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
    Colours are those of sRGB: a profile that says otherwise is followed.

    Args:
        source: a file or its bytes.

    Raises:
        OSError: the file is missing or cannot be read.
        CatDogError: it is no picture that can be decoded, is damaged, or has more bytes or pixels
            than are read (TooLarge): of a JPEG 200 million pixels, of a progressive one 50 million,
            of others `MAX_WHOLE`. The message has no subject: "cannot be …".
    """
    blob = read(source) if isinstance(source, Path) else bytes(source)
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


def read(path: Path) -> bytes:
    """Read a file, but never more than `MAX_BYTES` of it.

    Raises:
        OSError: it is missing or cannot be read.
        TooLarge: it has more bytes.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size <= MAX_BYTES:
            blob = file.read(MAX_BYTES + 1)  # what is no plain file says no size
            if len(blob) <= MAX_BYTES:
                return blob
    raise TooLarge(f"has more than {MAX_BYTES // 10**6} MB: make it smaller")


def opened(blob: bytes) -> Image.Image:
    """Read a photo's head: Pillow's image, not yet decoded.

    Raises:
        CatDogError: it has too many pixels or scans (TooLarge).
        Exception: whatever Pillow raises on what is no photo.
    """
    limit, advice = max(MAX_WHOLE.values()), "make it smaller, or save it as JPEG"
    try:
        if blob[:3] == JPEG:  # `Image.open` refuses one of over 178 million pixels
            limit, advice = MAX_PIXELS, "make it smaller"
            in_turn = _decodes_in_turn(blob)
            image: Image.Image = JpegImagePlugin.jpeg_factory(io.BytesIO(blob))
            if in_turn:  # is decoded at a half, in a quarter of the space
                limit *= 4
            elif image.width * image.height <= limit * 4:
                advice = "save it as a JPEG that is not progressive, or make it smaller"
        else:
            image = Image.open(io.BytesIO(blob), formats=FORMATS)
            limit = MAX_WHOLE[str(image.format)]
        if max(image.width * image.height, _tile(image)) <= limit:
            return image
    except Image.DecompressionBombError:
        pass
    raise TooLarge(f"has more than {limit:,} pixels: {advice}")


def _tile(image: Image.Image) -> int:
    """How many pixels a TIFF has in a tile, which can be larger than the photo and is decoded."""
    tags = getattr(image, "tag_v2", {})
    return int(tags.get(0x0142, 0)) * int(tags.get(0x0143, 0))  # a text times a number is long


def _decodes_in_turn(blob: bytes) -> bool:
    """Whether a decoder of this JPEG is done with a pixel before the next, and keeps none of them.

    Else it goes over all of them once for each scan, and a file of 300 kB can have a thousand:
    that takes minutes (https://cure53.de/pentest-report_libjpeg-turbo.pdf).

    Raises:
        TooLarge: it has more than MAX_SCANS scans, or MAX_SEGMENTS segments.
    """
    at, scans, frame, in_turn = 2, 0, b"", False
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.search(blob, at)
        if marker is None or (kind := marker[0][1]) == END:
            return in_turn
        if not scans and marker.start() - at > MAX_FILL:  # takes Pillow a second for each MB
            raise CatDogError("cannot be decoded: its head is damaged")
        at = marker.end()
        segment = blob[at : at + 8]
        at += int.from_bytes(segment[:2], "big")
        if kind == SCAN:
            scans += 1
            if scans == 1:
                in_turn = frame[:1] in SEQUENTIAL and segment[2:3] == frame[-1:]
            elif scans > MAX_SCANS:
                raise TooLarge(f"has more than {MAX_SCANS} scans: save it again as JPEG")
        elif kind in FRAMES:
            frame = marker[0][1:] + segment[7:8]  # its kind, how many colours
    raise TooLarge(f"has more than {MAX_SEGMENTS:,} segments: save it again as JPEG")


def _decoded(blob: bytes, size: int | None) -> np.ndarray:
    with opened(blob) as image:
        least = size or max(image.size)
        if image.width * image.height > MAX_PIXELS:
            least = min(least, max(1, min(image.size) // 2))
        image.draft(None, (least, least))
        image.load()
        if image.mode in ("I", "F"):
            raise CatDogError(f"cannot be decoded: its pixels are of 32 bits ({image.mode})")
        turn = _orientation(image)
        width, height = image.size[::-1] if turn > 4 else image.size
        pixels = np.empty((height, width, 3), np.uint8)
        stored = AS_STORED.get(turn, lambda photo: photo)(pixels)
        in_srgb, rows = _profile(image), max(1, STRIP // image.width)
        for top in range(0, image.height, rows):  # a whole copy less in memory for each step
            box = (0, top, image.width, min(top + rows, image.height))
            stored[top : top + rows] = np.asarray(_colours(image.crop(box), in_srgb))
        return pixels


def _colours(image: Image.Image, in_srgb: Callable | None) -> Image.Image:
    """A picture of any mode as RGB, over white."""
    if image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.float32) / 257
        image = Image.fromarray(np.round(grey).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return in_srgb(image) if in_srgb else image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """The orientation that EXIF gives, 1 to 8; 1 if it gives none."""
    try:
        turn = image.getexif().get(0x0112)
    except Exception:  # Pillow raises many kinds on damaged EXIF
        turn = None
    if turn is None:  # Pillow stops at a tag whose value lies beyond the end
        exif = re.sub(rb"^(Exif\0\0)+", b"", image.info.get("exif") or b"")
        order = ">" if exif[:2] == b"MM" else "<"
        with contextlib.suppress(struct.error):
            (start,) = struct.unpack_from(order + "4xI", exif)
            (n,) = struct.unpack_from(order + "H", exif, start)
            for i in range(n):
                tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * i)
                if (tag, kind) == (0x0112, 3):
                    turn = value
    return turn if turn in AS_STORED else 1


def _profile(image: Image.Image) -> Callable[[Image.Image], Image.Image] | None:
    """What turns a picture into RGB as its colour profile says; None where that changes nothing."""
    profile = image.info.get("icc_profile") or b""
    mode = {"CMYK": "CMYK", "L": "L", "LA": "L"}.get(image.mode, "RGB")
    space = {"CMYK": b"CMYK", "L": b"GRAY", "RGB": b"RGB "}[mode]
    # "mpet" is a chain of steps for each colour: 4,000 of them fit into 100 kB and take seconds.
    if profile[16:20] != space or len(profile) > MAX_PROFILE or b"mpet" in profile:
        return None
    return _into_srgb(profile, mode)


@functools.lru_cache(4)
def _into_srgb(profile: bytes, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    from PIL import ImageCms

    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, ImageCms.PyCMSError):  # damaged
        return None
    bands = len(Image.new(mode, (1, 1)).getbands())
    steps = (np.indices((9,) * bands) * 31.875).astype(np.uint8).reshape(bands, -1).T
    some = Image.frombytes(mode, (len(steps), 1), steps.tobytes())
    pair = (transform.apply(some), some.convert("RGB"))
    apart = np.subtract(*(np.asarray(image, int) for image in pair))
    if abs(apart).max() <= ALIKE:
        return None
    return lambda image: transform.apply(image.convert(mode))


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
