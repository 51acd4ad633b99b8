"""Where a fault is injected: a folder, and programs that run in it and can be killed."""

import hashlib
import multiprocessing
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from unittest import SkipTest, mock

SKIPPED = 77  # the exit code of a child that may not do what the fault needs
PRELOADED = ["catdog.cli.main", "catdog.data.download", "catdog.inference.answers"]
PRELOADED += ["catdog.inference.submission", "catdog.models.features"]


@dataclass
class Seen:
    """What a reader sees of a command, of a function, or of an answer over HTTP."""

    code: int
    out: str
    err: str = ""

    @property
    def said(self) -> str:
        """All of stderr; if that is empty, the last line of stdout."""
        return self.err.strip() or (self.out.strip().splitlines() or [""])[-1]


def tree(folder: Path) -> dict[str, str]:
    """The state of all that is in a folder: what kind each is, and the hash of its bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        regular = path.is_file() and not path.is_symlink() and stat.st_size < 2**30
        content = hashlib.sha256(path.read_bytes()).hexdigest() if regular else stat.st_size
        found[os.fsencode(path.relative_to(folder))] = oct(stat.st_mode), content
    return found


class Program:
    """A program that was started in a place."""

    def __init__(self, place: "Place", name: str, process):
        self.place, self.process = place, process
        self.out, self.err = (place.path / f".{name}.{end}" for end in ("out", "err"))

    def running(self) -> bool:
        if isinstance(self.process, subprocess.Popen):
            return self.process.poll() is None
        return self.process.is_alive()

    def kill_when(self, so, seconds: float = 120) -> "Seen":
        """Send SIGKILL once something is so; fail if the program ends by itself before."""
        until = time.monotonic() + seconds
        while not so():
            assert self.running(), f"it ended too early: {self.seen()}"
            assert time.monotonic() < until, "the moment to kill it did not come"
            time.sleep(0.002)
        self.process.kill()
        return self.seen()

    def seen(self, seconds: float = 120) -> Seen:
        """Wait for its end; a program that does not end is a fault that is not survived."""
        until = time.monotonic() + seconds
        while self.running() and time.monotonic() < until:
            time.sleep(0.005)
        if hangs := self.running():
            self.process.kill()
        if isinstance(self.process, subprocess.Popen):
            code = self.process.wait()
        else:
            self.process.join()
            code = self.process.exitcode
        out, err = (p.read_text("utf-8", "backslashreplace") for p in (self.out, self.err))
        if code == SKIPPED:
            raise SkipTest(err.strip())
        return Seen(124 if hangs else code, *map(self.place.plain, (out, err)))


class Place:
    """A folder for one fault. What is in `mine` is the reader's: it stays as it is."""

    def __init__(self, path: Path, model: Path):
        self.path, self.mine, self.model = path, path / "mine", model
        self.mine.mkdir()
        self.before: dict | None = None
        self.started = 0

    def put(self, name: str, content: bytes = b"") -> Path:
        """Write a file of the reader's."""
        path = self.mine / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def plain(self, text: str) -> str:
        """A text without what differs from machine to machine: paths, ports, seconds."""
        text = text.replace(f"{self.path}/", "").replace(str(self.path), ".")
        text = text.replace(str(self.model), "small.keras")
        return re.sub(r"(127\.0\.0\.1:|localhost:|catdog: port )\d+", r"\1PORT", text)

    def start(self, function, *given, env=None, mounts=None) -> Program:
        """Run a function in a child of a process that has imported TensorFlow already.

        Args:
            mounts: is called first, where the child has mounts of its own.
        """
        self.note()
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(PRELOADED)
        quiet = {"PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker"}
        quiet |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1", "KERAS_BACKEND": "tensorflow"}
        with mock.patch.dict(os.environ, quiet):
            forkserver.ensure_running()
        name = f"run{self.started}"
        job = self.path, name, function, given, quiet | (env or {}), mounts
        process = server.Process(target=_child, args=job, daemon=True)
        process.start()
        return Program(self, name, process)

    def catdog(self, *words, **how) -> Seen:
        """Run the command in such a child."""
        return self.start(run_catdog, *map(str, words), **how).seen()

    def call(self, function, *given, **how) -> Seen:
        """Call a function of the package as a chapter does; an error is what it says."""
        return self.start(called, function, given, how).seen()

    def command(self, *words, program=("-m", "catdog"), env=None, shell="", cwd=None) -> Seen:
        """Run the command as readers do, in a process of its own.

        Args:
            shell: a line for sh that runs it as "$@", such as '"$@" | head -1'.
        """
        self.note()
        line = [sys.executable, *program, *map(str, words)]
        line = ["sh", "-c", shell, "sh", *line] if shell else line
        own = {f"CATDOG_{name}": str(self.path / name.lower()) for name in ("FEATURES", "RUNS")}
        name, environment = f"run{self.started}", os.environ | own | (env or {})
        with (
            open(self.path / f".{name}.out", "wb") as out,
            open(self.path / f".{name}.err", "wb") as err,
        ):
            process = subprocess.Popen(
                line, cwd=cwd or self.path, env=environment, stdout=out, stderr=err
            )
        return Program(self, name, process).seen()

    def note(self) -> None:
        """Note what the reader has before the first program runs."""
        self.started += 1
        if self.before is None:
            self.before = tree(self.mine)


def _child(folder, name, function, given, env, mounts) -> None:
    os.chdir(folder)
    os.environ.update(env)
    from catdog.core import paths

    paths.FEATURES, paths.RUNS = folder / "features", folder / "runs"
    for fd, end in ((1, "out"), (2, "err")):
        os.dup2(os.open(f".{name}.{end}", os.O_WRONLY | os.O_CREAT, 0o600), fd)
    if mounts:
        try:
            _own_mounts()
            mounts()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no mounts of its own: {error}", file=sys.stderr)
            sys.exit(SKIPPED)
    sys.exit(function(*given))


def _own_mounts() -> None:
    """Let this process mount what no other sees, without being root."""
    import ctypes

    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000 | 0x00020000):  # CLONE_NEWUSER, CLONE_NEWNS
        raise OSError(number := ctypes.get_errno(), os.strerror(number))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def run_catdog(*words: str) -> int:
    from catdog.cli.main import main

    return main(list(words))


def called(function, given, how) -> int:
    from catdog import CatDogError

    try:
        print(function(*given, **how))
    except CatDogError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
