"""What a stranger's photo may cost: bytes, scans, segments, memory."""

import os
import re
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from test_photos import CAT, of_size, saved

from catdog import CatDogError
from catdog.data import imaging, sources
from catdog.inference import prediction

SCAN = b"\xff\xda"
AT_THE_LIMIT = """
import pathlib, sys, psutil
from catdog.data import imaging
small, large = (pathlib.Path(path) for path in sys.argv[1:])
imaging.decode(small, 300)
before = psutil.Process().memory_info().rss
imaging.decode(large, 300)
status = pathlib.Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024 - before)
"""


def with_scans(n):
    """A progressive JPEG whose last scan is there again and again."""
    blob = saved(CAT, quality=80, progressive=True)
    last = blob.rindex(SCAN)
    return blob[:-2] + blob[last:-2] * (n - blob.count(SCAN)) + blob[-2:]


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded():
    assert with_scans(10) == saved(CAT, quality=80, progressive=True)
    assert imaging.pixels_of(with_scans(100), 300).shape == CAT.shape
    begun = time.process_time()
    for check in (sources.check_photo, imaging.decode, imaging.opened):
        with pytest.raises(imaging.TooLarge, match="has more than 100 scans"):
            check(with_scans(5000))
    with pytest.raises(imaging.TooLarge, match="^this file has more than 100 scans: save it"):
        prediction.read_photo(with_scans(101), 64)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("kind", [0xE1, 0xE5, 0xFE])
def test_scans_of_a_thumbnail_or_in_a_comment_do_not_count(kind):
    inside = bytes([0xFF, kind]) + struct.pack(">H", 5002) + SCAN * 2500
    for blob in (saved(CAT), with_scans(100)):
        whole = blob[:2] + inside + blob[2:]
        assert np.array_equal(imaging.pixels_of(whole), imaging.pixels_of(blob))
        last = blob.rindex(SCAN)  # between two scans
        assert imaging.pixels_of(blob[:last] + inside + blob[last:], 300).shape == CAT.shape
    behind = b"\0\2" + (SCAN + b"\0\2") * 500
    assert imaging.pixels_of(saved(CAT) + behind, 300).shape == CAT.shape


def test_scans_cannot_be_hidden_behind_what_libjpeg_passes_over():
    head, *scans = with_scans(120).split(SCAN)
    for hidden in (b"\xff\x02\xff\xf0", b"\xff\xd0\xff\xf0", b"\xff\x00\xff\xf0", b"\xff" * 9):
        with pytest.raises(imaging.TooLarge):
            imaging.opened(head + SCAN + (hidden + SCAN).join(scans))


def test_a_jpeg_of_endless_segments_or_filling_is_refused_at_once():
    blob = saved(CAT)
    begun = time.perf_counter()
    for many, said in (
        (b"\xff\xfe\0\2" * 2_000_000, "has more than 10,000 segments"),
        (b"\xff" * 10_000_000, "its head is damaged"),
        (b"\xff\0" * 5_000_000, "its head is damaged"),
    ):
        with pytest.raises(CatDogError, match=said):
            imaging.pixels_of(blob[:2] + many + blob[2:])
    assert time.perf_counter() - begun < 2
    assert np.array_equal(
        imaging.pixels_of(blob[:2] + b"\xff" * 99 + blob[2:]), imaging.pixels_of(blob)
    )


def test_counting_scans_costs_little_more_than_a_checksum_of_the_file():
    noise = np.random.default_rng(1).integers(0, 256, (4200, 5000, 3), dtype=np.uint8)
    blob = saved(noise, quality=90)
    assert len(blob) > 16 * 2**20

    def seconds(look):
        begun = time.perf_counter()
        assert look(blob)
        return time.perf_counter() - begun

    pairs = [(seconds(imaging._decodes_in_turn), seconds(zlib.crc32)) for _ in range(8)]
    ours, checksum = map(min, zip(*pairs, strict=True))
    assert ours < 3 * checksum  # 18 ms and 16 ms for 19 MB


def in_separate_scans(blob):
    """Let a JPEG say that its first scan has the first of its colours alone."""
    at = blob.index(SCAN)
    return blob[: at + 2] + struct.pack(">HB", 8, 1) + blob[at + 5 : at + 7] + blob[at + 11 :]


def test_a_jpeg_of_a_scan_for_each_colour_keeps_all_pixels_and_has_their_limit():
    blob = of_size(8192, 6144, in_separate_scans(saved(CAT)))
    with pytest.raises(imaging.TooLarge, match="more than 50,000,000 pixels: save it as a JPEG"):
        imaging.opened(blob)
    with imaging.opened(of_size(8192, 6144, saved(CAT))) as image:
        assert image.size == (8192, 6144)


