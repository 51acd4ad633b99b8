"""Decode the photos of a data set once, and keep their pixels.

What is decoded stands in a folder of `features/`: one plain NumPy file of uint8 pixels, which is
memory-mapped when it is read, and `about.json`, which says what they were made from. The file is
written from its beginning to its end and takes its name when it is whole, so that whatever stops
the decoding costs no more than one piece of it; the next call goes on.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import PIL
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import files, paths
from catdog.data import batching, imaging, loading, manifests

PIECE = 256  # photos, a multiple of 32


def load(
    folder: str | Path,
    split: str | None,
    size: int = imaging.SIZE,
    root: str | Path | None = None,
    progress: bool = True,
    nearest: bool = False,
) -> tuple[np.ndarray, np.ndarray, list[manifests.Photo]]:
    """Return what `loading.load` does, the photos decoded now by all cores, or once before.

    Args:
        split: "train", "validation", or None for all.
        root: where the pixels are kept, by default `features/`.
        nearest: see `imaging.resize`.

    Returns:
        images: uint8 (n, size, size, 3), 0 to 255, read-only: a part of it is read from the disk
            when it is used. It takes memory only as long as nothing else needs it.
        labels: int32 (n,), 0 for cat and 1 for dog.
        photos: their lines in the manifest.

    Raises:
        CatDogError: a photo is missing or damaged, the disk is full, or a file in the cache is
            not what was written there.
    """
    photos, labels = loading.photos_of(folder, split)
    about = {
        "manifest_sha256": manifests.metadata(folder)["manifest_sha256"],
        "split": split or "all",
        "size": size,
        "n": len(photos),
        "decoding": decoding(),
        **({"nearest": True} if nearest else {}),
    }
    key = files.key(about, 10)
    name = f"{Path(folder).name}-{about['split']}-pixels-{size}-{key}"
    target = Path(root or paths.FEATURES) / name / "pixels.npy"
    if not target.exists():
        where = loading.paths_of(folder, photos)
        lock = files.lock(target.with_name(".lock"), "decoding photos", wait=None)
        with files.writing(target), lock:
            if not target.exists():  # the program that was waited for may have made it
                _write(target, where, size, about, progress)
    return _read(target, about), labels, photos


def _megabytes(n: int) -> str:
    return f"{n / 1e6:,.0f} MB" if n >= 1e6 else f"{n / 1e6:.1g} MB"


def decoding() -> str:
    """What the pixels depend on beside the photos: Pillow, OpenCV and the functions that use them.

    What only decides which photos are refused is not among them.
    """
    parts = (imaging.decode, imaging.resize, imaging.pixels_of, imaging._decoded)
    parts += (
        imaging._colours,
        imaging._orientation,
        imaging._profile,
        imaging._into_srgb.__wrapped__,
    )
    code = hashlib.sha256("".join(map(inspect.getsource, parts)).encode()).hexdigest()[:10]
    return f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}, {code}"


def _header(about: dict) -> bytes:
    """The beginning of the file (the format of numpy.lib.format, version 1.0)."""
    out = io.BytesIO()
    shape = (about["n"], about["size"], about["size"], 3)
    how = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, how)
    return out.getvalue()


def _write(target: Path, where: list[Path], size: int, about: dict, progress: bool) -> None:
    """Decode what is not yet there."""
    files.write(target.with_name("about.json"), json.dumps(about, indent=1) + "\n")
    part, header, each = target.with_suffix(".part"), _header(about), size * size * 3
    part.touch()
    done = max(0, part.stat().st_size - len(header)) // (PIECE * each) * PIECE
    needed, free = (len(where) - done) * each, shutil.disk_usage(part.parent).free
    text = f"{len(where):,} photos at {size}×{size}: {_megabytes(len(where) * each)}"
    if needed > free:
        raise CatDogError(
            f"{text} do not fit on the disk of {target.parent}, which has {_megabytes(free)} "
            "left. Make room, or take a smaller size."
        )
    with (
        open(part, "r+b") as out,
        tqdm(
            total=len(where), initial=done, desc=text, unit="photo", disable=no_bar(progress)
        ) as bar,
    ):
        if not done:
            out.write(header)
        out.seek(len(header) + done * each)
        nearest = about.get("nearest", False)
        for pixels in batching.file_batches(where[done:], 32, size, nearest=nearest):
            out.write(pixels)
            done += len(pixels)
            if done % PIECE == 0 or done == len(where):
                out.flush()
                os.fsync(out.fileno())
            bar.update(len(pixels))
    os.replace(part, target)


def _read(path: Path, about: dict) -> np.ndarray:
    """Map the file into memory, if it is the one that was written."""
    try:
        made = json.loads(path.with_name("about.json").read_text("utf-8"))
        images = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise CatDogError(
            f"{path} is damaged ({error}). Delete its folder and run again."
        ) from None
    shape = (about["n"], about["size"], about["size"], 3)
    if made != about or images.shape != shape or images.dtype != np.uint8:
        raise CatDogError(f"{path} is not what was written there. Delete its folder and run again.")
    return np.asarray(images)
