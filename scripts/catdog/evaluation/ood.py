"""Tell photos of cats and dogs from pictures of anything else, and refuse those.

A classifier with two answers gives one of them to any picture. What it saw, though, the features
before its last layer, is unlike anything it knows when the picture is neither: the angle to the
nearest features of known photos says how strange it is (Sun et al. 2022, arXiv 2204.06507,
section 3: normalized features, nearest neighbours; here the nearest one).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from catdog import CatDogError
from catdog.core import files

BANK = 240  # known photos that are kept: more help little, and the file stays small
KEEP = 0.99
KINDS = ("noise", "clouds", "gradients", "shapes", "text")


def _unit(features: np.ndarray) -> np.ndarray:
    features = np.asarray(features, np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class OODDetector:
    """What is known, and how strange is too strange.

    Attributes:
        bank: features of known photos, float32 (m, c), each of length 1.
        threshold: the largest distance that is not refused.
    """

    bank: np.ndarray
    threshold: float

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Return 1 - cosine of the angle to the nearest known photo: features (n, c) to (n,)."""
        return 1 - (_unit(features) @ self.bank.T).max(axis=1)

    def is_ood(self, features: np.ndarray) -> np.ndarray:
        """Return which photos are too far from all that is known: bool (n,)."""
        return self.distance(features) > self.threshold


def fit(known: np.ndarray, others: np.ndarray, keep: float = KEEP) -> OODDetector:
    """Make a refusal from features of photos that show a cat or a dog.

    Args:
        known: (m, c), what a new photo is compared with.
        others: (n, c), of other photos: the threshold keeps a share `keep` of them.
    """
    refusal = OODDetector(_whole(*_small(_unit(known))), 0.0)
    return OODDetector(refusal.bank, float(np.quantile(refusal.distance(others), keep)))


def _small(bank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features of 1 to 256 values each: a byte a value, and a factor a photo."""
    low = bank.min(axis=1, keepdims=True)
    step = np.maximum(bank.max(axis=1, keepdims=True) - low, 1e-12) / 255
    return np.round((bank - low) / step).astype(np.uint8), np.hstack([low, step])


def _whole(small: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return _unit(scale[:, :1] + scale[:, 1:] * small)


def detector_path(model: str | Path) -> Path:
    """Return where the refusal of a model file stands."""
    return Path(model).with_suffix(".refusal.npz")


def save(refusal: OODDetector, model: str | Path, path: str | Path | None = None) -> Path:
    """Write a refusal beside the model file that it belongs to, or elsewhere."""
    path = Path(path or detector_path(model))
    small, scale = _small(refusal.bank)
    with files.atomic_write(path) as part, open(part, "wb") as stream:  # a path would get .npz
        np.savez_compressed(
            stream,
            bank=small,
            scale=scale.astype(np.float32),
            threshold=refusal.threshold,
            model=files.sha256(model),
        )
    return path


def load(model: str | Path, sha256: str | None = None) -> OODDetector | None:
    """Read the refusal beside a model file; None if there is none.

    Args:
        sha256: of the `.keras` file, where an `.onnx` file is named that was made from it.

    Raises:
        CatDogError: it is damaged, or belongs to another model.
    """
    path = detector_path(model)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            bank = _whole(kept["bank"], kept["scale"])
            threshold, of = float(kept["threshold"]), str(kept["model"])
    except Exception as error:  # zip, key and value errors of a damaged file
        raise CatDogError(f"{path} is damaged ({error}): get it again, or move it away.") from None
    if of != sha256 and of != files.sha256(model):
        raise CatDogError(
            f"{path} belongs to another model than {model}. Move it away, or make one for this "
            "model: catdog evaluate --model … --refusal …"
        )
    return OODDetector(bank, threshold)


WORDS = "a the photo house tree rain machine letter seven window paper blue over under".split()


def draw(kind: str, number: int, size: int = 260) -> np.ndarray:
    """Draw a picture of nothing: one of KINDS, uint8 (size, size, 3), the same for the same number.

    Noise (of every pixel), clouds (coarse noise, smoothed), a gradient between two colours, shapes
    upon one, or lines of text.
    """
    rng = np.random.default_rng((number, KINDS.index(kind)))
    if kind == "noise":
        spread = rng.normal(rng.uniform(60, 190, 3), rng.uniform(10, 90), (size, size, 3))
        return np.clip(spread, 0, 255).astype(np.uint8)
    if kind == "clouds":
        n = int(rng.integers(3, 40))
        coarse = rng.integers(0, 256, (n, n, 3), dtype=np.uint8)
        return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    first, second = rng.integers(0, 256, (2, 3))
    turn = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    part = np.clip(x * np.cos(turn) + y * np.sin(turn) + 0.5, 0, 1)[..., None]
    picture = np.ascontiguousarray((first * part + second * (1 - part)).astype(np.uint8))
    if kind == "shapes":
        for _ in range(rng.integers(1, 12)):
            colour, (px, py) = rng.integers(0, 256, 3).tolist(), rng.integers(0, size, 2).tolist()
            wide, what = int(rng.integers(size // 25, size // 3)), rng.integers(3)
            if what == 0:
                cv2.circle(picture, (px, py), wide, colour, -1, cv2.LINE_AA)
            elif what == 1:
                cv2.rectangle(picture, (px, py), (px + wide, py + wide), colour, -1)
            else:
                corners = rng.integers(0, size, (int(rng.integers(3, 7)), 2)).astype(np.int32)
                cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA)
    if kind == "text":
        picture[:] = rng.integers(180, 256, 3)
        ink, scale, row = rng.integers(0, 120, 3).tolist(), rng.uniform(0.4, 1.4) * size / 260, 20.0
        while row < size + 20:
            line = " ".join(rng.choice(WORDS, 8))
            place = (int(rng.integers(-10, 30)), int(row))
            cv2.putText(picture, line, place, int(rng.integers(5)), scale, ink, 1, cv2.LINE_AA)
            row += 30 * scale + 8
    return picture


def packaged() -> dict[str, np.ndarray]:
    """Return the pictures without cat or dog that come with the libraries: {name: uint8 (h, w, 3)}.

    From scikit-image, scikit-learn and Matplotlib; nothing is downloaded. Crops of them are cut by
    `crops`.
    """
    import matplotlib
    import skimage.data
    import sklearn.datasets

    names = (
        "astronaut brick camera cell clock coffee coins colorwheel grass gravel hubble_deep_field "
        "immunohistochemistry logo microaneurysms moon page retina rocket text"
    )
    found = {name: getattr(skimage.data, name)() for name in names.split()}
    found["motorcycle"] = skimage.data.stereo_motorcycle()[0]
    for name in ("china", "flower"):
        found[name] = sklearn.datasets.load_sample_image(f"{name}.jpg")
    with Image.open(Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg") as image:
        found["officer"] = np.array(image.convert("RGB"))
    return {
        name: (np.stack([x] * 3, axis=-1) if x.ndim == 2 else x[:, :, :3])
        for name, x in found.items()
    }


def crops(picture: np.ndarray) -> list[np.ndarray]:
    """Return a picture and its four quarters."""
    h, w = picture.shape[0] // 2, picture.shape[1] // 2
    return [picture, *(picture[y : y + h, x : x + w] for y in (0, h) for x in (0, w))]
