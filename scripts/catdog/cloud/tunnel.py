"""Reach a Jupyter that listens on another machine's loopback only: an SSH tunnel to it.

Nothing but SSH has to be open on that machine. The token is read from a file there, over the
same SSH, and stands in no command line.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

import requests

from catdog import CatDogError
from catdog.cloud import Unreachable

TOKEN_FILE = ".catdog/token"
WARNINGS = "/run/catdog/warnings"  # on the machine: where its watch says that it will stop
PATIENCE = 600  # seconds to go on trying when a connection has broken
T = TypeVar("T")


OPTIONS = {
    "BatchMode": "yes",  # never ask: a question would hang a notebook
    "ConnectTimeout": "15",
    "ControlMaster": "no",  # a shared connection would outlive this tunnel
    "ControlPath": "none",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ServerAliveInterval": "15",  # notice within a minute that the line is dead
    "ServerAliveCountMax": "3",
    "StrictHostKeyChecking": "yes",  # who shows another key than the known one gets nothing
}


@dataclass(frozen=True)
class Machine:
    """How to reach a machine by SSH.

    Attributes:
        host, port, user: as for ssh.
        key: the private key's file; None leaves the choice to ssh and its agent.
        proxy: a command that carries the connection instead of a direct one (ProxyCommand).
        alias: the name under which the machine's host key is remembered; None takes host.
        known_hosts: the file that holds it; None takes ssh's own.
    """

    host: str
    port: int = 22
    user: str = "ubuntu"
    key: str | Path | None = None
    proxy: str | None = None
    alias: str | None = None
    known_hosts: str | Path | None = None

    def command(self, program: str = "ssh") -> list[str]:
        """Return ssh's (or sftp's) command line up to the options, without the destination."""
        options = dict(OPTIONS)
        if self.key:
            options["IdentitiesOnly"] = "yes"
        if self.proxy:
            options["ProxyCommand"] = self.proxy
        if self.alias:
            options["HostKeyAlias"] = self.alias
        if self.known_hosts:
            # ssh splits this option at spaces, hence the quotes
            options["UserKnownHostsFile"] = f'"{self.known_hosts}"'
        line = [program, "-P" if program == "sftp" else "-p", str(self.port)]
        if self.key:
            line += ["-i", str(Path(self.key).expanduser())]
        for name, value in options.items():
            line += ["-o", f"{name}={value}"]
        return line

    @property
    def destination(self) -> str:
        return f"{self.user}@{self.host}"

    def run(self, command: Sequence[str], timeout: float = 60, script: str = "") -> str:
        """Run a command there, which reads `script`, and return what it printed.

        Raises:
            CatDogError: the machine cannot be reached, or the command fails.
        """
        line = [*self.command(), "-T", self.destination, shlex.join(command)]
        done = _run(line, timeout, script)
        if done.returncode == 255:
            raise self.error(done.stderr)
        if done.returncode:
            said = done.stderr.strip() or f"it returned {done.returncode}"
            raise CatDogError(f"on {self.host}, '{shlex.join(command)}' failed: {said}")
        return done.stdout

    def copy(self, commands: Sequence[str], folder: Path) -> bool:
        """Have sftp do its commands, in a folder of this computer; whether it could do all.

        Raises:
            CatDogError: the machine cannot be reached, or the connection broke.
        """
        shown = ["progress"] if sys.stdout.isatty() else []  # how far a file is
        batch = "".join(f"@{command}\n" for command in (*shown, *commands))
        line = [*self.command("sftp"), "-b", "-", self.destination]
        _need("sftp")
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(line, input=batch, stderr=said, text=True, cwd=folder)
            said.seek(0)
            stderr = said.read()
        # sftp returns 255 where ssh could not connect, 1 for all else
        if done.returncode == 255 or "onnection " in stderr:
            raise self.error(stderr)
        return done.returncode == 0

    def error(self, stderr: str) -> CatDogError:
        """Turn what ssh said into an error that says what happened and what to do."""
        said = [line for line in stderr.strip().splitlines() if line.strip()]
        last = "; ".join(said[-3:]) or "ssh said nothing"
        where = f"{self.destination}, port {self.port}"
        if "IDENTIFICATION HAS CHANGED" in stderr or "Host key verification failed" in stderr:
            return CatDogError(
                f"{where} shows another host key than the one known, so nothing was sent. "
                f"If it was set up anew, forget the old key: ssh-keygen -R "
                f"{self.alias or self.host}"
                + (f" -f {self.known_hosts}" if self.known_hosts else "")
            )
        if "Permission denied" in stderr:
            return CatDogError(
                f"{where} did not accept your key"
                + (f" {self.key}" if self.key else "")
                + ". Name the right one with --key; a key with a passphrase has to be in the "
                "agent first: ssh-add"
            )
        if "Address already in use" in stderr:
            return CatDogError(f"the tunnel's local port was taken meanwhile: {last}. Run again.")
        return Unreachable(
            f"{where} could not be reached: {last}. Is the machine running, and this computer "
            "online?"
        )


def patiently(step: Callable[[], T], say: Callable[[str], object], patience: float = PATIENCE) -> T:
    """Return step(); while the machine cannot be reached, as after sleep, do it again.

    Args:
        patience: seconds to go on trying, from when the connection broke.

    Raises:
        Unreachable: the connection did not come back.
    """
    pause, broke = 1.0, None
    while True:
        began = time.monotonic()
        try:
            return step()
        except Unreachable as error:
            now = time.monotonic()
            if broke is None or now - began > 60:  # it had come back meanwhile
                pause, broke = 1.0, now
                say(f"The connection broke. Trying again for {patience / 60:.0f} minutes …")
            if now - broke + pause > patience:
                raise Unreachable(f"{error} The connection did not come back.") from error
            time.sleep(pause)
            pause = min(2 * pause, 30)


def _run(line: list[str], timeout: float, script: str):
    _need(line[0])
    try:
        return subprocess.run(line, input=script, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise CatDogError(f"{line[0]} did not come back within {timeout:.0f} s.") from None


def _need(program: str) -> None:
    if not shutil.which(program):
        raise CatDogError(
            f"the program {program} is missing. It comes with OpenSSH: on Debian and Ubuntu "
            "'sudo apt install openssh-client', on Windows under Settings, Optional features."
        )


def free_port() -> int:
    """Return a TCP port of this computer's loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Connection:
    """An open tunnel to a Jupyter.

    Attributes:
        url: where Jupyter answers on this computer, such as http://127.0.0.1:40123.
        token: what Jupyter asks for; send it in a header, `Authorization: token …`.
        machine: the machine at the other end.
        process: the ssh that holds the tunnel open.
    """

    url: str
    token: str = field(repr=False)
    machine: Machine
    process: subprocess.Popen = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The header that every request needs."""
        return {"Authorization": f"token {self.token}"}

    def session(self) -> requests.Session:
        """Return a session that sends the token, and nothing to a proxy of this computer."""
        session = requests.Session()
        session.trust_env = False  # no proxy, and no password from ~/.netrc in the token's place
        session.headers.update(self.headers)
        return session

    def alive(self) -> bool:
        """Whether ssh still holds the tunnel open."""
        return self.process.poll() is None


@contextlib.contextmanager
def tunnel(
    machine: Machine,
    remote_port: int = 8888,
    token_file: str = TOKEN_FILE,
    local_port: int | None = None,
    wait: float = 60,
    warn: Callable[[str], object] | None = None,
) -> Iterator[Connection]:
    """Open a tunnel to Jupyter on a machine's loopback, and close it at the end.

    Args:
        remote_port: where Jupyter listens on the machine's 127.0.0.1.
        token_file: Jupyter's token on the machine, relative to the user's home.
        local_port: the port on this computer; None takes a free one.
        wait: seconds to wait for Jupyter to answer once the tunnel stands.
        warn: is told what the machine's watch says, that it will stop, as soon as it does.

    Raises:
        CatDogError: the machine, the token or Jupyter cannot be reached, or Jupyter refuses the
            token. What is printed or raised never holds the token.
    """
    token = read_token(machine, token_file)
    with forward(machine, remote_port, local_port, warn=warn) as (process, local):
        connection = Connection(f"http://127.0.0.1:{local}", token, machine, process)
        wait_for_jupyter(connection, wait)
        yield connection


def read_token(machine: Machine, token_file: str = TOKEN_FILE) -> str:
    """Read Jupyter's token from a file of the machine.

    Raises:
        CatDogError: the machine cannot be reached, or the file is missing or empty.
    """
    token = machine.run(["cat", "--", token_file]).strip()
    if not token or len(token.split()) != 1:
        raise CatDogError(f"on {machine.host}, {token_file} does not hold one token.")
    return token


@contextlib.contextmanager
def forward(
    machine: Machine,
    remote_port: int,
    local_port: int | None = None,
    wait: float = 60,
    warn: Callable[[str], object] | None = None,
) -> Iterator[tuple[subprocess.Popen, int]]:
    """Forward a port of this computer's loopback to one of the machine's, until the end.

    Yields the ssh process and the local port. The same ssh reads the machine's warnings.
    """
    _need("ssh")
    local = local_port or free_port()
    if _listens(local):
        raise CatDogError(f"port {local} of this computer is taken: name another.")
    line = [
        *machine.command(),
        *("-o", "ExitOnForwardFailure=yes", "-T"),
        *("-L", f"127.0.0.1:{local}:127.0.0.1:{remote_port}", machine.destination),
        f"exec tail -q -n 0 -F {WARNINGS} 2>/dev/null",
    ]
    with tempfile.TemporaryFile("w+") as said:
        # a session of its own: Ctrl-C ends the work above, which then closes the tunnel
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=os.name == "posix",
        )
        threading.Thread(target=_pass_on, args=(process.stdout, warn), daemon=True).start()
        try:
            deadline = time.monotonic() + wait
            while not _listens(local):
                if process.poll() is not None:
                    said.seek(0)
                    raise machine.error(said.read())
                if time.monotonic() > deadline:
                    raise CatDogError(f"{machine.host}: no tunnel within {wait:.0f} s.")
                time.sleep(0.05)
            yield process, local
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _pass_on(lines: IO[str], warn: Callable[[str], object] | None) -> None:
    with lines:
        for line in lines:
            if warn:
                warn(line.strip())


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_for_jupyter(connection: Connection, wait: float) -> None:
    """Wait until Jupyter answers through the tunnel and accepts the token.

    Raises:
        CatDogError: the tunnel breaks, Jupyter does not answer in `wait` seconds, or it refuses.
    """
    deadline = time.monotonic() + wait
    host, session = connection.machine.host, connection.session()
    while True:
        with contextlib.suppress(requests.RequestException):
            answer = session.get(f"{connection.url}/api/status", timeout=10, allow_redirects=False)
            if answer.status_code == 200:
                return
            if answer.status_code in (302, 401, 403):
                raise CatDogError(
                    f"Jupyter on {host} refused its token (HTTP {answer.status_code}). Was it "
                    "restarted with another one?"
                )
        if not connection.alive():
            raise CatDogError(f"the tunnel to {host} broke. Run again to reconnect.")
        if time.monotonic() > deadline:
            raise CatDogError(
                f"the tunnel to {host} stands, but no Jupyter answers behind it within "
                f"{wait:.0f} s."
            )
        time.sleep(0.2)
