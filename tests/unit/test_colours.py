"""Colour profiles: what is seen is sRGB, whatever the numbers in the file mean."""

import struct
import time

import numpy as np
import profiles
import pytest
import skimage.color
import skimage.data
from PIL import Image, ImageCms
from test_photos import saved

from catdog.data import imaging

CAT = skimage.data.chelsea()  # uint8 (300, 451, 3)
GAMMA = 563  # 2.2, times 256
ADOBE = profiles.of_screen(profiles.ADOBE, GAMMA)
P3 = profiles.of_screen(profiles.P3, GAMMA)
STEPS = np.linspace(0, 1, 1024)
LINEAR = np.where(STEPS <= 0.04045, STEPS / 12.92, ((STEPS + 0.055) / 1.055) ** 2.4)
TABLE = np.round(65535 * LINEAR).astype(int)
OWN = profiles.of_screen(profiles.SRGB, *TABLE)
ROUNDED = profiles.of_screen(np.round(profiles.SRGB, 3), *TABLE)
NOISE = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)


def on_screen(primaries):
    """The cat as numbers of another screen: linear light, XYZ, and back, without a library."""
    light = np.interp(CAT / 255, STEPS, LINEAR) @ profiles.SRGB
    other = (light @ np.linalg.inv(primaries)).clip(0, 1) ** (1 / 2.2)
    return np.round(255 * other).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("primaries, profile", [(profiles.ADOBE, ADOBE), (profiles.P3, P3)])
def test_pixels_of_another_screen_are_converted_to_srgb(kind, primaries, profile):
    how = {"WEBP": {"lossless": True}, "JPEG": {"quality": 98, "subsampling": 0}}.get(kind, {})
    pixels = on_screen(primaries)
    assert np.abs(pixels.astype(int) - CAT).mean() > 3
    found = imaging.pixels_of(saved(pixels, kind, icc_profile=profile, **how), 300)
    assert np.abs(found.astype(int) - CAT).mean() < 1.5


def test_pixels_of_another_screen_keep_their_transparency_and_stand_upright():
    image = Image.fromarray(on_screen(profiles.ADOBE)).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 451, 100))
    exif = Image.Exif()
    exif[0x0112] = 3
    found = imaging.pixels_of(saved(image, "PNG", icc_profile=ADOBE, exif=exif), 300)[::-1, ::-1]
    assert (found[:100] == 255).all()
    assert np.abs(found[100:].astype(int) - CAT[100:]).mean() < 1.5


@pytest.mark.parametrize(
    "profile",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        OWN,
        ROUNDED,
        b"no profile",
        ADOBE[:200],
        ADOBE[:140] + bytes(range(200)),
        profiles.of_greys(GAMMA),
    ],
    ids=["Pillow's sRGB", "sRGB by a table", "sRGB of three digits"]
    + ["text", "truncated", "damaged", "of greys"],
)
def test_pixels_stay_where_the_profile_says_nothing_new(profile):
    assert np.array_equal(imaging.pixels_of(saved(NOISE, "TIFF", icc_profile=profile)), NOISE)


def test_a_profile_that_is_too_large_is_left_out():
    profile = ADOBE + bytes(imaging.MAX_PROFILE)
    assert np.array_equal(imaging.pixels_of(saved(NOISE, "TIFF", icc_profile=profile)), NOISE)


def test_greys_follow_their_curve():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None], 8, 0)
    found = imaging.pixels_of(saved(greys, "PNG", icc_profile=profiles.of_greys(461)), 8)
    light = (np.arange(256) / 255) ** 1.8
    wanted = 255 * np.interp(light, LINEAR, STEPS)
    assert np.abs(found[0].astype(float) - wanted[:, None]).max() < 2


def test_inks_look_as_their_printer_prints_them():
    paper = dict.fromkeys(np.ndindex(2, 2, 2, 2), (0, 128, 128))
    paper[0, 0, 0, 0], paper[0, 1, 0, 0] = (255, 128, 128), (128, 200, 128)
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, 8:, 1] = 255
    image = Image.frombytes("CMYK", (16, 16), inks.tobytes())
    blob = saved(image, "TIFF", icc_profile=profiles.of_inks(paper))
    white, magenta = imaging.pixels_of(blob, 16)[0, [0, -1]].astype(int)
    assert white.min() > 250
    wanted = 255 * skimage.color.lab2rgb([100 * 128 / 255, 200 - 128, 0])
    assert np.abs(magenta - wanted).max() < 6


def test_a_profile_that_is_a_long_chain_of_steps_is_left_out():
    step = struct.pack(">4s4xHH12f", b"matf", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    n = 4000
    chain = struct.pack(">4s4xHHI", b"mpet", 3, 3, n) + struct.pack(">II", 16 + 8 * n, 60) * n
    tags = dict.fromkeys(("D2B0", "D2B1", "A2B0"), chain + step)
    profile = profiles.profile(
        b"mntr", b"RGB ", b"XYZ ", 4, **tags, wtpt=profiles.xyz(profiles.D50)
    )
    begun = time.perf_counter()
    assert np.array_equal(imaging.pixels_of(saved(CAT, "PNG", icc_profile=profile)), CAT)
    assert time.perf_counter() - begun < 1
