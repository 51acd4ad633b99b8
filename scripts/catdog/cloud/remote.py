"""Execute chapters on a Jupyter server elsewhere, watch them, and bring back what they made.

The chapters run in a kernel of that server, which goes on whether anyone watches or not; what it
has done so far stands in a file there (see `job`). This half starts the kernel, reads the file
again and again, and comes back after every broken connection.
"""

from __future__ import annotations

import datetime
import json
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import nbformat
from tqdm import tqdm

from catdog import CatDogError
from catdog.book import execute
from catdog.cloud import job
from catdog.cloud.jupyter_api import Jupyter, Line
from catdog.cloud.jupyter_api import server as server  # the command makes one for --url
from catdog.core import files, paths

SILENCE = 60  # seconds without a sign of life after which a kernel counts as gone
CODE = "from catdog.cloud import job\njob.run_job(**{order!r})"


def project(jupyter: Jupyter) -> str:
    """Return the folder of the server that holds the project, "" for its first one.

    Raises:
        CatDogError: there is none.
    """
    first = jupyter.list("")
    for folder in ["", *(entry["path"] for entry in first if entry["type"] == "directory")]:
        inside = jupyter.list(folder) if folder else first
        if {"notebooks", "scripts"} <= {entry["name"] for entry in inside}:
            notebooks = jupyter.list(f"{folder}/notebooks".lstrip("/"))
            if any(re.match(r"\d\d_.*\.ipynb$", entry["name"]) for entry in notebooks):
                return folder
    raise CatDogError(
        f"the Jupyter at {jupyter.server.url} shows no copy of this project. Start it in the "
        "project's folder, or in the one that holds it."
    )


def latest(jupyter: Jupyter, served: str) -> tuple[int, dict]:
    """Return number and report of the server's last run: 0 and {} if it has none."""
    names = [entry["name"] for entry in jupyter.list(served)]
    number = max((int(n[:4]) for n in names if re.fullmatch(r"\d{4}\.json", n)), default=0)
    text = jupyter.text(f"{served}/{number:04d}.json") if number else None
    if text is None:
        return number, {}
    report = json.loads(text)
    report["fetched"] = f"{number:04d}.fetched" in names
    return number, report


def poll(jupyter: Jupyter, served: str) -> tuple[int, dict, bool]:
    """Return number and report of the server's last run, and whether it is going on.

    It is if its report says so and its kernel is busy. The two are not written at once, so a
    contradiction has to last to count.
    """
    for _ in range(4):
        number, report = latest(jupyter, served)
        if not report or report["state"] != "running":
            return number, report, False
        if jupyter.kernel(report["kernel"]) == "busy":
            return number, report, True
        time.sleep(0.5)
    return number, report, False


def same(report: dict, stems: list[str], scale: str) -> bool:
    """Whether a run is of these chapters, at this scale."""
    return report["scale"] == scale and [c["chapter"] for c in report["chapters"]] == stems


def run(
    connect: Callable[[], AbstractContextManager],
    names: list[str] | None = None,
    scale: str = "sample",
    force: bool = False,
    again: str = "catdog aws run",
    patience: float = 600,
) -> int:
    """Execute chapters on a server, or watch them if it is at it already; bring them back.

    They arrive in `runs/remote/`, in a folder of their own. Ctrl-C stops watching, not the run.

    Args:
        connect: returns a context manager that yields a `Server`, or anything with its attributes.
        names, scale, force: as for `execute.run`.
        again: the command that this is, to be quoted in messages.
        patience: seconds to go on trying once the connection is broken.

    Returns:
        0 if all chapters ran to their end, 1 if one failed, 130 after Ctrl-C.

    Raises:
        CatDogError: no connection, a refused token, no project there, another run is going on
            there, the run ended early, or a file could not be brought back.
    """
    stems = [path.stem for path in execute.chapters(names)]
    with Line(connect, patience) as line:
        folder = line(project)
        served = f"{folder}/runs/{job.SERVED}".lstrip("/")
        number, report, going = line(lambda jupyter: poll(jupyter, served))
        if going:
            if not same(report, stems, scale):
                raise CatDogError(_occupied(report, again))
            print(f"Watching the run that began at {_clock(report['started'])}.")
        elif report and _waits(report) and same(report, stems, scale) and not force:
            print(f"The run of {_clock(report['started'])} has ended meanwhile.")
        else:
            if report and report["state"] == "running":
                began = _clock(report["started"])
                print(f"The run of {began} broke off. What it finished is not done again.")
                _end_kernel(line, report)
            order = {"names": stems, "scale": scale, "force": force}
            number, report = _start(line, folder, served, number + 1, order)
            if not same(report, stems, scale):
                raise CatDogError(_occupied(report, again))
        warn_of_versions(report)
        try:
            report = watch(line, served, number, report)
        except KeyboardInterrupt:
            print(
                f"\nNo longer watching; the run goes on over there. To watch it again: {again}\n"
                f"To stop it: {again} --cancel"
            )
            return 130
        _end_kernel(line, report)
        _check_end(report, again)
        into = fetch(line, folder, report)
        line(lambda jupyter: jupyter.write(f"{served}/{number:04d}.fetched", ""))
    return _tell(report, into)


