"""Execute the chapters, with a progress bar each, and say what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import queue
import re
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm import tqdm

from catdog import CatDogError
from catdog.book import forecast, images, twins, up_to_date
from catdog.book.kernels import STALL, Kernels, Notebook, Stalled
from catdog.core import files, paths, resources

KEEP = {"tags"}  # cell metadata that stays in a committed notebook
WIDGET = "application/vnd.jupyter.widget-view+json"  # empty without its kernel
MEMORY, MOST = 4 * 2**30, 4  # bytes that a chapter may take; chapters at once, by default
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Outcome:
    """What one chapter gave, and took: `error` is None when it ran to its end.

    seconds by the clock; cpu_seconds of all cores, added up; the kernel's peak memory.
    """

    chapter: str
    seconds: float
    result: str
    error: str | None = None
    cached: bool = False
    cpu_seconds: float = 0.0
    peak_memory_gb: float = 0.0


def chapters(names: list[str] | None = None, folder: Path | None = None) -> list[Path]:
    """Return the notebooks, in reading order: all, or those whose names begin as given.

    A number alone is the chapter's: "2" means 02, and "1" not 10 to 19.
    """
    folder = folder or paths.NOTEBOOKS
    every = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not every:
        raise CatDogError(
            f"{folder}: no chapters there. Set CATDOG_HOME to the project's folder, the one that "
            "holds notebooks/."
        )
    if not names:
        return every
    chosen = []
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        stem = stem.zfill(2) if stem.isdigit() else stem
        found = [path for path in every if path.stem.startswith(stem)]
        if not found:
            known = ", ".join(path.stem for path in every)
            raise CatDogError(f"no chapter begins with {stem!r}. The chapters: {known}.")
        chosen += [path for path in found if path not in chosen]
    return chosen


def tidy(notebook) -> None:
    """Strip metadata to what is needed, the noise of machines, and what pictures weigh too much.

    A cell keeps its id, whatever is inserted above; one that has none, or that of a cell above (a
    copy), gets a new one.
    """
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "catdog": {"code": up_to_date.code_hash(notebook)},
        }
    )
    known = set()
    for cell in notebook.cells:
        while cell.get("id") in known | {None}:
            cell.id = uuid.uuid4().hex[:8]  # as JupyterLab's
        known.add(cell.id)
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in KEEP})
        if cell.cell_type == "code":
            cell.outputs = [
                o
                for o in cell.outputs
                if o.get("name") != "stderr" and WIDGET not in o.get("data", {})
            ]
            for output in cell.outputs:
                output.pop("metadata", None)
                if output.output_type in ("display_data", "execute_result"):
                    output.metadata = nbformat.from_dict({})
                    images.shrink(output.data)


def _result(notebook) -> str:
    """The last line printed by the cell tagged "result"."""
    for cell in notebook.cells:
        if "result" in cell.metadata.get("tags", []):
            for output in reversed(cell.get("outputs", [])):
                lines = output.get("text", "").strip().splitlines()
                if lines:
                    return lines[-1]
    return ""


def _bar(path: Path, row: int | None) -> tqdm:
    """The progress bar of a chapter: on a line of its own, or one of several below each other."""
    total = sum(cell.cell_type == "code" for cell in nbformat.read(path, 4).cells)
    if row is None:
        return tqdm(total=total, desc=path.stem, unit="cell")
    file = sys.stderr if sys.stderr.isatty() else io.StringIO()  # in a log, only the end is said
    return tqdm(total=total, desc=path.stem, unit="cell", position=row, leave=False, file=file)


def _environment(scale: str, quiet: bool, jobs: int, own: str | None) -> dict[str, str]:
    """The environment of a kernel, beside which `jobs` - 1 others compute."""
    environment = {**os.environ, "SCALE": scale, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONWARNINGS"] = "ignore"
    if own:
        environment |= {"CATDOG_RUNS": f"{own}/runs", "CATDOG_FEATURES": f"{own}/features"}
    if scale == "sample":  # on small tables, threads of linear algebra only wait for each other
        environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **environment}
    if jobs > 1:  # they share the cores; a thread that has nothing to do shall sleep
        share = str(max(1, resources.cores() // jobs))
        threads = {"TF_NUM_INTRAOP_THREADS": share, "TF_NUM_INTEROP_THREADS": share}
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **threads, **environment}
    if quiet:
        environment["TQDM_DISABLE"] = "1"
    return environment


def execute(
    path: Path, scale: str, out: Path, quiet: bool = False, bar=None, kernels=None, own=None
) -> Outcome:
    """Execute one chapter from a fresh kernel and write it, with its outputs, to `out`.

    Nothing is written when it was stopped, by `kernels` or by Ctrl-C.

    Args:
        own: a folder for its trainings and features, instead of the reader's.
    """
    kernels = kernels or Kernels()
    notebook = nbformat.read(path, 4)
    started = time.perf_counter()
    environment = _environment(scale, quiet, kernels.jobs, own)
    current, took = {"cell": 0}, {}
    error = None
    with bar or _bar(path, None) as shown:

        def begun(cell, cell_index):
            current["cell"] = cell_index

        def done(cell, cell_index, execute_reply):
            shown.update(cell.cell_type == "code")
            took.update(cpu_seconds=client.cpu_seconds())
            took.update(peak_memory_gb=client.peak_memory_gb())

        out.parent.mkdir(parents=True, exist_ok=True)
        client = Notebook(
            notebook,
            timeout=None,
            kernel_name="python3",
            coalesce_streams=True,  # what a cell prints in many pieces is one text
            resources={"metadata": {"path": str(out.parent)}},
            on_cell_start=begun,
            on_cell_executed=done,
        )
        said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        try:
            run_sync(kernels.execute)(client, env=environment, stderr=said)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, Stalled) as failure:
            cell = notebook.cells[current["cell"]]
            value = ANSI.sub("", str(getattr(failure, "evalue", failure)))
            if not isinstance(failure, Stalled):
                value = f"{getattr(failure, 'ename', type(failure).__name__)}: {value}"
            where = f"cell {current['cell'] + 1} of {path.name}"
            body = "\n".join(f"    {line}" for line in cell.source.splitlines()[:12])
            error = f"{where}:\n{body}\n  {value}"
            if isinstance(failure, DeadKernelError):
                said.seek(0)
                error += "\n" + "".join(said.readlines()[-5:])
        except KeyboardInterrupt:
            kernels.stop()
            raise
        except asyncio.CancelledError:
            error = "it was stopped."
        except Exception:
            error = f"{path.name}: {traceback.format_exc(limit=2)}"
    seconds = time.perf_counter() - started
    if why := "it was stopped." if kernels.stopped else _left(path, out, notebook, error):
        return Outcome(path.stem, seconds, "", why, **took)
    tidy(notebook)
    with files.atomic_write(out) as part:
        nbformat.write(notebook, part)
    return Outcome(path.stem, seconds, _result(notebook), error, **took)


def _left(path: Path, out: Path, notebook, error: str | None) -> str | None:
    """Why a chapter is not written over itself: it failed, or was saved with other cells."""
    if out == path and error:  # a mixture of its old outputs and new ones
        return f"{error}\n{path.name} is left as it is."
    if out != path or _sources(nbformat.read(path, 4)) == _sources(notebook):
        return None
    return f"{path.name}, which was changed meanwhile: it is left as it is. Run it again."


def _sources(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells]


def sensible_jobs(scale: str = "sample") -> int:
    """Return how many chapters to execute at once on this machine.

    One for every core, but no more than MOST, and than there is free memory for. At full scale, and
    where there is a graphics card, which the first program takes for itself: one.
    """
    room = int(psutil.virtual_memory().available / MEMORY)
    if scale != "sample" or resources.has_gpu():
        return 1
    return max(1, min(resources.cores(), room, MOST))


def outdated(names: list[str] | None, scale: str, force: bool = False) -> tuple[list, dict]:
    """Return the chapters that are asked for, and the notes of those that are up to date.

    Args:
        force: take none for up to date.
    """
    notes = paths.RUNS / "notebooks" / scale
    asked, made = chapters(names), {}
    for path in asked:
        out, note = notes / path.name, notes / f"{path.stem}.json"
        if not force and note.exists() and out.exists():
            found = files.read_json(note)
            with contextlib.suppress(ValueError):  # what cannot be read is not up to date
                if found["key"] == up_to_date.key(path, up_to_date.code(path), scale):
                    made[path] = found
    return asked, made


def _can_be_read(path: Path, heard: Callable[[Outcome], None]) -> bool:
    try:
        nbformat.read(path, 4)
    except ValueError as error:
        heard(Outcome(path.stem, 0.0, "", f"{path.name}, which cannot be read ({error})"))
        return False
    return True


def _note(path: Path, notes: Path, scale: str, outcome: Outcome, code: str) -> None:
    """Note that the executed chapter in `notes` is that of this code; or that it is not."""
    note = notes / f"{path.stem}.json"
    if outcome.error is None and code == up_to_date.code(path):
        said = {"key": up_to_date.key(path, code, scale), "seconds": outcome.seconds}
        files.write(note, json.dumps(said | {"result": outcome.result}))
    else:  # it failed, was changed meanwhile, or is not the one beside it
        note.unlink(missing_ok=True)


def run(
    names: list[str] | None = None,
    scale: str = "sample",
    force: bool = False,
    in_place: bool = False,
    bars: Callable | None = None,
    told: Callable[[Outcome], None] | None = None,
    jobs: int = 1,
    stall: float = STALL,
) -> list[Outcome]:
    """Execute chapters; a failed one does not keep the others from running.

    The executed notebooks go to `runs/notebooks/SCALE/`; those that are up to date are left alone.

    Args:
        force: execute those that are up to date, too.
        in_place: write the outputs into the chapters themselves, as they are committed, and their
            twins; one after the other, whatever `jobs` says.
        bars: makes the progress bar of a chapter from its path; by default a tqdm bar.
        told: is called with each chapter's outcome as soon as there is one.
        jobs: how many at once, each in a kernel of its own; see `sensible_jobs`.
        stall: a chapter that neither computes nor sends anything for so many seconds is given up;
            0 waits for ever.

    Returns:
        the outcomes, in the order of the chapters.
    """
    if in_place:
        twins.require()
    notes, outcomes = paths.RUNS / "notebooks" / scale, {}
    asked, made = outdated(names, scale, force or in_place)

    def heard(outcome):
        outcomes[outcome.chapter] = outcome
        if told:
            told(outcome)

    for path, note in made.items():
        heard(Outcome(path.stem, note["seconds"], note["result"], cached=True))
    left = [path for path in asked if path not in made and _can_be_read(path, heard)]
    if jobs > 1:
        left = forecast.longest_first(left)

    jobs = 1 if in_place else max(1, min(jobs, len(left)))
    kernels, rows, shown = Kernels(jobs, stall), queue.SimpleQueue(), {}
    for row in range(jobs):
        rows.put(row)

    def one(path):
        row, code = rows.get(), up_to_date.code(path)
        shown[path] = bar = bars(path) if bars else _bar(path, row if jobs > 1 else None)
        try:
            out = path if in_place else notes / path.name
            return execute(path, scale, out, in_place, bar, kernels, own), code
        finally:
            del shown[path]
            if isinstance(bar, tqdm) and not bar.leave and not kernels.stopped:
                tqdm.write(str(bar), file=sys.stderr)
            rows.put(row)

    # what takes seconds is trained and extracted anew, with today's code
    fresh = tempfile.TemporaryDirectory(prefix="catdog-", ignore_cleanup_errors=True)
    with fresh as folder, ThreadPoolExecutor(jobs) as pool:
        own = folder if scale == "sample" else None
        waiting = {pool.submit(one, path): path for path in left}
        try:
            while waiting:
                ended, _ = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
                for bar in list(shown.values()):  # so that the time goes on in a long cell
                    if isinstance(bar, tqdm) and sys.stderr.isatty():
                        bar.refresh()
                for future in ended:
                    path = waiting.pop(future)
                    outcome, code = future.result()
                    if in_place and outcome.error is None:
                        twins.write(path)
                    heard(outcome)
                    _note(path, notes, scale, outcome, "" if in_place else code)
        except BaseException:
            kernels.stop()
            for future in waiting:
                future.cancel()
            raise
    return [outcomes[path.stem] for path in asked]


def summary(outcomes: list[Outcome]) -> str:
    """Return a table: chapter, seconds, result."""
    width = max(len(o.chapter) for o in outcomes)
    lines = [f"{'chapter':{width}}  seconds  result"]
    for o in outcomes:
        said = "FAILED" if o.error else o.result + (" (up to date)" if o.cached else "")
        lines.append(f"{o.chapter:{width}}  {o.seconds:7.1f}  {said}")
    for o in outcomes:
        if o.error:
            lines.append(f"\n{o.chapter} failed in {o.error}")
    return "\n".join(lines)
