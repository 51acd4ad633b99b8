"""Photos from files, changed at random: as the old generator changes them, and at least as well."""

import io
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy import ndimage, stats

from catdog import CatDogError
from catdog.data import augmentation, batching, organizing

legacy = pytest.importorskip("keras.src.legacy.preprocessing.image")
# today's generator takes degrees where the article's took radians, and interpolates
ARTICLES = dict(shear_range=math.degrees(0.2), zoom_range=0.2, horizontal_flip=True)
SMOOTH = replace(augmentation.ARTICLE, nearest=False)
N = 5000


def parameters(matrices):
    """Take matrices (n, 2, 3) apart again: shear in degrees, zoom of rows and of columns, flip."""
    (a, _), (b, zoom_y) = matrices[:, :, :2].transpose(1, 2, 0)
    return {
        "shear": np.degrees(np.arctan(-b / a)),
        "zx": zoom_y,
        "zy": np.hypot(a, b),
        "flip_horizontal": a < 0,
    }


def test_shear_zoom_and_flip_are_distributed_as_the_old_generators():
    rng = np.random.default_rng(1)
    ours = parameters(augmentation.transforms(N, 150, 150, SMOOTH, rng))
    generator = legacy.ImageDataGenerator(**ARTICLES)
    np.random.seed(2)
    drawn = [generator.get_random_transform((150, 150, 3)) for _ in range(N)]
    theirs = {name: np.array([one[name] for one in drawn]) for name in ours}
    for name in ("shear", "zx", "zy"):
        assert stats.ks_2samp(ours[name], theirs[name]).pvalue > 0.01
        narrower = ours[name].mean() + 0.9 * (ours[name] - ours[name].mean())
        assert stats.ks_2samp(narrower, theirs[name]).pvalue < 1e-4  # it would see a tenth less
        assert abs(np.corrcoef(ours[name], ours["flip_horizontal"])[0, 1]) < 0.05
    assert abs(np.corrcoef(ours["zx"], ours["zy"])[0, 1]) < 0.05
    for flips in (ours["flip_horizontal"], theirs["flip_horizontal"]):
        assert stats.binomtest(int(flips.sum()), N, 0.5).pvalue > 0.01


def jpegs(side):
    """Parts of a real photo of a cat, as JPEG files of side×side pixels: {name: bytes}."""
    photo = skimage.data.chelsea()
    for i, (top, left) in enumerate([(0, 0), (0, 130), (90, 60), (90, 240)]):
        part = cv2.resize(photo[top : top + 210, left : left + 210], (side, side))
        out = io.BytesIO()
        Image.fromarray(part).save(out, "JPEG", quality=95)
        yield f"{i}.jpg", out.getvalue()


def exact(pixels, matrix, size, samples=6):
    """Transform in float64: each result is the mean of 6×6 points, read from a cubic spline."""
    at = (np.arange(size * samples) + 0.5) / samples - 0.5
    x, y = np.meshgrid(at, at)
    points = np.einsum("ab,bij->aij", matrix, np.stack([x, y, np.ones_like(x)]))
    edge = np.array(pixels.shape[1::-1])[:, None, None] - 1
    where = np.clip(points, 0, edge)[::-1]
    spread = [
        ndimage.map_coordinates(pixels[:, :, c].astype(float), where, order=3) for c in range(3)
    ]
    squares = np.stack(spread, -1).reshape(size, samples, size, samples, 3)
    return squares.mean((1, 3)).clip(0, 255)


@pytest.mark.parametrize("side", [150, 180, 200, 299])
def test_the_changed_photos_are_nearer_to_exact_ones_than_the_old_generators(tmp_path, side):
    """Same files, same matrices: the old generator interpolates twice, the pipeline once."""
    for name, blob in jpegs(side):
        (tmp_path / name).write_bytes(blob)
    files = sorted(tmp_path.glob("*.jpg"))
    (ours,) = batching.file_batches(files, 4, 150, SMOOTH, seed=5)
    rng = np.random.default_rng((5, 0))
    matrices = augmentation.transforms(4, 150, 150, SMOOTH, rng)
    drawn = parameters(matrices)
    generator = legacy.ImageDataGenerator(**ARTICLES)
    errors = {"ours": [], "theirs": []}
    for i, path in enumerate(files):
        pixels = np.asarray(Image.open(path))
        small = np.asarray(Image.open(path).resize((150, 150), Image.Resampling.BILINEAR))
        one = {name: values[i] for name, values in drawn.items()}
        theirs = generator.apply_transform(small.astype(np.float32), one)
        up = np.array(
            [[side / 150, 0, (side / 150 - 1) / 2], [0, side / 150, (side / 150 - 1) / 2]]
        )
        matrix = up[:, :2] @ matrices[i]
        matrix[:, 2] += up[:, 2]
        wanted = exact(pixels, matrix, 150)
        for name, found in (("ours", ours[i].astype(float)), ("theirs", theirs)):
            errors[name].append(((found - wanted) ** 2).mean())
    ours, theirs = (float(np.sqrt(np.mean(errors[name]))) for name in ("ours", "theirs"))
    assert ours < (0.8 if side > 150 else 1.02) * theirs  # at 150 both interpolate once


def test_photos_of_any_size_become_one_batch(tmp_path):
    """Small ones are made larger, long ones and large ones come by way of a resize."""
    sides = [(40, 60), (150, 150), (200, 299), (700, 320), (90, 900)]
    for i, (height, width) in enumerate(sides):
        ramp = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
        Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / f"{i}.jpg", quality=95)
    files = sorted(tmp_path.glob("*.jpg"))
    still = augmentation.Augmentation(shear=0, zoom=0, flip=False)
    (found,) = batching.file_batches(files, 8, 100, still)
    (plain,) = batching.file_batches(files, 8, 100)
    assert found.shape == (5, 100, 100, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - plain).mean() < 2
    mirror = augmentation.Augmentation(shear=0, zoom=0)
    turned = np.concatenate(list(batching.file_batches(files * 4, 20, 100, mirror, seed=1)))
    ways = {np.sign(int(x[50, 90, 0]) - int(x[50, 10, 0])) for x in turned}
    assert ways == {-1, 1}


def test_file_batches_do_not_depend_on_how_many_are_made_at_a_time(tmp_path, monkeypatch):
    for name, blob in jpegs(160):
        (tmp_path / name).write_bytes(blob)
    files = sorted(tmp_path.glob("*.jpg")) * 3
    many = list(batching.file_batches(files, 2, 64, augmentation.ARTICLE))
    monkeypatch.setattr(organizing.os, "cpu_count", lambda: 1)
    one = list(batching.file_batches(files, 2, 64, augmentation.ARTICLE))
    assert len(many) == 6 and all(np.array_equal(a, b) for a, b in zip(many, one, strict=True))


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(CatDogError, match="gone.jpg cannot be read.*No such file"):
        list(batching.file_batches([tmp_path / "gone.jpg"], 1, 32))