def _tell(report: dict, into: Path) -> int:
    """Say how the chapters went and where they are; return 0 if all ran to their end, else 1."""
    outcomes = _outcomes(report)
    print("\n" + execute.summary(outcomes))
    print(f"\nThe executed chapters, records and models: {into}")
    return int(any(outcome.error for outcome in outcomes))


def cancel(connect: Callable[[], AbstractContextManager], patience: float = 30) -> int:
    """Stop the run that is going on on a server; what it has finished stays there.

    Returns:
        0 if there was one, 1 if not.
    """
    with Line(connect, patience) as line:
        served = f"{line(project)}/runs/{job.SERVED}".lstrip("/")
        _, report, going = line(lambda jupyter: poll(jupyter, served))
        if not going:
            print("No run is going on there.")
            return 1
        kernel, deadline = report["kernel"], time.monotonic() + patience
        line(lambda jupyter: jupyter.interrupt(kernel))
        while report["state"] == "running" and time.monotonic() < deadline:
            time.sleep(0.5)
            _, report = line(lambda jupyter: latest(jupyter, served))
        line(lambda jupyter: jupyter.end_kernel(kernel))
    ended = {c["chapter"] for c in report["chapters"] if c["state"] in ("done", "failed")}
    finished = [outcome for outcome in _outcomes(report) if outcome.chapter in ended]
    print(f"Stopped the run that began at {_clock(report['started'])}.")
    if finished:
        print("What it finished stays there:\n" + execute.summary(finished))
    return 0


def _outcomes(report: dict) -> list[execute.Outcome]:
    keys = ("chapter", "seconds", "result", "error", "cached")
    return [execute.Outcome(**{key: c[key] for key in keys}) for c in report["chapters"]]


def _waits(report: dict) -> bool:
    """Whether a finished run has not been brought to any reader yet."""
    return report["state"] == "done" and not report["fetched"]


def _clock(iso: str) -> str:
    return f"{datetime.datetime.fromisoformat(iso).astimezone():%H:%M on %Y-%m-%d}"


def _occupied(report: dict, again: str) -> str:
    which = " ".join(c["chapter"][:2] for c in report["chapters"])
    return (
        f"that server is executing other chapters, {which} at scale {report['scale']}, since "
        f"{_clock(report['started'])}. Wait for it, watch it by naming the same chapters and "
        f"scale, or stop it: {again} --cancel"
    )


def _end_kernel(line: Line, report: dict) -> None:
    line(lambda jupyter: jupyter.end_kernel(report["kernel"]))


def _check_end(report: dict, again: str) -> None:
    if report["state"] == "cancelled":
        raise CatDogError(
            f"the run was cancelled. To go on with the chapters it has not finished: {again}"
        )
    if report["state"] == "failed":
        raise CatDogError(f"the run ended early. The server says: {report['error']}")


def _start(line: Line, folder: str, served: str, number: int, order: dict) -> tuple[int, dict]:
    """Have the server begin run `number`; return number and report of the run that is going on.

    That is another reader's if both asked at once.
    """
    id = uuid.uuid4().hex
    kernels: list[str] = []

    def step(jupyter: Jupyter) -> dict | None:
        def begun() -> dict | None:
            text = jupyter.text(f"{served}/{number:04d}.json")
            return json.loads(text) if text else None

        if report := begun():  # the connection broke after the request had arrived
            return report
        if not kernels or jupyter.kernel(kernels[-1]) is None:
            kernels.append(jupyter.new_kernel(folder))
        more = {"number": number, "id": id, "kernel": kernels[-1]}
        try:
            jupyter.execute(kernels[-1], CODE.format(order={**order, **more}), begun)
        except CatDogError:
            jupyter.end_kernel(kernels[-1])
            raise
        return begun()

    report = line(step)
    if report is None:
        raise CatDogError("the server did not write down the run that it was asked for.")
    for kernel in kernels:
        if kernel != report["kernel"]:
            line(partial(Jupyter.end_kernel, id=kernel))
    if report["id"] != id:
        print("Another reader has just asked for a run.")
    return number, report