def tiled(side, width=4):
    """A TIFF of 10×10 pixels in one tile, whose width is of this type (4: a number, 2: text)."""
    data = zlib.compress(bytes(side * side))
    tags = [(256, 10), (257, 10), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side)]
    tags += [(324, 8), (325, len(data))]
    table = b"".join(
        struct.pack("<HHII", tag, width if tag == 322 else 4, 1, value) for tag, value in tags
    )
    return (
        struct.pack("<2sHI", b"II", 42, 8 + len(data))
        + data
        + bytes([len(tags), 0])
        + table
        + bytes(4)
    )


def test_a_tile_that_is_larger_than_its_photo_counts():
    assert imaging.pixels_of(tiled(64)).shape == (10, 10, 3)
    with pytest.raises(imaging.TooLarge, match="more than 32,000,000 pixels"):
        imaging.pixels_of(tiled(8192))
    with pytest.raises(CatDogError, match="cannot be decoded: invalid literal for int"):
        imaging.pixels_of(tiled(100, width=2))


def noise(mode, width, height):
    bands = len(Image.new(mode, (1, 1)).getbands())
    tile = Image.frombytes(mode, (256, 256), os.urandom(256 * 256 * bands))
    image = Image.new(mode, (width, height))
    for corner in np.ndindex(-(-width // 256), -(-height // 256)):
        image.paste(tile, (256 * corner[0], 256 * corner[1]))
    return image


LARGEST = {  # of each format, what costs most
    "PNG": ("RGBA", 8000, 4000, {"compress_level": 1}),
    "BMP": ("RGB", 8000, 4000, {}),
    "GIF": ("L", 8000, 4000, {}),
    "TIFF": ("CMYK", 8000, 4000, {"compression": "tiff_adobe_deflate", "strip_size": 2**30}),
    "WEBP": ("RGBA", 5000, 3000, {"lossless": True, "method": 0, "quality": 0}),
    "AVIF": ("RGBA", 5000, 3000, {"speed": 10, "quality": 50, "subsampling": "4:4:4"}),
    "JPEG": ("L", 20_000, 10_000, {"quality": 10}),
    "progressive": ("RGB", 8000, 6250, {"progressive": True}),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc for the peak")
@pytest.mark.parametrize("kind", LARGEST)
def test_memory_for_the_largest_photo_of_each_format_is_bounded(kind, tmp_path):
    mode, width, height, how = LARGEST[kind]
    name = "JPEG" if kind == "progressive" else kind
    if name not in imaging.FORMATS:
        pytest.skip(f"this Pillow reads no {name}")
    limit = 4 * imaging.MAX_PIXELS if kind == "JPEG" else imaging.MAX_PIXELS
    assert width * height == imaging.MAX_WHOLE.get(kind, limit)
    image, (small, large) = noise(mode, width, height), (tmp_path / "small", tmp_path / "large")
    image.save(large, name, **how)
    image.crop((0, 0, 700, 700)).save(small, name, **how)
    command = [sys.executable, "-c", AT_THE_LIMIT, small, large]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    grown = int(found.stdout) / 2**20
    file = large.stat().st_size / 2**20
    print(f"{kind}: {grown:.0f} MB, of them {file:.0f} MB the file itself")
    assert file < 100 and 1 < grown - file < 260


@pytest.mark.parametrize(
    "kind, mode, width, height",
    [
        ("JPEG", "L", 8192, 6144),
        ("JPEG", "L", 8160, 6144),
        ("PNG", "1", 6048, 4024),
        ("PNG", "1", 4032, 3024),
        ("WEBP", "RGB", 4032, 3024),
        ("AVIF", "RGB", 4032, 3024),
    ],
)
def test_photos_of_telephones_and_cameras_are_within_the_limits(kind, mode, width, height):
    if kind in imaging.FORMATS:
        how = {"method": 0} if kind == "WEBP" else {"speed": 10} if kind == "AVIF" else {}
        blob = saved(Image.new(mode, (width, height)), kind, **how)
        assert prediction.read_photo(blob, 64).shape == (64, 64, 3)


def test_a_file_of_too_many_bytes_is_not_read(tmp_path):
    path = tmp_path / "video.jpg"
    with open(path, "wb") as file:
        file.truncate(100 * imaging.MAX_BYTES)  # takes no room
    begun = time.perf_counter()
    said = f"^{re.escape(str(path))} has more than 200 MB: make it smaller[.]$"
    with pytest.raises(imaging.TooLarge, match=said):
        prediction.read_photo(path, 64)
    with pytest.raises(imaging.TooLarge, match="^has more than 200 MB"):
        imaging.decode(path)
    assert time.perf_counter() - begun < 1


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no endless file here")
def test_a_file_that_says_no_size_is_read_up_to_the_limit(monkeypatch):
    monkeypatch.setattr(imaging, "MAX_BYTES", 1_000_000)
    with pytest.raises(imaging.TooLarge, match="^/dev/zero has more than 1 MB"):
        prediction.read_photo("/dev/zero", 64)
