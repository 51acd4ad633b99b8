"""Grade submissions of an exam: execute each, read its answers, compare them with the key.

What students wrote is not trusted to end, to fit the memory, or to be a notebook at all. Each one
has a kernel of its own, in a temporary folder of its own; the right values never go there. It runs
with the rights of whoever grades, so a file that it must not read belongs elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import psutil
from jupyter_core.utils import ensure_async, run_sync
from nbclient.exceptions import DeadKernelError

from catdog import CatDogError
from catdog.book.kernels import Kernels, Notebook, Stalled
from catdog.core import files, handouts

CELL = 10.0  # seconds of a processor that a cell may take
WAIT = 6  # times as long it may last: on a busy machine an import alone can
BEGIN = 120.0  # seconds that the cell before the first may take
MEMORY = 2.0  # GB that a submission's processes may take together
ROOM = 4  # times as many addresses: libraries reserve far more than they use
LOOK = 0.2  # seconds between two looks at both
TRIES = 6  # how often a submission is begun again, each time without the cell that ended it
LARGEST = 50 * 2**20  # bytes of a submission
NEEDED = {"PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMP", "TEMP", "TMPDIR"}
MIME = "application/vnd.catdog.answer+json"
SHOWN = {"stream", "display_data", "execute_result", "update_display_data"}

# What an exam begins with. Matplotlib's first import takes seconds, which are not the student's.
SETUP = """\
import matplotlib.pyplot as plt
import numpy as np
answers = {{}}
try:
    import psutil, resource
    _most = psutil.Process().memory_info().vms + {most}
    resource.setrlimit(resource.RLIMIT_AS, (_most, _most))
except (ImportError, OSError, ValueError):
    pass  # no limit of the system's here: whoever grades looks at the memory, too"""
# Executed in names of its own: a student may have called a variable `list` or `len`.
READ = """\
import json
import numpy
from IPython.display import display

def read(make):
    def plain(x):
        if isinstance(x, (list, tuple)):
            return [plain(item) for item in x]
        if x is None or x is ... or isinstance(x, (str, bool)):
            return None if x is ... else x
        x = numpy.asarray(x)
        return x.tolist() if x.dtype.kind in "biuf" else None

    text = json.dumps(plain(make()))
    if len(text) < 100_000:
        display({{{mime!r}: text}}, raw=True)


read(lambda: {what})"""
CALL = "answers[{name!r}](*[numpy.array(a) if isinstance(a, list) else a for a in {arguments}])"


@dataclass
class Grade:
    """What one submission got: points for each question, and what went wrong."""

    name: str
    points: dict[str, int]
    remarks: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.points.values())


