"""Disks that are full, folders that nobody may write to: in mounts of the child's own."""

import contextlib
import io
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from unittest import SkipTest

from pictures import jpeg

from faults import small
from faults.archives import labelled, zipped
from faults.place import Place, Seen, called, run_catdog
from faults.registry import fault

DISK = 64 * 2**20
ROOM = "make room there, then run again"
CHOOSE = "choose a folder that you may write to, then run again"


def _small_disk(free: int) -> None:
    """Mount a disk of 64 MB on `disk`, which a file fills up to so many bytes."""
    Path("disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", "disk"]
    subprocess.run(mount, check=True, capture_output=True)
    with open("disk/filler", "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, DISK - free // 4096 * 4096)


def _read_only() -> None:
    """Mount `disk` so that nobody, root neither, may write there."""
    Path("disk").mkdir()
    for how in (["--bind", "disk", "disk"], ["-o", "remount,ro,bind", "disk"]):
        subprocess.run(["mount", *how], check=True, capture_output=True)


def _and_again(made: str, run, *given) -> int:
    """Run what fails; then, with room, again: both must leave what they should."""
    code = run(*given)
    if any(Path().glob(made)):
        print(f"{made} was made", file=sys.stderr)
    Path("disk/filler").unlink()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        again = run(*given)
    if again or not any(Path().glob(made)):
        print(f"with room: {said.getvalue()}", file=sys.stderr)
    return code


def _full(place: Place, made: str, run, *given, free: int = 8192) -> Seen:
    return place.start(_and_again, made, run, *given, mounts=partial(_small_disk, free)).seen()


def _data_set(place: Place) -> None:
    place.put("train.zip", zipped(labelled()))
    assert place.catdog("data", "archive", "mine/train.zip", "--root", "data").code == 0


@fault(
    "full-organize",
    "a disk that is full after some photos of `data archive`",
    f"catdog: disk/photos could not be written (No space left on device): {ROOM}.",
)
def _(place: Place) -> Seen:
    place.put("train.zip", zipped(labelled()))
    words = ("data", "archive", "mine/train.zip", "--root", "disk")
    return _full(place, "disk/photos", run_catdog, *words, free=60_000)


@fault(
    "full-temporary",
    "a full disk for temporary files, and an archive in an archive",
    f"catdog: disk could not be written (No space left on device): {ROOM}.",
)
def _(place: Place) -> Seen:
    place.put("train.zip", zipped({"train.zip": zipped(labelled())}))
    words = ("data", "archive", "mine/train.zip", "--root", "data")
    run = partial(_with_temporary, "disk")
    return _full(place, "data/photos", run, *words)


def _with_temporary(folder: str, *words: str) -> int:
    import tempfile

    tempfile.tempdir = folder
    return run_catdog(*words)


@fault(
    "full-csv",
    "a disk that is full after some rows of `predict --csv`",
    f"catdog: disk/a.csv.part could not be written (No space left on device): {ROOM}.",
)
def _(place: Place) -> Seen:
    place.put("a.jpg", jpeg(1))
    words = ("predict", *["mine/a.jpg"] * 800, "--model", str(place.model), "--csv", "disk/a.csv")
    return _full(place, "disk/a.csv", run_catdog, *words, free=4096)


@fault(
    "full-submit",
    "a full disk for `submit`",
    f"catdog: disk/a.csv could not be written (No space left on device): {ROOM}.",
)
def _(place: Place) -> Seen:
    place.put("test1.zip", zipped({f"{i}.jpg": jpeg(1) for i in range(1, 800)}))
    words = ("submit", "mine/test1.zip", "--model", str(place.model), "--out", "disk/a.csv")
    return _full(place, "disk/a.csv", run_catdog, *words)


@fault(
    "full-export",
    "a full disk for `export`",
    f"catdog: disk/a.onnx could not be written (…): {ROOM}.",
)
def _(place: Place) -> Seen:
    words = ("export", "disk/a.onnx", "--model", str(place.model))
    return _full(place, "disk/a.onnx", run_catdog, *words)


@fault(
    "full-train",
    "a disk that is full at the end of the first epoch",
    f"disk/run could not be written (…): {ROOM}.",
)
def _(place: Place) -> Seen:
    made = "disk/run/epoch-0001"
    return _full(place, made, called, small.trained, ("disk/run", 1), {}, free=50_000)


@fault(
    "full-pixels",
    "a disk with no room for the decoded photos",
    "32 photos at 96×96: 0.9 MB do not fit on the disk of …, which has … left. Make room, or take "
    "a smaller size.",
)
def _(place: Place) -> Seen:
    _data_set(place)
    given = small.pixels_of, ("data/photos", "disk/f"), {}
    return _full(place, "disk/f/*/pixels.npy", called, *given, free=60_000)


@fault(
    "full-output",
    "results that go to a full disk",
    "catdog: a disk is full (No space left on device): make room on it, then run again.",
)
def _(place: Place) -> Seen:
    if not os.path.exists("/dev/full"):
        raise SkipTest("there is no /dev/full")
    for unbuffered in ("1", ""):
        environment = {"PYTHONUNBUFFERED": unbuffered}
        seen = place.command("aws", "types", shell='"$@" > /dev/full', env=environment)
    return seen


FORBIDDEN = {  # id: what, the command, what cannot be written
    "read-only-organize": (
        "`data archive` into a folder that is read-only",
        ("data", "archive", "mine/train.zip", "--root", "disk"),
        "disk",
    ),
    "read-only-csv": (
        "`predict --csv` into it",
        ("predict", "mine/a.jpg", "--model", "MODEL", "--csv", "disk/a.csv"),
        "disk/a.csv",
    ),
    "read-only-submit": (
        "`submit` into it",
        ("submit", "mine/test1.zip", "--model", "MODEL", "--out", "disk/a.csv"),
        "disk/a.csv",
    ),
    "read-only-export": (
        "`export` into it",
        ("export", "disk/a.onnx", "--model", "MODEL"),
        "disk/a.onnx",
    ),
    "read-only-train": (
        "`train` into it",
        ("train", "article", "--data", "data/photos", "--run", "disk/run"),
        "disk/run",
    ),
}


def _forbidden(words: tuple[str, ...]):
    """Return how to run a command that writes into a folder that is read-only."""

    def inject(place: Place) -> Seen:
        place.put("a.jpg", jpeg(1))
        place.put("test1.zip", zipped({"1.jpg": jpeg(1)}))
        _data_set(place)
        words_here = [str(place.model) if word == "MODEL" else word for word in words]
        return place.catdog(*words_here, mounts=_read_only)

    return inject


for id, (what, words, path) in FORBIDDEN.items():
    said = f"catdog: {path} could not be written (Read-only file system): {CHOOSE}."
    fault(id, what, said)(_forbidden(words))
