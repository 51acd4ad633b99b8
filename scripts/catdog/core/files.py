"""Write files in one step, know them by their hash, and keep two programs out of one folder."""

from __future__ import annotations

import errno
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from catdog import CatDogError

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Within this block an error of the system says that `path` could not be written, and why."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def atomic_write(path: str | Path, new: bool = False) -> Iterator[Path]:
    """Yield a path to write a file to, which becomes `path` when the block ends well.

    It stands on the same disk and has the same name, in a folder beside `path` that ends in .part
    and goes with the block. Whoever reads `path` finds the old file or the new one, both whole.

    Args:
        new: another file that has come there meanwhile stays; this one gets a name beside it.

    Raises:
        CatDogError: the disk is full, or the place cannot be written to; the old file is left. Or
            `new`, and another file has come there.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(".part", f".{path.name}.", path.parent) as folder:
            yield Path(folder) / path.name
            free = path
            while new and free.exists():
                free = free.with_stem(f"{free.stem}-new")
            (Path(folder) / path.name).replace(free)
    if free != path:
        raise CatDogError(f"{path} has come meanwhile and is left as it is: this one is {free}.")


def write(path: str | Path, content: str | bytes) -> None:
    """Write a whole file in one step, text as UTF-8; see `atomic_write`."""
    with atomic_write(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def read_json(path: str | Path) -> Any:
    """Read a JSON file that the project wrote.

    Raises:
        CatDogError: it is damaged.
    """
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except ValueError as error:
        raise CatDogError(
            f"{path} is damaged ({error}): get it again, or move it away, then run again."
        ) from None


def must_be_new(path: str | Path) -> None:
    """Make sure, before long work, that a new file can be written at `path`.

    Raises:
        CatDogError: it exists already, or its folder is missing or cannot be written to.
    """
    path = Path(path)
    if path.exists():
        raise CatDogError(f"{path} exists already and is left as it is: name another file.")
    if not path.parent.is_dir():
        raise CatDogError(f"{path.parent}: no such folder to write {path.name} into.")
    must_be_writable(path)


def must_be_writable(path: str | Path) -> None:
    """Make sure, before long work, that `path` can be written, and its folder made.

    Raises:
        CatDogError: it cannot.
    """
    path = Path(path).absolute()
    with writing(path), tempfile.TemporaryFile(dir=next(p for p in path.parents if p.exists())):
        pass


def cannot_write(path: str | Path, error: OSError) -> CatDogError:
    """Return an error that says why a path could not be written, and what to do."""
    if error.errno in FULL:
        advice = "make room there, then run again"
    elif error.errno in FORBIDDEN:
        advice = "choose a folder that you may write to, then run again"
    else:
        advice = "see that its disk has room and that you may write there, then run again"
    return CatDogError(f"{path} could not be written ({error.strerror or error}): {advice}.")


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file of any size, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def key(settings, length: int) -> str:
    """Return so many hexadecimal digits that tell settings, as JSON has them, from others."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:length]


@contextmanager
def lock(path: str | Path, what: str, wait: float | None = 2) -> Iterator[None]:
    """Keep other programs that lock the same path out while the block runs.

    The system frees it when the program ends, however it ends; the empty lock file stays.

    Args:
        path: of the lock file, inside the folder that is kept, or beside it.
        what: is done to the folder, such as "organizing photos".
        wait: seconds to wait for another program; None for as long as it takes, which is said.

    Raises:
        CatDogError: another program still has it, or the place cannot be written to.
    """
    path = Path(path)
    busy = f"another program is {what} in {path.parent}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path)
        try:
            held.acquire(timeout=2 if wait is None else wait)
        except Timeout:
            if wait is not None:
                raise CatDogError(f"{busy}: wait for it, or choose another folder.") from None
            print(f"{busy}: waiting for it …", file=sys.stderr, flush=True)
            held.acquire()
    except OSError as error:
        raise cannot_write(path.parent, error) from error
    try:
        yield
    finally:
        held.release()