class Submission(Notebook):
    """A notebook whose first `theirs` cells a student wrote; what those print is thrown away."""

    def __init__(self, notebook, theirs: int, folder: str, seconds: float, memory: float):
        self.theirs, self.seconds, self.memory = theirs, seconds, memory
        self.cell, self.since, self.why = -1, float("inf"), ""  # begun: none
        self.spent = 0.0  # by the processor, before this cell
        self.failed: dict[int, str] = {}
        self.pid: int | None = None
        super().__init__(
            notebook,
            timeout=None,
            allow_errors=True,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            on_cell_execute=self._begun,
            on_cell_error=self._error,
        )

    def _begun(self, cell, cell_index):
        self.cell, self.since = cell_index, time.monotonic()
        self.pid = getattr(getattr(self.km, "provisioner", None), "pid", None)
        self.spent, _ = self._usage()

    def _error(self, cell, cell_index, execute_reply):
        content = execute_reply["content"]
        self.failed[cell_index] = f"{content.get('ename')}: {content.get('evalue')}"

    def process_message(self, msg, cell, cell_index):
        """Take in a message, unless it is what a student's cell shows."""
        if cell_index < self.theirs and msg["msg_type"] in SHOWN:
            return None
        return super().process_message(msg, cell, cell_index)

    async def stalled(self, after: float) -> None:
        """Interrupt a cell that takes too long; return when it goes on, or the memory is full."""
        interrupted = None
        while True:
            await asyncio.sleep(LOOK)
            spent, memory = self._usage()
            took = max(spent - self.spent, (time.monotonic() - self.since) / WAIT)
            most = self.seconds if self.cell else max(self.seconds, BEGIN)
            if memory > self.memory * 1e9:
                self.why = f"took more than {self.memory:g} GB of memory"
                return
            if took > most and interrupted != (self.cell, self.since) and self.km:
                interrupted = (self.cell, self.since)
                await ensure_async(self.km.interrupt_kernel())
            elif took > 1.5 * most + 1:
                self.why = f"went on after {self.seconds:g} s"
                return

    def _usage(self) -> tuple[float, int]:
        """The kernel's seconds of a processor, and the bytes in memory, with what it started."""
        seconds, memory = 0.0, 0
        try:
            kernel = psutil.Process(self.pid) if self.pid else None
            for process in [kernel, *kernel.children(recursive=True)] if kernel else ():
                times = process.cpu_times()
                seconds += times.user + times.system
                memory += process.memory_info().rss
        except psutil.Error:  # one has just ended
            pass
        return seconds, memory

    def end(self) -> None:
        """End the processes that were started and left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.pid and hasattr(os, "killpg"):  # the kernel leads a group of its own
                os.killpg(self.pid, signal.SIGKILL)


def read_key(path: str | Path) -> dict[str, Any]:
    """Read the key of an exam; a CatDogError says if the file is none."""
    if not Path(path).is_file():
        raise CatDogError(f"{path}: no such file. Give the key that catdog exam wrote.")
    key = files.read_json(path)
    if not isinstance(key, dict) or "exam" not in key or "questions" not in key:
        raise CatDogError(f"{path} is no key of an exam: give the one that catdog exam wrote.")
    return key


def submissions(given: Iterable[Path]) -> dict[str, Path]:
    """Return the notebooks that are named, and those in the folders that are, by their names.

    The name is the file's, with as many of its folders before it as tell it from the others.
    """
    paths: list[Path] = []
    for path in given:
        if not path.exists():
            raise CatDogError(f"{path}: no such submission. Name notebooks, or a folder of them.")
        found = sorted(path.rglob("*.ipynb")) if path.is_dir() else [path]
        paths += [p for p in found if ".ipynb_checkpoints" not in p.parts and p not in paths]
    if not paths:
        raise CatDogError("no notebook (.ipynb) in what was named: name the submissions.")
    names = {path: path.stem for path in paths}
    for depth in range(2, max(len(path.parts) for path in paths) + 1):
        often = Counter(names.values())
        for path, name in names.items():
            if often[name] > 1:
                names[path] = "/".join((*path.parts[-depth:-1], path.stem))
    often = Counter(names.values())  # a.ipynb beside a.pdf
    return {n + p.suffix if often[n] > 1 else n: p for p, n in names.items()}


def grade(key: dict, name: str, path: Path, seconds: float = CELL, memory: float = MEMORY) -> Grade:
    """Grade one submission, whatever it is.

    Args:
        seconds: of a processor that a cell may take; it may last WAIT times as long.
        memory: GB that its processes may take together.
    """
    result = Grade(name, dict.fromkeys(key["questions"], 0))
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("too large")
        notebook = nbformat.read(path, 4)
        sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        exam = notebook.metadata.get("catdog_exam")
    except Exception as error:  # whatever was handed in
        result.remarks.append(f"no notebook that can be read ({type(error).__name__})")
        return result
    if exam != key["exam"]:
        result.remarks.append("not the exam of this key")
    try:
        found, remarks = _answers(key, sources, seconds, memory)
        points = {n: _points(one["parts"], found, n) for n, one in key["questions"].items()}
    except Exception as error:  # one of the class must not end the grading of the others
        result.remarks.append(f"could not be graded ({type(error).__name__})")
        return result
    result.remarks += remarks
    result.points |= points
    return result


def _points(parts: list[dict], found: dict[str, Any], n: str) -> int:
    if parts[0]["kind"] == "case":
        given = [found.get(f"{n}.{i}") for i in range(len(parts))]
    else:
        answer = found.get(n)
        if not isinstance(answer, list) or len(answer) != len(parts):
            return 0
        given = answer
    return sum(is_right(part, value) for part, value in zip(parts, given, strict=True))


def is_right(part: dict[str, Any], answer: Any) -> bool:
    """Whether what was answered, as JSON has it, is the value of a part of the key."""
    if part["kind"] == "choice":
        return isinstance(answer, str) and answer.strip().lower() == part["value"]
    if not _numeric(answer):
        return False
    try:
        given = np.asarray(answer, float)
    except (ValueError, OverflowError):  # rows of different lengths; too large
        return False
    value = np.asarray(part["value"], float)
    if given.shape != value.shape:
        return False
    return bool((np.abs(given - value) <= part["tolerance"] + 1e-9).all())


def _numeric(answer: Any) -> bool:
    if isinstance(answer, list):
        return all(map(_numeric, answer))
    return isinstance(answer, int | float) and not isinstance(answer, bool)


def _reads(key: dict) -> Iterator[tuple[str, str]]:
    """The name and code of each cell that reads an answer, or calls one for a hidden case."""
    for n, question in key["questions"].items():
        for i, part in enumerate(question["parts"]):
            if part["kind"] == "case":
                call = CALL.format(name=n, arguments=part["arguments"])
                yield f"{n}.{i}", _reader(call)
            elif i == 0:
                yield n, _reader(f"answers[{n!r}]")


def _reader(what: str) -> str:
    code = READ.format(mime=MIME, what=what)
    return f'__import__("builtins").exec({code!r}, {{"answers": answers}})'


def _answers(
    key: dict, sources: list[str], seconds: float, memory: float
) -> tuple[dict[str, Any], list[str]]:
    """Execute a submission; return what it answered, and remarks on what went wrong.

    A cell that ends its kernel, or that cannot be ended without it, is left out, and all begins
    again. At the second such case of a question, all its cases are left out.
    """
    reads = dict(_reads(key))
    cells = [SETUP.format(most=int(ROOM * memory * 1e9)), *sources, *reads.values()]
    theirs, remarks = 1 + len(sources), dict[int, str]()
    of = [name.split(".")[0] for name in reads]
    left = {True: TRIES, False: 2 * len(set(of)) + 1}  # runs that may end in a case, or before
    while all(left.values()):
        code = ["pass" if i in remarks else cell for i, cell in enumerate(cells)]
        client, why = _execute(code, theirs, seconds, memory)
        if not why:
            break
        left[client.cell < theirs] -= 1
        if client.cell >= theirs:
            question = of[client.cell - theirs]
            same = [theirs + i for i, one in enumerate(of) if one == question]
            if remarks.keys() & same:
                remarks |= dict.fromkeys(same, why)
        remarks[client.cell] = why
    else:
        return {}, [*_said(remarks, theirs), f"given up after {TRIES} runs"]
    remarks |= client.failed
    found = {}
    for name, cell in zip(reads, client.nb.cells[theirs:], strict=True):
        for output in cell.outputs:
            if MIME in output.get("data", {}):
                found[name] = _parsed(output.data[MIME])
    return found, _said(remarks, theirs)


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def _said(remarks: dict[int, str], theirs: int) -> list[str]:
    """What went wrong in the student's own cells; what goes wrong in a case costs its point."""
    return [f"code cell {i}: {why}"[:90] for i, why in sorted(remarks.items()) if 0 < i < theirs]


