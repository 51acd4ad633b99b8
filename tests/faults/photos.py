"""Photo files of every odd kind, given to `catdog predict`."""

import os
import struct
import zlib
from collections.abc import Callable

import numpy as np
from pictures import CAT, HEIC, SIDEWAYS, jpeg, of_size, saved, with_exif
from PIL import Image

from faults.place import Place, Seen
from faults.registry import fault

NO_PHOTO = "catdog: mine/a.jpg is no photo that can be read (JPEG, PNG, WebP…)."
READ = "… (probability of dog: …)  mine/a.jpg"


def predict(place: Place, *words: str) -> Seen:
    return place.catdog("-q", "predict", "--model", place.model, *words)


def _half(blob: bytes) -> bytes:
    return blob[: len(blob) // 2]


def _harmed(blob: bytes) -> bytes:
    """The same with bytes in its middle that mean nothing."""
    at = len(blob) // 2
    return blob[:at] + bytes(range(256)) + blob[at + 256 :]


def _png_bomb(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checked)

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(bytes(9**6)))
        + chunk(b"IEND", b"")
    )


REFUSED = {  # id: what, its bytes
    "photo-empty": ("a photo of 0 bytes", lambda: b""),
    "photo-truncated": ("half of a JPEG", lambda: _half(saved(CAT))),
    "photo-progressive-truncated": (
        "half of a progressive JPEG",
        lambda: _half(saved(CAT, progressive=True)),
    ),
    "photo-text": ("text named .jpg", lambda: b"not a photo"),
    "photo-page": ("a web page named .jpg", lambda: b"<!doctype html><title>404</title>"),
    "photo-svg": ("an SVG named .jpg", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "photo-postscript": ("PostScript named .jpg", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%EOF\n"),
    "photo-video": ("a video named .jpg", lambda: b"\0\0\0\x18ftypmp42" + bytes(5000)),
    "photo-head-alone": ("a JPEG's first 20 bytes", lambda: saved(CAT)[:20]),
    "photo-png-damaged": ("a PNG damaged in its middle", lambda: _harmed(saved(CAT, "PNG"))),
    "photo-png-truncated": ("half of a PNG", lambda: _half(saved(CAT, "PNG"))),
    "photo-webp-truncated": ("half of a WebP", lambda: _half(saved(CAT, "WEBP"))),
    "photo-gif-truncated": ("half of a GIF", lambda: _half(saved(CAT, "GIF"))),
    "photo-tiff-truncated": (
        "half of a TIFF packed with LZW",
        lambda: _half(saved(CAT, "TIFF", compression="tiff_lzw")),
    ),
    "photo-bmp-truncated": ("half of a BMP", lambda: _half(saved(CAT, "BMP"))),
    "photo-avif-truncated": ("half of an AVIF", lambda: _half(saved(CAT, "AVIF"))),
    "photo-floats": (
        "a TIFF of floating point",
        lambda: saved(CAT[..., 0].astype(np.float32), "TIFF"),
    ),
}
LARGE = {  # id: what, its bytes, why
    "photo-bomb": (
        "a JPEG that claims 20,000×10,001 pixels",
        lambda: of_size(20_000, 10_001, saved(CAT)),
        "has more than 200,000,000 pixels: make it smaller",
    ),
    "photo-progressive-bomb": (
        "a progressive JPEG that claims 8,192×6,144 pixels",
        lambda: of_size(8192, 6144, saved(CAT, progressive=True)),
        "has more than 50,000,000 pixels: save it as a JPEG that is not progressive, or make it "
        "smaller",
    ),
    "photo-png-bomb": (
        "a PNG of 4 KB that claims 60,000×60,000 pixels",
        lambda: _png_bomb(60_000),
        "has more than 32,000,000 pixels: make it smaller, or save it as JPEG",
    ),
    "photo-heic": (
        "a HEIC photo named .jpg",
        lambda: HEIC,
        "is a HEIC photo: convert it to JPEG, or install pillow-heif",
    ),
}
TURNED = saved(np.rot90(CAT, 1), quality=95)
SURVIVED = {  # id: what, its bytes
    "photo-no-end": ("a JPEG without its end marker", lambda: saved(CAT)[:-2]),
    "photo-cmyk": ("a JPEG in CMYK", lambda: saved(Image.fromarray(CAT).convert("CMYK"))),
    "photo-16-bit": (
        "a PNG of 16-bit grey named .jpg",
        lambda: saved(CAT[..., 0].astype(np.uint16) * 257, "PNG"),
    ),
    "photo-palette": (
        "a PNG with a palette and its transparency in bytes",
        lambda: saved(
            Image.fromarray(CAT).quantize(60), "PNG", transparency=bytes([0, 40, 255] * 20)
        ),
    ),
    "photo-mpo": (
        "MPO, the JPEG of telephones",
        lambda: saved(
            Image.fromarray(CAT), "MPO", save_all=True, append_images=[Image.new("RGB", (16, 12))]
        ),
    ),
    "photo-progressive": ("a progressive JPEG", lambda: saved(CAT, progressive=True)),
    "photo-trailing": (
        "a JPEG with a video behind its end",
        lambda: saved(CAT) + b"\0\0\0\x18ftypmp42" + bytes(5000),
    ),
    "photo-extraneous": (
        "a JPEG with 214 zeros before its end marker",
        lambda: saved(CAT)[:-2] + bytes(214) + b"\xff\xd9",
    ),
    "photo-exif-beyond": (
        "EXIF that points behind the file's end",
        lambda: with_exif(TURNED, (0x010F, 2, 30, struct.pack("<I", 60_000)), SIDEWAYS),
    ),
    "photo-exif-text": (
        "EXIF with text for a width",
        lambda: with_exif(TURNED, (0x0100, 2, 3, b"10\0\0"), SIDEWAYS),
    ),
    "photo-exif-garbage": (
        "EXIF that is garbage",
        lambda: with_exif(TURNED, before=bytes(range(40))),
    ),
    "photo-exif-circle": (
        "EXIF whose sub-directory is itself",
        lambda: with_exif(TURNED, (0x8769, 4, 1, struct.pack("<I", 8)), SIDEWAYS),
    ),
    "photo-thin": (
        "a photo of 1×3,000 pixels",
        lambda: saved(Image.fromarray(CAT).resize((1, 3000)), "PNG"),
    ),
    "photo-animation": (
        "an animated GIF with transparency",
        lambda: saved(
            Image.fromarray(CAT).quantize(32),
            "GIF",
            save_all=True,
            append_images=[Image.fromarray(CAT[::-1]).quantize(32)],
            transparency=0,
        ),
    ),
}


def _given(make: Callable[[], bytes]):
    """Return how to inject a photo of these bytes."""

    def inject(place: Place) -> Seen:
        place.put("a.jpg", make())
        return predict(place, "mine/a.jpg")

    return inject


for id, (what, make) in REFUSED.items():
    fault(id, what, NO_PHOTO)(_given(make))
for id, (what, make, why) in LARGE.items():
    fault(id, what, f"catdog: mine/a.jpg {why}.")(_given(make))
for id, (what, make) in SURVIVED.items():
    fault(id, what, READ, 0)(_given(make))


@fault(
    "photo-missing",
    "a name that is nothing",
    "catdog: mine/a.jpg cannot be read: No such file or directory.",
)
def _(place: Place) -> Seen:
    return predict(place, "mine/a.jpg")


@fault(
    "photo-dangling",
    "a link to nothing",
    "catdog: mine/a.jpg cannot be read: No such file or directory.",
)
def _(place: Place) -> Seen:
    os.symlink("gone.jpg", place.mine / "a.jpg")
    return predict(place, "mine/a.jpg")


@fault(
    "photo-circle",
    "a link to itself",
    "catdog: mine/a.jpg cannot be read: Too many levels of symbolic links.",
)
def _(place: Place) -> Seen:
    os.symlink("a.jpg", place.mine / "a.jpg")
    return predict(place, "mine/a.jpg")


@fault("photo-folder", "an empty folder named .jpg", "catdog: mine/a.jpg: no photo in it (…).")
def _(place: Place) -> Seen:
    (place.mine / "a.jpg").mkdir()
    return predict(place, "mine/a.jpg")


@fault(
    "photo-stick",
    "a folder with ._ files, Thumbs.db, a fifo, HEIC, links to nothing and in a circle",
    "catdog: 1 HEIC file left out: convert it to JPEG, or install pillow-heif.\n"
    "catdog: Left out: 2 system files (._*, Thumbs.db…), 2 links that are not followed, "
    "1 other file.",
    0,
)
def _(place: Place) -> Seen:
    place.put("a.jpg", jpeg(1))
    place.put("album.jpg/b.jpg", jpeg(2))
    for name in ("._a.jpg", "Thumbs.db", "notes.txt"):
        place.put(name, b"\0\5\x16\7")
    place.put("1.HEIC", HEIC)
    os.mkfifo(place.mine / "fifo.jpg")
    os.symlink("gone.jpg", place.mine / "gone.jpg")
    os.symlink(place.mine, place.mine / "circle")
    seen = predict(place, "mine")
    assert seen.out.count("\n") == 2
    return seen
