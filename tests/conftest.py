"""Shared fixtures."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image


def jpeg(seed: int, size=(32, 24)) -> bytes:
    """A small valid JPEG; one seed, one picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def photos() -> dict[str, bytes]:
    """40 photos named as in Kaggle's archive."""
    return {
        f"train/{label}.{i}.jpg": jpeg(2 * i + (label == "dog"))
        for label in ("cat", "dog")
        for i in range(20)
    }


@pytest.fixture
def make_zip(tmp_path):
    """Write a zip of name → bytes and return its path."""

    def make(files, name="train.zip"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for file, blob in files.items():
                archive.writestr(file, blob)
        return path

    return make
