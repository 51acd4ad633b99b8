"""A Jupyter server elsewhere: the calls of its API, over a line that is mended when it breaks."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import re
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
import websocket
from tqdm import tqdm

from catdog import CatDogError

DROPPED = (requests.RequestException, websocket.WebSocketException, ConnectionError, TimeoutError)
TIMEOUT = 20  # seconds for one answer
LOOPBACK = ("127.0.0.1", "localhost", "::1")
T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """A Jupyter server: its address, such as http://127.0.0.1:8888, and its token."""

    url: str
    token: str = field(repr=False)


def server(url: str, token_file: str | Path) -> Server:
    """Return the server at an address, with the token that a file holds.

    Raises:
        CatDogError: the address is none, or has the token in it; the file is missing or empty.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CatDogError("--url must be an address such as http://127.0.0.1:8888.")
    if "token=" in parts.query or parts.password:
        raise CatDogError(
            "a token in --url can be read by everyone on this computer, in its list of processes. "
            "Save it in a file, name that with --token-file, and leave it out of --url."
        )
    path = re.sub(r"/(lab|tree|notebooks)(/.*)?$", "", parts.path).rstrip("/")
    try:
        token = Path(token_file).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text file"
        raise CatDogError(f"the token file {token_file} could not be read: {why}.") from None
    if not token or len(token.split()) != 1:
        raise CatDogError(f"the token file {token_file} does not hold one token.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        print(
            f"catdog: the token travels to {parts.hostname} unencrypted; an https address or an "
            "SSH tunnel would be safer.",
            file=sys.stderr,
        )
    return Server(f"{parts.scheme}://{parts.netloc}{path}", token)


class Jupyter:
    """The few calls of a Jupyter server's API that are needed here.

    Every method raises one of DROPPED when the connection breaks or the server stumbles, and
    CatDogError when it refuses.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.header = f"Authorization: token {server.token}"
        self.session = requests.Session()
        # with an auth of its own, requests does not take a password from ~/.netrc in its place
        self.session.auth = self._authorize
        if urlsplit(server.url).hostname in LOOPBACK:
            self.session.trust_env = False  # no proxy between this computer and itself

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"token {self.server.token}"
        return request

    def call(self, method: str, path: str, **more: Any) -> requests.Response | None:
        """Send a request; return the answer, or None for 404, not found."""
        more = {"timeout": TIMEOUT, "allow_redirects": False, **more}
        answer = self.session.request(method, f"{self.server.url}/{quote(path)}", **more)
        code = answer.status_code
        if code in (401, 403) or 300 <= code < 400:
            raise CatDogError(
                f"the Jupyter at {self.server.url} refused the token (HTTP {code}). Was it "
                "restarted with another one?"
            )
        if code == 404:
            return None
        if code >= 500:
            raise requests.HTTPError(f"HTTP {code}")
        if code >= 400:
            raise CatDogError(f"the Jupyter at {self.server.url} refused {path} (HTTP {code}).")
        return answer

    def get(self, path: str, **params: Any) -> Any:
        """Return what JSON the server has there, or None."""
        answer = self.call("GET", path, params=params)
        try:
            return None if answer is None else answer.json()
        except ValueError:
            raise CatDogError(f"{self.server.url} is not a Jupyter server.") from None

    def list(self, folder: str) -> list[dict]:
        """Return what is in a folder of the server; an empty list if it is not there."""
        found = self.get(f"api/contents/{folder}", type="directory")
        return [] if found is None else found["content"]

    def text(self, path: str) -> str | None:
        """Return the text of a file of the server, or None."""
        found = self.get(f"api/contents/{path}", type="file", format="text", content=1)
        return None if found is None else found["content"]

    def write(self, path: str, text: str) -> None:
        """Write a small text file on the server."""
        model = {"type": "file", "format": "text", "content": text}
        self.call("PUT", f"api/contents/{path}", json=model)

    def kernel(self, id: str) -> str | None:
        """Return the state of a kernel, such as busy or idle; None if it is gone."""
        found = self.get(f"api/kernels/{id}")
        return None if found is None else found["execution_state"]

    def new_kernel(self, folder: str) -> str:
        """Start a kernel whose working directory is a folder of the server; return its id."""
        answer = self.call("POST", "api/kernels", json={"path": folder}, timeout=90)
        if answer is None:
            raise CatDogError(f"{self.server.url} is not a Jupyter server.")
        return answer.json()["id"]

    def end_kernel(self, id: str) -> None:
        self.call("DELETE", f"api/kernels/{id}", timeout=60)

    def interrupt(self, id: str) -> None:
        self.call("POST", f"api/kernels/{id}/interrupt")

    def execute(
        self, kernel: str, code: str, until: Callable[[], object], wait: float = 300
    ) -> None:
        """Have a kernel execute code; return when it has, or when `until()` is true.

        Raises:
            CatDogError: the code raised an error, or nothing came of it in `wait` seconds.
        """
        url = f"ws{self.server.url.removeprefix('http')}/api/kernels/{kernel}/channels"
        request = uuid.uuid4().hex
        message = {
            "channel": "shell",
            "header": {
                "msg_id": request,
                "msg_type": "execute_request",
                "username": "catdog",
                "session": uuid.uuid4().hex,
                "date": datetime.datetime.now(datetime.UTC).isoformat(),
                "version": "5.3",
            },
            "parent_header": {},
            "metadata": {},
            "content": {"code": code, "silent": False, "store_history": False},
            "buffers": [],
        }
        try:
            # the server opens the channel once the kernel has started, which takes its time
            line = websocket.create_connection(url, header=[self.header], timeout=wait)
            with contextlib.closing(line):
                line.send(json.dumps(message))
                self._follow(line, request, until, wait)
        except OSError as error:  # such as no route, or a name that is not known
            raise ConnectionError(str(error)) from error

    def _follow(
        self,
        line: websocket.WebSocket,
        request: str,
        until: Callable[[], object],
        wait: float,
    ) -> None:
        line.settimeout(1)
        deadline = time.monotonic() + wait
        while not until():
            if time.monotonic() > deadline:
                what = f"a kernel of {self.server.url}"
                raise CatDogError(f"{what} did not begin its work within {wait:.0f} s.")
            try:
                answer = json.loads(line.recv())
            except websocket.WebSocketTimeoutException:
                continue
            mine = answer.get("parent_header", {}).get("msg_id") == request
            if mine and answer["header"]["msg_type"] == "execute_reply":
                if answer["content"]["status"] == "ok":
                    return
                raise CatDogError(_explain(self.server.url, answer["content"]))

    def download(self, path: str, part: Path, bar: tqdm) -> str:
        """Bring a file of the server into `part`; return the SHA-256 of what came."""
        answer = self.call("GET", f"files/{path}", stream=True)
        if answer is None:
            raise CatDogError(f"{path} is no longer on the server.")
        digest = hashlib.sha256()
        with answer, open(part, "wb") as out:
            for chunk in answer.iter_content(2**18):
                out.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
        return digest.hexdigest()


