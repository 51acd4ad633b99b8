"""The far half of `catdog aws run`: executes chapters in a kernel of a Jupyter server.

`remote`, on the reader's computer, has a kernel of the server call `work`. Everything that the
two have to agree on stands in one small file of the server, `runs/served/NUMBER.json`, so that
any number of readers may come and go while the kernel works.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import threading
import uuid
from dataclasses import asdict
from pathlib import Path

import nbformat

import catdog
from catdog import CatDogError
from catdog.book import execute
from catdog.core import paths
from catdog.core.files import read_json, sha256, write

SERVED = "served"  # the folder of the reports, in runs/
BEAT = 5  # seconds between two signs of life in a report
KINDS = ("record.json", "*.keras")  # what is brought back besides the chapters


def package_hash() -> str:
    """Return a hash of the helper package, which says whether two machines have the same."""
    digest = hashlib.sha256()
    for file in sorted(Path(catdog.__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


class Report:
    """What a run has done so far, kept in one file that is always whole.

    Attributes:
        said: id, name, kernel, scale, started (ISO 8601, UTC), state (running, done, failed or
            cancelled), beat (grows while the kernel lives), error, code {chapter: hash}, package
            (hash), files [{path, size in bytes, sha256}], and chapters, each with chapter, state
            (waiting, running, done or failed), cell, cells, seconds, result, error, cached.
    """

    def __init__(self, path: Path, said: dict):
        self.path, self.said, self.lock = path, said, threading.Lock()

    def claim(self) -> bool:
        """Make the file, unless it is there: of several that try at once, one succeeds."""
        part = self.path.with_name(f"{self.path.stem}-{uuid.uuid4().hex}.part")
        part.write_text(json.dumps(self.said), "utf-8")
        try:
            os.link(part, self.path)
        except FileExistsError:
            return False
        finally:
            part.unlink()
        return True

    def write(self) -> None:
        with self.lock:
            write(self.path, json.dumps(self.said))

    @contextlib.contextmanager
    def beating(self):
        """Give a sign of life every few seconds meanwhile.

        The server's word is not enough: it has been seen to call a kernel busy that was killed.
        """
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(BEAT):
                self.said["beat"] += 1
                self.write()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def of(self, chapter: str) -> dict:
        return next(c for c in self.said["chapters"] if c["chapter"] == chapter)

    def bar(self, path: Path) -> _Cells:
        """Return the progress bar of a chapter, one that writes itself into the report."""
        return _Cells(self, self.of(path.stem))

    def told(self, outcome: execute.Outcome) -> None:
        """Take down what came of a chapter."""
        state = "failed" if outcome.error else "done"
        self.of(outcome.chapter).update(asdict(outcome), state=state)
        self.write()


class _Cells:
    """A progress bar, as far as `execute.execute` uses one."""

    def __init__(self, report: Report, chapter: dict):
        self.report, self.chapter = report, chapter

    def __enter__(self):
        self.chapter["state"] = "running"
        self.report.write()
        return self

    def __exit__(self, *_):
        pass

    def update(self, cells: int) -> None:
        if cells:
            self.chapter["cell"] += int(cells)
            self.report.write()


def run_job(
    number: int, id: str, kernel: str, names: list[str], scale: str, force: bool = False
) -> None:
    """Execute chapters as the server's run of this number; do nothing if there is one already.

    So the same request may arrive twice, and two readers may ask at once: the chapters are
    executed once.

    Args:
        number: one more than that of the last run that the reader knows of.
        id: tells this request from others.
        kernel: the id of the kernel that this is called in.
        names, scale, force: as for `execute.run`.

    Raises:
        CatDogError: the server shows other folders than this project's, or has no such chapter.
    """
    if Path.cwd().resolve() != paths.ROOT.resolve() or not paths.RUNS.is_relative_to(paths.ROOT):
        raise CatDogError(
            f"this Jupyter shows the folder {Path.cwd()}, but its Python works in {paths.ROOT} "
            f"and {paths.RUNS}. Start it in the project's own folder, from the project's .venv."
        )
    asked = execute.chapters(names)
    started = datetime.datetime.now(datetime.UTC)
    numbers = "-".join(path.stem[:2] for path in asked)
    which = "all" if asked == execute.chapters() else numbers
    notebooks = {path.stem: nbformat.read(path, 4) for path in asked}
    report = Report(
        paths.RUNS / SERVED / f"{number:04d}.json",
        {
            "id": id,
            "name": f"{started:%Y-%m-%d-%H%M%S}-{scale}-{which}",
            "kernel": kernel,
            "scale": scale,
            "started": started.isoformat(timespec="seconds"),
            "state": "running",
            "beat": 0,
            "error": None,
            "code": {stem: execute.code_hash(made) for stem, made in notebooks.items()},
            "package": package_hash(),
            "files": [],
            "chapters": [
                {
                    "chapter": stem,
                    "state": "waiting",
                    "cell": 0,
                    "cells": sum(cell.cell_type == "code" for cell in made.cells),
                    **{"seconds": 0.0, "result": "", "error": None, "cached": False},
                }
                for stem, made in notebooks.items()
            ],
        },
    )
    report.path.parent.mkdir(parents=True, exist_ok=True)
    if not report.claim():
        return
    try:
        with report.beating():
            if scale != "sample":  # that one makes itself
                from catdog.training import config

                config.scale(scale)  # says at once what is missing
            execute.run(names, scale, force, bars=report.bar, told=report.told)
            report.said["files"] = files(asked, scale, since(number, started.timestamp()))
        report.said["state"] = "done"
    except KeyboardInterrupt:
        report.said["state"] = "cancelled"
    except Exception as error:
        kind = "" if isinstance(error, CatDogError) else f"{type(error).__name__}: "
        report.said.update(state="failed", error=f"{kind}{error}")
    report.write()


def since(number: int, started: float) -> float:
    """Return the time (s since 1970) from which on files belong to a run.

    Chapters that an earlier, broken run finished are not executed again, so what they made is
    brought back with the run that goes on from there.
    """
    while (path := paths.RUNS / SERVED / f"{(number := number - 1):04d}.json").exists():
        earlier = read_json(path)
        if earlier["state"] == "done":
            break
        started = datetime.datetime.fromisoformat(earlier["started"]).timestamp()
    return started


def files(asked: list[Path], scale: str, after: float) -> list[dict]:
    """List what a run made, below runs/: [{path, size in bytes, sha256}].

    These are the executed chapters, and the records and models that are newer than `after`
    (s since 1970).
    """
    found = [paths.RUNS / "notebooks" / scale / path.name for path in asked]
    found = [path for path in found if path.exists()]
    for kind in KINDS:
        for path in sorted(paths.RUNS.rglob(kind)):
            parts = path.relative_to(paths.RUNS).parts
            whole = not any(part.endswith(".part") for part in parts)
            if whole and parts[0] != "remote" and path.stat().st_mtime >= int(after):
                found.append(path)
    return [
        {
            "path": path.relative_to(paths.RUNS).as_posix(),
            "size": path.stat().st_size,
            "sha256": sha256(path),
        }
        for path in found
    ]
