"""kill -9 at moments that a seed chooses, and two programs at once: the next run completes.

CATDOG_FAULT_SEED chooses other moments; the seed stands in the table.
"""

import os
import random
import time
from pathlib import Path

from pictures import jpeg

from faults import small
from faults.archives import TEST, labelled, zipped
from faults.network import BLOB, SHA256, file_server
from faults.place import Place, Seen, called, run_catdog, tree
from faults.registry import fault

SEED = int(os.environ.get("CATDOG_FAULT_SEED", "20"))
PHOTOS = 400


def _moments(id: str, n: int, least: int, most: int) -> list[int]:
    """Return n moments to kill a program at, in order, the same for the same seed."""
    return sorted(random.Random(f"{SEED}/{id}").sample(range(least, most), n))


def _slowed(seconds: float, module: str, function: str, *words: str) -> int:
    """Run the command with one function made slow, so that it is there to be killed."""
    import importlib
    import time

    home = importlib.import_module(module)
    real = getattr(home, function)

    def slow(*given, **how):
        time.sleep(seconds)
        return real(*given, **how)

    setattr(home, function, slow)
    return run_catdog(*words)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@fault(
    "kill-organize",
    "`data archive` is killed three times",
    "data/photos/validation: 40 cats, 40 dogs",
    0,
)
def _(place: Place) -> Seen:
    place.put("train.zip", zipped(labelled(PHOTOS // 2)))
    words = ("data", "archive", "mine/train.zip", "--root")
    assert place.catdog(*words, "whole").code == 0
    inbox = place.path / "data" / ".photos.partial" / "inbox"
    slowly = _slowed, 0.002, "catdog.data.sources", "check_photo", *words, "data"
    for photos in _moments("kill-organize", 3, 0, PHOTOS - 40):
        program = place.start(*slowly)
        program.kill_when(lambda n=photos: inbox.exists() and len(os.listdir(inbox)) >= n)
        assert not (place.path / "data" / "photos").exists()
    seen = place.catdog(*words, "data")
    assert tree(place.path / "data" / "photos") == tree(place.path / "whole" / "photos")
    assert sorted(os.listdir(place.path / "data")) == [".photos.lock", "photos"]
    return seen


@fault("kill-download", "a download is killed three times", "x.zip", 0)
def _(place: Place) -> Seen:
    part = place.path / "x.zip.part"
    with file_server(x_zip=BLOB) as server:
        given = small.downloaded, (f"{server.url}/x.zip", "x.zip", SHA256), {}
        for size in _moments("kill-download", 3, 1, len(BLOB) // 2):
            server.delay, before = 0.05, _size(part)
            size = max(size, before + 1)
            place.start(called, *given).kill_when(lambda n=size: _size(part) >= n)
            assert _size(part) >= before
        server.delay, have = 0, _size(part)
        seen = place.start(called, *given).seen()
        assert server.requests[-1] == ("x.zip", have)
    assert (place.path / "x.zip").read_bytes() == BLOB
    return seen


@fault("kill-train", "training is killed twice", "…", 0)
def _(place: Place) -> Seen:
    whole = place.call(small.trained, "whole", 3)
    run = place.path / "run"
    for epoch in _moments("kill-train", 2, 1, 4):
        program = place.start(called, small.trained, ("run", 3), {})
        program.kill_when(lambda n=epoch: any(run.glob(f"epoch-{n:04d}*")))
    seen = place.call(small.trained, "run", 3)
    assert seen.out == whole.out
    return seen


@fault("kill-pixels", "the decoding of photos is killed twice", "…", 0)
def _(place: Place) -> Seen:
    place.put("train.zip", zipped(labelled(350)))
    assert place.catdog("data", "archive", "mine/train.zip", "--root", "data").code == 0
    given = "data/photos", "whole"
    whole = place.call(small.pixels_of, *given)
    for size in _moments("kill-pixels", 2, 1, 400 * 96 * 96 * 3):
        program = place.start(called, small.pixels_of, ("data/photos", "f"), {})
        program.kill_when(lambda n=size: any(_size(p) >= n for p in place.path.glob("f/*/*.part")))
    seen = place.call(small.pixels_of, "data/photos", "f")
    assert seen.out == whole.out
    return seen


@fault(
    "two-csv",
    "two programs write one CSV at once",
    "catdog: another program is writing a.csv: wait for it, or name another file.",
)
def _(place: Place) -> Seen:
    place.put("a.jpg", jpeg(1))
    words = ["predict", *["mine/a.jpg"] * 160, "--model", str(place.model), "--csv", "a.csv"]
    slow = (0.05, "catdog.inference.prediction", "read_photo")
    first = place.start(_slowed, *slow, *words, "--batch-size", "4")
    while not (place.path / "a.csv.part").exists():
        time.sleep(0.002)
    seen = place.catdog(*words)
    assert first.seen().code == 0
    assert len((place.path / "a.csv").read_text().splitlines()) == 161
    return seen


@fault("kill-csv", "`predict --csv` is killed twice", "a.csv: 160 photos", 0)
def _(place: Place) -> Seen:
    place.put("a.jpg", jpeg(1))
    words = ["predict", *["mine/a.jpg"] * 160, "--model", str(place.model), "--batch-size", "8"]
    part = place.path / "a.csv.part"
    for size in _moments("kill-csv", 2, 1, 2500):
        program = place.start(run_catdog, *words, "--csv", "a.csv")
        program.kill_when(lambda n=size: _size(part) >= n)
        assert not (place.path / "a.csv").exists()
    begun = part.read_bytes()
    seen = place.catdog("predict", *words[1:], "--csv", "a.csv")
    found = (place.path / "a.csv").read_bytes()
    rows = found.decode().splitlines()[1:]
    assert len(rows) == 160 and len(set(rows)) == 1 and found.startswith(begun[:-30])
    seen.out = seen.out.splitlines()[0]  # the next line has a rate
    return seen


@fault(
    "kill-submit",
    "`submit` is killed",
    "b.csv: ready to be uploaded. It was clipped to …",
    0,
)
def _(place: Place) -> Seen:
    place.put("test1.zip", zipped(TEST))
    words = ("submit", "mine/test1.zip", "--model", str(place.model), "--out")
    assert place.catdog(*words, "a.csv").code == 0
    program = place.start(_slowed, 5, "catdog.inference.prediction", "read_photo", *words, "b.csv")
    program.kill_when(lambda: any(place.path.glob(".b.csv.*.part")))
    assert not (place.path / "b.csv").exists()
    seen = place.catdog(*words, "b.csv")
    assert (place.path / "b.csv").read_bytes() == (place.path / "a.csv").read_bytes()
    return seen


@fault(
    "twice-organize",
    "two programs organize one archive at once",
    "data/photos/validation: 40 cats, 40 dogs",
    0,
)
def _(place: Place) -> Seen:
    place.put("train.zip", zipped(labelled(PHOTOS // 2)))
    words = ("data", "archive", "mine/train.zip", "--root", "data")
    slowly = _slowed, 0.002, "catdog.data.sources", "check_photo", *words
    both = [place.start(*slowly) for _ in range(2)]
    first, second = (program.seen() for program in both)
    assert first == second and sorted(os.listdir(place.path / "data")) == [".photos.lock", "photos"]
    return second


@fault(
    "twice-train",
    "two programs train in one folder at once",
    "another program is training in run: wait for it, or choose another folder.",
)
def _(place: Place) -> Seen:
    first = place.start(called, small.trained, ("run", 40), {})
    while not (place.path / "run" / "settings.json").exists():
        assert first.running()
    seen = place.call(small.trained, "run", 40)
    first.kill_when(lambda: True)
    return seen
