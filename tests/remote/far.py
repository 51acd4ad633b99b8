"""A second host on this computer: an sshd, a home of its own, a pretended systemd, a Jupyter."""

import contextlib
import ctypes
import getpass
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import websocket

from catdog.cloud import tunnel

# One service at a time, as systemd keeps it: it runs on when who began it has left.
SYSTEMD_RUN = f"""#!{sys.executable} -SE
import os, shutil, signal, subprocess, sys, time
words, service = sys.argv[1:], os.path.expanduser("~/.service")
while words[0].startswith("--"):
    words.pop(0)
try:
    os.mkdir(service)
except FileExistsError:
    sys.exit("Unit was already loaded")
if os.fork():
    while os.path.exists(service) and not os.path.exists(f"{{service}}/pid"):
        time.sleep(0.01)
    sys.exit()
os.setsid()
for descriptor in range(3):
    os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
signal.signal(signal.SIGINT, signal.SIG_DFL)
process = subprocess.Popen(words, start_new_session=True)
with open(f"{{service}}/part", "w") as stream:
    stream.write(str(process.pid))
os.rename(f"{{service}}/part", f"{{service}}/pid")
process.wait()
shutil.rmtree(service)
"""
SYSTEMCTL = """#!/bin/bash
pid=$(cat ~/.service/pid 2>/dev/null)
case "$*" in
    *is-active*) [ -n "$pid" ] ;;
    *MainPID*) echo "${pid:-0}" ;;
    *stop*) kill -INT -- "-$pid"; while [ -e ~/.service ]; do sleep 0.01; done ;;
esac
"""
# What the pretended project executes: it counts, makes files, and waits while it is held.
CATDOG = """#!/bin/bash
shift  # run
runs=~/project/runs
echo "$*" >> $runs/executed.txt
printf 'cell 1\\rcell 2\\n'
while [ -e $runs/hold ]; do sleep 0.02; done
mkdir -p $runs/notebooks/$2 $runs/tiny/part.part
for stem in "${@:3}"; do
    [[ $stem == --* ]] || echo "executed $stem" > $runs/notebooks/$2/$stem.ipynb
done
echo '{"accuracy": 0.5}' > $runs/tiny/record.json
head -c 300000 /dev/zero > $runs/tiny/model.keras
touch $runs/tiny/left.out $runs/tiny/part.part/model.keras
echo 'made two files'
exit $(cat $runs/code 2>/dev/null || echo 0)
"""


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def dies_with_us() -> None:
    """In a new process, on Linux: end it when this one ends, even when that is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def wait_until(true, seconds: float = 300, what: str = "it") -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s"
        time.sleep(0.02)


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
        return True
    return False


# ---- the host


@dataclass
class Host:
    """The second host: how to reach it, and the home that who comes in gets."""

    machine: tunnel.Machine
    folder: Path
    home: Path = field(default=Path())

    @property
    def runs(self) -> Path:
        return self.home / "project" / "runs"

    def executed(self) -> list[str]:
        log = self.runs / "executed.txt"
        return log.read_text().splitlines() if log.exists() else []

    @contextlib.contextmanager
    def held(self):
        """No chapter comes to its end meanwhile."""
        (self.runs / "hold").touch()
        try:
            yield
        finally:
            (self.runs / "hold").unlink(missing_ok=True)


def _need(*programs: str) -> None:
    missing = [p for p in programs if not shutil.which(p, path=f"{os.environ['PATH']}:/usr/sbin")]
    if missing:
        text = f"{', '.join(missing)} missing; on Debian: apt install openssh-server"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(text)
        pytest.skip(text)


@pytest.fixture(scope="session")
def sshd(tmp_path_factory):
    """An sshd with a key of its own that lets one new key in."""
    _need("sshd", "ssh", "sftp", "ssh-keygen")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user", "other"):
        line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(line, check=True)
    program(
        folder / "enter",
        f'#!/bin/sh\nexport HOME="$(cat {folder}/home)" PATH="{folder}/bin:$PATH"\n'
        'cd\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n',
    )
    program(folder / "bin" / "systemd-run", SYSTEMD_RUN)
    program(folder / "bin" / "systemctl", SYSTEMCTL)
    port = tunnel.free_port()
    server = next(p for p in Path("/usr").glob("lib*/**/sftp-server") if p.is_file())
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PermitRootLogin prohibit-password\nForceCommand {folder}/enter\n"
        f"Subsystem sftp {server}\n"
    )
    separation = Path("/run/sshd")  # where sshd, as root, insists on locking itself up
    made = os.geteuid() == 0 and not separation.exists()
    if made:
        separation.mkdir(0o755)
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")],
            stderr=log,
            preexec_fn=dies_with_us,
        )
    wait_until(lambda: is_open(port), 10, "sshd's start")
    kind, key = (folder / "host.pub").read_text().split()[:2]
    (folder / "known hosts").write_text(f"i-far {kind} {key}\n")
    yield Host(
        tunnel.Machine(
            "127.0.0.1",
            port,
            getpass.getuser(),
            folder / "user",
            alias="i-far",
            known_hosts=folder / "known hosts",
        ),
        folder,
    )
    process.terminate()
    process.wait()
    if made:
        with contextlib.suppress(OSError):
            separation.rmdir()


@pytest.fixture
def host(sshd, tmp_path):
    """The second host, with a new home in which a pretended project is set up."""
    home = tmp_path / "far"
    program(home / "project" / ".venv" / "bin" / "catdog", CATDOG)
    (home / "project" / "runs").mkdir()
    (home / ".catdog").mkdir()
    (sshd.folder / "home").write_text(str(home))
    sshd.home = home
    yield sshd
    with contextlib.suppress(OSError, ValueError):
        os.killpg(int((home / ".service" / "pid").read_text()), signal.SIGKILL)


# ---- Jupyter


@dataclass
class Jupyter:
    """A Jupyter server that a test started, and the few calls of its API that are needed."""

    process: subprocess.Popen
    port: int
    token: str = field(repr=False)
    token_file: Path
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, **more):
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(
            method, f"{self.url}/api/{path}", headers=headers, timeout=60, **more
        )

    def new_kernel(self) -> str:
        return self.call("POST", "kernels", json={}).json()["id"]

    def state(self, kernel: str) -> str:
        return self.call("GET", f"kernels/{kernel}").json()["execution_state"]

    def channel(self, kernel: str):
        return websocket.create_connection(
            f"ws{self.url.removeprefix('http')}/api/kernels/{kernel}/channels",
            header=[f"Authorization: token {self.token}"],
            timeout=60,
        )

    def execute(self, kernel: str, code: str, wait: bool = True) -> None:
        """Have a kernel execute code, and wait until it has."""
        request = uuid.uuid4().hex
        content = {"code": code, "silent": False, "store_history": False}
        header = {"msg_id": request, "msg_type": "execute_request", "version": "5.3"}
        header |= {"username": "", "session": uuid.uuid4().hex, "date": ""}
        message = {"channel": "shell", "header": header, "content": content}
        message |= {"parent_header": {}, "metadata": {}, "buffers": []}
        with contextlib.closing(self.channel(kernel)) as line:
            line.send(json.dumps(message))
            while True:
                answer = json.loads(line.recv())
                mine = answer.get("parent_header", {}).get("msg_id") == request
                kind = answer["header"]["msg_type"]
                if mine and (kind == "execute_reply" or not wait and kind == "execute_input"):
                    return


@contextlib.contextmanager
def jupyter(home: Path, port: int):
    """Start JupyterLab as the GPU machine does: loopback only, a random token from a file."""
    home.mkdir(exist_ok=True)
    token, token_file = secrets.token_urlsafe(32), home / "token"
    token_file.touch(0o600)
    token_file.write_text(token)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    environment |= {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_TOKEN_FILE": str(token_file),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "SHELL": "/bin/sh",
    }
    line = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    line += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    line += [f"--ServerApp.root_dir={home}"]
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
    running = Jupyter(process, port, token, token_file, log)

    def answers():
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(requests.RequestException):
            return running.call("GET", "status").status_code == 200

    try:
        wait_until(answers, what="Jupyter's start")
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def local_jupyter(tmp_path_factory):
    """A Jupyter on this computer's loopback."""
    with jupyter(tmp_path_factory.mktemp("local") / "home", tunnel.free_port()) as running:
        yield running