def _execute(code: list[str], theirs: int, seconds: float, memory: float):
    """Run cells in a new kernel; return its client, and why it was ended if it was."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in code])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work, home = Path(folder, "work"), Path(folder, "home")
        work.mkdir()
        home.mkdir()
        client = Submission(notebook, theirs, str(work), seconds, memory)
        environment = {name: os.environ[name] for name in NEEDED if name in os.environ}
        environment |= {"HOME": str(home), "IPYTHONDIR": str(home), "MPLBACKEND": "agg"}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with tempfile.TemporaryFile() as said:
            try:
                kernels = Kernels(stall=seconds)
                run_sync(kernels.execute)(client, env=environment, stdout=said, stderr=said)
            except (DeadKernelError, Stalled, RuntimeError) as error:
                return client, client.why or f"ended its kernel ({type(error).__name__})"
            finally:
                client.end()
    return client, ""


def write(key: dict, grades: Iterable[Grade], path: str | Path) -> Iterator[Grade]:
    """Write a line for each submission into a new CSV file as it comes; yield each grade.

    Raises:
        CatDogError: the file is there already.
    """
    handouts.must_not_exist(path)
    with (
        files.writing(path),
        open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as stream,
    ):
        table = csv.writer(stream)
        table.writerow(["name", *key["questions"], "total", "of", "remarks"])
        for one in grades:
            row = [one.name, *one.points.values(), one.total, most(key)]
            table.writerow([*row, "; ".join(one.remarks)])
            stream.flush()
            yield one


def most(key: dict) -> int:
    """The points of an exam."""
    return sum(len(question["parts"]) for question in key["questions"].values())