def warn_of_versions(report: dict) -> None:
    """Say so if the server's chapters or helper package are not the same as here."""
    mine = {path.stem: path for path in execute.chapters()}
    for stem, code in report["code"].items():
        if stem not in mine or execute.code_hash(nbformat.read(mine[stem], 4)) != code:
            print(
                f"catdog: the code of {stem} over there differs from the one here. What comes "
                "back is that of the server; to have the same: git pull, on both.",
                file=sys.stderr,
            )
    if report["package"] != job.package_hash():
        print(
            "catdog: the helper package over there is of another version than the one here.",
            file=sys.stderr,
        )


def watch(line: Line, served: str, number: int, report: dict, every: float = 1) -> dict:
    """Show a progress bar for each chapter until the run has ended; return its last report.

    Raises:
        CatDogError: the run's kernel died, or no connection came back.
    """
    path, kernel, absent = f"{served}/{number:04d}.json", report["kernel"], 0
    bars: dict[str, tqdm] = {}
    beat, heard = None, time.monotonic()

    def step(jupyter: Jupyter) -> tuple[bool, dict]:
        alive = jupyter.kernel(kernel) == "busy"  # asked first: who has just ended is not dead
        text = jupyter.text(path)
        if text is None:
            raise CatDogError("the report of the run has vanished from the server.")
        return alive, json.loads(text)

    try:
        while True:
            alive, report = line(step)
            _draw(bars, report)
            if report["state"] != "running":
                return report
            absent = 0 if alive else absent + 1
            if report["beat"] != beat:
                beat, heard = report["beat"], time.monotonic()
            silent = time.monotonic() - heard > SILENCE  # whatever the server says of it
            if absent > 3 or silent:
                _end_kernel(line, report)  # the server may have started it anew
                raise CatDogError(
                    "the run's kernel is gone: the server was restarted, or was out of memory. "
                    "Run the same command again; what was finished is not done again."
                )
            time.sleep(every)
    finally:
        for bar in bars.values():
            bar.close()


def _draw(bars: dict, report: dict) -> None:
    for chapter in report["chapters"]:
        name = chapter["chapter"]
        if chapter["state"] == "waiting" or chapter["cached"]:
            continue
        if name not in bars:
            bars[name] = tqdm(total=chapter["cells"], desc=name, unit="cell")
        bar = bars[name]
        bar.update(chapter["cell"] - bar.n)
        bar.refresh()
        if chapter["state"] != "running" and not bar.disable:
            bar.close()


def fetch(line: Line, folder: str, report: dict) -> Path:
    """Bring what a run made into `runs/remote/NAME`, and return that folder.

    Each file is checked before it gets its name. What is there already is not fetched again.

    Raises:
        CatDogError: the disk is full, a file changed on its way, or another one is in its place.
    """
    if not re.fullmatch(r"[\w.-]+", report["name"]):
        raise CatDogError(f"the server calls its run {report['name']!r}: that is no file name.")
    into = paths.RUNS / "remote" / report["name"]
    wanted = [(file, _inside(into, file["path"])) for file in report["files"]]
    missing = []
    for file, path in wanted:
        if not path.exists():
            missing.append((file, path))
        elif files.sha256(path) != file["sha256"]:
            raise CatDogError(f"{path} is there but is another file. Move it away, then run again.")
    total = sum(file["size"] for file, _ in missing)
    try:
        into.mkdir(parents=True, exist_ok=True)
        if total > (free := shutil.disk_usage(into).free):
            raise CatDogError(
                f"{total / 1e6:,.0f} MB are to be fetched, but {into} has room for "
                f"{free / 1e6:,.0f} MB. Make room, then run again."
            )
        with tqdm(total=total, desc="fetching", unit="B", unit_scale=True) as bar:
            for file, path in missing:
                _fetch(line, f"{folder}/runs/{file['path']}".lstrip("/"), file, path, bar)
        files.write(into / "summary.json", json.dumps(report, indent=1) + "\n")
    except OSError as error:
        raise files.cannot_write(into, error) from error
    return into


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder; a name that leads out of it is refused."""
    path = folder / name
    if ".." in Path(name).parts or not path.resolve().is_relative_to(folder.resolve()):
        raise CatDogError(f"the server offers a file called {name!r}, which leads elsewhere.")
    return path


def _fetch(line: Line, source: str, file: dict, path: Path, bar) -> None:
    before = bar.n

    def step(jupyter: Jupyter) -> str:
        bar.update(before - bar.n)  # begun anew after a broken connection
        return jupyter.download(source, part, bar)

    with files.atomic_write(path) as part:
        if line(step) != file["sha256"] or part.stat().st_size != file["size"]:
            raise CatDogError(f"{source} has changed on the server since the run. Run again.")
