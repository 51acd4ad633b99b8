"""A second host with an sshd and a Jupyter of its own, made on this computer."""

import contextlib
import ctypes
import getpass
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest

from catdog.cloud import jupyter_api, tunnel
from catdog.core import paths

REAL = "08_organizing_the_data"  # the quickest chapter
COUNT = """\
import os, pathlib, time
runs = pathlib.Path(os.environ["CATDOG_HOME"]) / "runs"
with open(runs / "executed.txt", "a") as log:
    log.write(f"{os.getpid()} NAME\\n")"""
WAIT = """\
while not (runs / "go").exists():
    time.sleep(0.05)"""
TINY = {
    "91_slow": [COUNT, "x = 1", WAIT, "x = 2", "print('slow and steady')"],
    "92_makes_files": [
        COUNT,
        "new = runs / 'tiny-run'\n"
        "new.mkdir(exist_ok=True)\n"
        "(new / 'record.json').write_text('{\"accuracy\": 0.5}')\n"
        "(new / 'model.keras').write_bytes(bytes(range(256)) * 4000)\n"
        "(new / 'left.out').write_text('not a result')\n"
        "print('made two files')",
    ],
    "93_fails": [COUNT, "x = 1", "raise ValueError('no such animal')"],
}


def write_chapters(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, codes in TINY.items():
        made = [nbformat.v4.new_code_cell(code.replace("NAME", name)) for code in codes]
        made[-1].metadata["tags"] = ["result"]
        first = nbformat.v4.new_markdown_cell(f"# {name}")
        nbformat.write(nbformat.v4.new_notebook(cells=[first, *made]), folder / f"{name}.ipynb")
    shutil.copy(paths.ROOT / "notebooks" / f"{REAL}.ipynb", folder)


def far_project(folder: Path) -> Path:
    """Make a small copy of the project, with quick chapters besides a real one."""
    write_chapters(folder / "notebooks")
    (folder / "runs").mkdir()
    (folder / "runs" / "go").touch()
    for name in ("scripts", "models", "data"):
        (folder / name).symlink_to(paths.ROOT / name)
    return folder


@dataclass
class Running:
    """A Jupyter server that a test started."""

    process: subprocess.Popen
    port: int
    token: str = field(repr=False)
    token_file: Path
    log: Path
    project: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> jupyter_api.Jupyter:
        return jupyter_api.Jupyter(jupyter_api.Server(self.url, self.token))

    @contextlib.contextmanager
    def held(self):
        """The slow chapter does not come to its end meanwhile."""
        (self.project / "runs" / "go").unlink()
        try:
            yield
        finally:
            (self.project / "runs" / "go").touch()

    def executed(self, name: str) -> list[int]:
        """The processes that have executed a chapter, one for each time."""
        log = self.project / "runs" / "executed.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        return [int(line.split()[0]) for line in lines if line.split()[1] == name]


def dies_with_us() -> None:
    """In a new process, on Linux: end it when this one ends, even when that is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


@contextlib.contextmanager
def jupyter(home: Path, project: Path, port: int, inside: tuple[str, ...] = ()):
    """Start JupyterLab as the GPU machine does: loopback only, a random token from a file."""
    home.mkdir(exist_ok=True)
    token, token_file = secrets.token_urlsafe(32), home / "token"
    token_file.touch(0o600)
    token_file.write_text(token)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "CATDOG"))}
    environment |= {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_TOKEN_FILE": str(token_file),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "CATDOG_HOME": str(project),
        "CATDOG_RUNS": str(project / "runs"),
        "SHELL": "/bin/sh",
    }
    line = [*inside, sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    line += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    line += [f"--ServerApp.root_dir={project}"]
    log = home / "jupyter.log"
    with open(log, "w") as out:
        process = subprocess.Popen(
            line,
            env=environment,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            preexec_fn=dies_with_us,
        )
    try:
        yield Running(process, port, token, token_file, log, project)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(true, seconds: float = 300, what: str = "it") -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s"
        time.sleep(0.05)


def answers(running: Running):
    def asked():
        assert running.process.poll() is None, running.log.read_text()
        with contextlib.suppress(*jupyter_api.DROPPED):
            return running.client.kernel("none") is None
        return False

    return asked


@pytest.fixture(scope="module")
def local_jupyter(tmp_path_factory):
    """A Jupyter on this computer's loopback, in a small copy of the project."""
    folder = tmp_path_factory.mktemp("local")
    with jupyter(folder / "home", far_project(folder / "far"), tunnel.free_port()) as running:
        wait_until(answers(running), what="Jupyter's start")
        yield running


@dataclass
class Host:
    """The second host: how to reach its sshd, and the Jupyter on its loopback."""

    machine: dict
    jupyter: Running
    namespace: str | None
    ssh_log: Path

    def tunnel(self):
        return tunnel.tunnel(
            remote_port=self.jupyter.port,
            token_file=str(self.jupyter.token_file),
            wait=300,
            **self.machine,
        )


def _need(*programs: str) -> None:
    missing = [p for p in programs if not shutil.which(p, path=f"{os.environ['PATH']}:/usr/sbin")]
    if missing:
        text = f"{', '.join(missing)} missing; on Debian: apt install openssh-server iproute2"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(text)
        pytest.skip(text)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def network():
    """Make a network namespace, joined to this one by a cable; yield its name and address.

    Yields None and 127.0.0.1 where that is not allowed.
    """
    for stale in Path("/run/netns").glob("catdog-*"):  # of a test that was killed
        if not Path("/proc", stale.name.removeprefix("catdog-")).exists():
            _remove(stale.name)
    name, end = f"catdog-{os.getpid()}", f"cd{os.getpid() % 10**9}"
    a, b = random.randrange(1, 255), 4 * random.randrange(64)
    try:
        _ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "").strip() or str(error)
        warnings.warn(
            f"no network namespaces here ({why}): the second host is a port of this one's loopback",
            stacklevel=2,
        )
        yield None, "127.0.0.1"
        return
    try:
        _ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("addr", "add", f"10.213.{a}.{b + 1}/30", "dev", end)
        _ip("link", "set", end, "up")
        _ip("-n", name, "addr", "add", f"10.213.{a}.{b + 2}/30", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield name, f"10.213.{a}.{b + 2}"
    finally:
        _remove(name)


def _remove(name: str) -> None:
    """End what runs in a network namespace, and remove it with its cable."""
    left = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    for process in left.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@contextlib.contextmanager
def sshd(folder: Path, address: str, inside: tuple[str, ...]):
    """Start an sshd with a key of its own that lets one new key in; yield how to reach it."""
    for name in ("host", "user"):
        line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(line, check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    port = 2222 if inside else tunnel.free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress {address}\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPidFile {folder}/sshd.pid\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nStrictModes no\n"
    )
    separation = Path("/run/sshd")  # where sshd, as root, insists on locking itself up
    made = os.geteuid() == 0 and not separation.exists()
    if made:
        separation.mkdir(0o755)
    with open(folder / "sshd.log", "w") as log:
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        process = subprocess.Popen(
            [*inside, program, "-D", "-e", "-f", str(config)],
            stderr=log,
            preexec_fn=dies_with_us,
        )
    try:
        reach = {"host": address, "port": port, "user": getpass.getuser(), "key": folder / "user"}
        wait_until(lambda: is_open(address, port), 10, "sshd's start")
        yield {**reach, "known_hosts": folder / "known hosts"}
    finally:
        process.terminate()
        process.wait()
        if made:
            with contextlib.suppress(OSError):
                separation.rmdir()


def is_open(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), 2):
        return True
    return False


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """The second host, with a Jupyter that listens on its loopback only."""
    _need("sshd", "ssh", "ssh-keygen", "ip")
    folder = tmp_path_factory.mktemp("host")
    with network() as (namespace, address):
        inside = ("ip", "netns", "exec", namespace) if namespace else ()
        port = 8888 if namespace else tunnel.free_port()
        project = far_project(folder / "far")
        with (
            sshd(folder, address, inside) as machine,
            jupyter(folder / "home", project, port, inside) as running,
        ):
            wait_until(lambda: "is running at" in running.log.read_text(), what="Jupyter's start")
            yield Host(machine, running, namespace, folder / "sshd.log")


@dataclass
class Near:
    """The reader's computer: its copy of the project, and where results arrive."""

    root: Path

    def environment(self, runs: str = "runs") -> dict:
        own = {"CATDOG_HOME": str(self.root), "CATDOG_RUNS": str(self.root / runs)}
        return {**os.environ, **own}

    def results(self, runs: str = "runs") -> Path:
        """The folder that the only run came back to."""
        (one,) = (self.root / runs / "remote").iterdir()
        return one


@pytest.fixture
def near(tmp_path, monkeypatch):
    write_chapters(tmp_path / "near" / "notebooks")
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "near" / "notebooks")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "near" / "runs")
    return Near(tmp_path / "near")


@contextlib.contextmanager
def command_lines():
    """Collect the command line of every process that is seen meanwhile."""
    seen, ended = set(), threading.Event()

    def look():
        while not ended.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(path.read_bytes().decode(errors="replace"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
