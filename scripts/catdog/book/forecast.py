"""Say before a run of chapters what it needs of this machine, and about how long it takes."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import psutil

from catdog.core import files, paths, resources

# two recorded runs of all chapters at sample scale, on two kinds of processor
RECORDS = {True: "run-bfloat16", False: "run-avx2"}  # does it compute in bfloat16 natively?
# GB. sample: 0.06 drawings, 0.01 features, 0.16 executed chapters and their runs. full: 0.6 photos
# as Kaggle has them, 3.3 decoded (20,000 of 80, 150 and 160 pixels), 0.3 features, 0.5 runs.
DISK = {"sample": 0.3, "full": 5.0}
DRAWINGS = 2000
HOURS = "09_a_cnn_from_scratch"  # at full scale it trains both its recipes on all photos


def _full(chapters: list[Path]) -> str:
    """Say about how long chapters take on the real photos."""
    return "hours without a GPU" if any(p.stem == HOURS for p in chapters) else "minutes each"


def speed(seconds: float = 1.5) -> float:
    """Measure this machine: 10⁹ operations a second of a product of two matrices, all cores.

    Of two 512×512 matrices in float32, by NumPy, so that TensorFlow need not be imported for it.
    """
    a = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - started)
    return 2 * 512**3 / float(np.median(times)) / 1e9


def recorded() -> dict:
    """Return the recorded run on a processor of this kind: {} where there is none.

    chapters {name: {"cpu_seconds", "peak_memory_gb"}}, matrix_gflops (as `speed` measures).
    """
    path = paths.MODELS / "records" / f"{RECORDS[resources.native_bfloat16()]}.json"
    return files.read_json(path) if path.exists() else {}


def longest_first(chapters: list[Path]) -> list[Path]:
    """Order chapters by their recorded cost, so that a long one does not begin when all others end.

    Those that are not in the record come first.
    """
    cost = recorded().get("chapters", {})
    return sorted(chapters, key=lambda path: -cost.get(path.stem, {}).get("cpu_seconds", np.inf))


def needs(chapters: list[Path], scale: str, jobs: int, folder: Path | None) -> str:
    """Say what a run needs, and what this machine has, in a few lines.

    Args:
        chapters: those to be executed.
        jobs: how many at once.
        folder: the organized photos; where the sample's are missing they are drawn first. None if
            no chapter reads photos.
    """
    free = psutil.virtual_memory().available / 1e9
    room = shutil.disk_usage(paths.ROOT).free / 1e9
    record = recorded()
    known = [record["chapters"][p.stem] for p in chapters if p.stem in record.get("chapters", {})]
    lines = []
    if folder and scale == "sample" and not folder.exists():
        lines.append(f"Photos: {DRAWINGS:,} are drawn first, into {folder}")
    elif folder:
        lines.append(f"Photos: {folder}")
    many = f"{len(chapters)} chapters" if len(chapters) != 1 else "1 chapter"
    at_once = f", {jobs} at a time" if jobs > 1 else ""
    if scale == "sample" and len(known) == len(chapters):
        here = speed()
        work = sum(one["cpu_seconds"] for one in known)
        seconds = work * record["matrix_gflops"] / here / record["cores"]
        about = f"about {max(1, round(seconds / 60))} min on this machine ({here:.0f} GFLOP/s)"
    else:
        about = _full(chapters) if scale == "full" else "time unknown"
    lines.append(f"To do:  {many}{at_once}, {about}")
    most = sorted((one["peak_memory_gb"] for one in known), reverse=True)[:jobs]
    memory = sum(most) or 2.0 * jobs
    lines.append(
        f"Needs:  {memory:.1f} GB of memory ({free:.1f} free), "
        f"{DISK[scale]:g} GB of disk ({room:.1f} free)"
    )
    if memory > free:
        lines.append("        Little memory is free: close other programs, or add --jobs 1.")
    if DISK[scale] > room:
        lines.append("        Little room is left on the disk: make some before you go on.")
    return "\n".join(lines)


def longest(outcomes, count: int = 3) -> str:
    """Say which chapters took longest of those that were executed."""
    ran = sorted((o for o in outcomes if not o.cached), key=lambda o: -o.seconds)[:count]
    if not ran:
        return "Nothing had to be executed."
    return "Longest: " + ", ".join(f"{o.chapter} {o.seconds:.0f} s" for o in ran)


def write(path: str | Path, outcomes, seconds: float, jobs: int) -> None:
    """Write down what a run of all chapters at sample scale took; `needs` reads it.

    Args:
        seconds: all of it, by the clock, the drawing of the photos included.
    """
    from catdog.core import recording

    keys = ("seconds", "cpu_seconds", "peak_memory_gb")
    record = {
        "what": "catdog run --force --record",
        "seconds": round(seconds, 1),
        "jobs": jobs,
        "cores": resources.cores(),
        "matrix_gflops": round(speed(), 1),
        "chapters": {o.chapter: {k: round(getattr(o, k), 2) for k in keys} for o in outcomes},
    }
    recording.write(path, record)
