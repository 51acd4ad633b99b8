"""What several processes at one training have in common: who this is, and what the others have."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog import CatDogError


@dataclass
class Place:
    """Which process this is, and of how many; and where it writes what nobody reads."""

    number: int = 0
    count: int = 1
    folder: tempfile.TemporaryDirectory | None = None


_here = Place()


def count() -> int:
    """Return how many processes train together: 1 for one that has joined no others."""
    return _here.count


def number() -> int:
    """Return which of the processes this is, from 0."""
    return _here.number


def take_place(number: int, count: int) -> None:
    """Be one of several processes: `launching.joined` says which."""
    _here.number, _here.count = number, count


def folder(path: str | Path) -> Path:
    """Return where this process writes: `path` in process 0, else a folder that goes with it."""
    if not _here.number:
        return Path(path)
    _here.folder = _here.folder or tempfile.TemporaryDirectory()
    root, path = Path(_here.folder.name), Path(path).absolute()
    return path if path.is_relative_to(root) else root / path.relative_to(path.anchor)


def send(data: bytes) -> bytes:
    """Return, in every process, what process 0 gives."""
    from jax.experimental.multihost_utils import broadcast_one_to_all

    size = int(broadcast_one_to_all(np.int32(len(data))))
    mine = np.frombuffer(data if not _here.number else bytes(size), np.uint8)
    return broadcast_one_to_all(mine).tobytes()


def mirror(source: Path | None, root: Path) -> None:
    """Copy a folder of process 0, if it has one, into the folder `root` of every other process."""
    if _here.count == 1:
        return
    packed = io.BytesIO()
    if source and not _here.number:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(source, source.name)
    received = send(packed.getvalue())
    if received and _here.number:
        with tarfile.open(fileobj=io.BytesIO(received)) as archive:
            archive.extractall(root, filter="data")


def must_agree(settings: dict) -> None:
    """See that all processes train the same.

    Raises:
        CatDogError: this process has other settings than process 0.
    """
    if _here.count == 1:
        return
    theirs = json.loads(send(json.dumps(settings).encode()))
    if other := [name for name in settings | theirs if settings.get(name) != theirs.get(name)]:
        raise CatDogError(
            f"process {_here.number} has another {' and another '.join(other)} than process 0: "
            "start the same command everywhere, with the same photos and version of the package."
        )


def mine(values: np.ndarray) -> np.ndarray:
    """Return this process's part of what is computed for each of many photos; see `gather`."""
    return values[_here.number :: _here.count]


def gather(values: np.ndarray, n: int) -> np.ndarray:
    """Put together what each process has computed for its part (`mine`) of n photos: (n, ...)."""
    if _here.count == 1:
        return values
    from jax.experimental.multihost_utils import process_allgather

    each = -(-n // _here.count)
    padded = np.zeros((each, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    parts = np.asarray(process_allgather(padded))  # (processes, each, ...)
    return parts.swapaxes(0, 1).reshape(-1, *values.shape[1:])[:n]
