"""The drawn sample: reproducible, varied, and not to be told apart by simple statistics."""

import hashlib
import io

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from catdog.data import loading, manifests, synthetic
from catdog.training import config


@pytest.fixture(scope="module")
def blobs():
    """1,200 of the sample's photos: (label, number) and the files, cat and dog in turn."""
    folder = config.scale("sample").folder
    photos = sorted(manifests.read(folder), key=lambda photo: (_number(photo), photo.label))[:1200]
    files = loading.paths_of(folder, photos)
    return [(p.label, _number(p)) for p in photos], [file.read_bytes() for file in files]


def _number(photo):
    return int(photo.file.split(".")[1])


def test_same_seed_same_bytes(blobs):
    pairs, made = blobs
    assert pairs[:3] == [("cat", 0), ("dog", 0), ("cat", 1)]
    # what is drawn now is what the other tests look at
    assert [synthetic.jpeg(*one) for one in pairs[:12]] == made[:12]
    assert synthetic.jpeg("dog", 3, seed=2) != synthetic.jpeg("dog", 3)
    assert len({hashlib.sha256(blob).digest() for blob in made}) == len(made)


def test_sizes_and_shapes_vary_as_in_photos(blobs):
    sizes = np.array([Image.open(io.BytesIO(blob)).size for blob in blobs[1]])
    ratio = sizes[:, 0] / sizes[:, 1]
    assert sizes.min() < 200 and sizes.max() == 500
    assert (ratio < 0.9).mean() > 0.1 and (ratio > 1.1).mean() > 0.4


def _statistics(blob):
    p = np.array(Image.open(io.BytesIO(blob)))
    return {
        "thumbnail": cv2.resize(p, (16, 16), interpolation=cv2.INTER_AREA),
        "grey": cv2.resize(p, (24, 24), interpolation=cv2.INTER_AREA).mean(2),
        "histogram": cv2.calcHist([p], [0, 1, 2], None, [5] * 3, [0, 256] * 3) / p.size,
        "file": np.array([*p.shape, len(blob)]),
    }


@pytest.fixture(scope="module")
def statistics(blobs):
    return [_statistics(blob) for blob in blobs[1]]


@pytest.mark.parametrize("what", ["thumbnail", "grey", "histogram", "file"])
def test_no_simple_statistic_tells_the_class(blobs, statistics, what):
    pairs, x = blobs[0], [one[what] for one in statistics]
    x = np.array(x, float).reshape(len(x), -1)
    y = np.array([label == "dog" for label, _ in pairs])
    half = len(x) * 3 // 4
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.001, max_iter=1000))
    model.fit(x[:half], y[:half])
    # the bound is 0.75; three standard errors of 300 pictures are 0.08
    assert model.score(x[half:], y[half:]) < 0.75


def test_sample_is_organized_once(tmp_path):
    folder = synthetic.organize(tmp_path, n=40, progress=False)
    assert manifests.metadata(folder)["counts"]["train"] == {"cat": 16, "dog": 16}
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert synthetic.organize(tmp_path, n=40, progress=False) == folder
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