def _explain(url: str, content: dict) -> str:
    kind, value = content.get("ename", "error"), content.get("evalue", "")
    if kind == "CatDogError":
        return f"{url}: {value}"
    if kind == "ModuleNotFoundError" and "'catdog" in value:
        return (
            f"the Python of the Jupyter at {url} has no catdog. Install the project there and "
            "start Jupyter from its .venv."
        )
    if kind in ("ImportError", "TypeError"):
        return f"the project at {url} is of another version: {value}. Update it there: git pull"
    return f"{url}: {kind}: {value}"


class Line:
    """A connection to a server that is made again whenever it breaks.

    Args:
        connect: opens it: returns a context manager that yields the `Server`.
        patience: seconds to go on trying once the connection is broken.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager], patience: float) -> None:
        self.connect, self.patience = connect, patience
        self.open, self.began = contextlib.ExitStack(), False
        self.jupyter: Jupyter | None = None

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        self.jupyter = None
        self.open.close()

    def _connected(self) -> Jupyter:
        if self.jupyter is None:
            try:
                jupyter = Jupyter(self.open.enter_context(self.connect()))
            except CatDogError as error:
                if not self.began:
                    raise
                raise ConnectionError(str(error)) from error
            if jupyter.get("api") is None:
                raise CatDogError(f"{jupyter.server.url} is not a Jupyter server.")
            self.jupyter = jupyter
        return self.jupyter

    def __call__(self, step: Callable[[Jupyter], T]) -> T:
        """Return step(jupyter); after a broken connection, do it again over a new one.

        Raises:
            CatDogError: there is no connection, or the step itself raised it.
        """
        deadline, pause = None, 0.5
        patience = self.patience if self.began else min(5, self.patience)
        while True:
            try:
                result = step(self._connected())
                self.began = True
                if deadline and patience == self.patience:
                    tqdm.write("connected again", file=sys.stderr)
                return result
            except DROPPED as error:
                self._close()
                what = type(error).__name__
                if deadline is None:
                    deadline = time.monotonic() + patience
                    if self.began:
                        tqdm.write(
                            f"the connection broke ({what}); the run goes on over there. "
                            f"Trying again for {patience:.0f} s …",
                            file=sys.stderr,
                        )
                if time.monotonic() + pause > deadline:
                    raise CatDogError(self._given_up(error)) from error
            time.sleep(pause)
            pause = min(2 * pause, 30)

    def _given_up(self, error: Exception) -> str:
        if self.began:
            return (
                "the connection did not come back. The run goes on as long as the server does: "
                "run the same command again to watch it."
            )
        return (
            f"the Jupyter server does not answer ({type(error).__name__}). Is it running, and is "
            "its address right?"
        )
