"""Requests to `catdog serve` that a browser would not send. It answers each, and then a photo."""

import json
import socket
import tempfile
import time
from functools import cache
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from pictures import CAT, jpeg, of_size, saved

from faults.place import Place, Program, Seen, run_catdog
from faults.registry import fault

MB = 2**20
HANGS_UP = b""
UVICORN = "WARNING:  Invalid HTTP request received."


@cache
def _server(model: Path) -> tuple[Program, int]:
    """Start `catdog serve` once, until the tests end; return it with its port."""
    folder = tempfile.TemporaryDirectory()
    place = Place(Path(folder.name), model)
    place.folder = folder  # gone with the place
    program = place.start(run_catdog, "serve", "--port", "0", "--model", str(model))
    until = time.monotonic() + 60
    while "127.0.0.1:" not in (said := program.out.read_text() if program.out.exists() else ""):
        assert program.running() and time.monotonic() < until, program.err.read_text()
        time.sleep(0.02)
    return program, int(said.split("127.0.0.1:")[1].split()[0])


def ask(place: Place, *pieces: bytes) -> Seen:
    """Send raw bytes; return the status and the error.

    Afterwards the server must answer a photo, and its log must have no traceback.
    """
    program, port = _server(place.model)
    place.note()
    seen = _sent(port, pieces)
    assert _sent(port, [post(jpeg(1))]).code == 200
    assert set(program.err.read_text().splitlines()) <= {UVICORN}
    return seen


def _sent(port: int, pieces) -> Seen:
    with _line(port) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
            if pieces[-1] == HANGS_UP:
                line.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server has hung up; what it said before may still be read
        answer = HTTPResponse(line)
        try:
            answer.begin()
            body = answer.read()
        except (OSError, HTTPException):
            return Seen(0, "")
    try:
        found = json.loads(body)
        return Seen(answer.status, found.get("error") or found.get("detail") or found["label"])
    except ValueError:
        return Seen(answer.status, body.decode("utf-8", "replace"))


def _line(port: int) -> socket.socket:
    until = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:  # the address is shown a moment before it is listened at
            assert time.monotonic() < until
            time.sleep(0.01)


def post(body: bytes = b"", length: int | str | None = None, **headers: str | None) -> bytes:
    """A request for an answer, as bytes."""
    given = {"Host": "127.0.0.1", "Content-Length": len(body) if length is None else length}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value is not None)
    return f"POST /predict?heat=0 HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode() + body


NO_PHOTO = "This file is no photo that can be read (JPEG, PNG, WebP…)."
ELSEWHERE = "this server answers to 127.0.0.1 and localhost only."
NOT_ITS_PAGE = "only this server's own page may send photos."
LARGE = "This file has more than 20 MB."

REQUESTS = {  # id: what, the status, what is answered, how to make the pieces
    "serve-empty": ("no body", 400, "the photo is empty.", lambda: [post()]),
    "serve-text": ("text for a photo", 415, NO_PHOTO, lambda: [post(b"no photo")]),
    "serve-half": ("half a photo", 415, NO_PHOTO, lambda: [post(saved(CAT)[:9000])]),
    "serve-multipart": (
        "a form of parts",
        415,
        "send the photo itself as the body, as curl --data-binary does.",
        lambda: [post(jpeg(1), Content_Type="multipart/form-data; boundary=x")],
    ),
    "serve-bomb": (
        "a JPEG that claims 20,000×10,001 pixels",
        413,
        "This file has more than 200,000,000 pixels: make it smaller.",
        lambda: [post(of_size(20_000, 10_001, saved(CAT)))],
    ),
    "serve-21-mb": ("a body that says 21 MB", 413, LARGE, lambda: [post(length=21 * MB)]),
    "serve-chunked": (
        "a body in chunks without end",
        413,
        LARGE,
        lambda: [
            post(Transfer_Encoding="chunked", Content_Length=None),
            *[b"100000\r\n" + bytes(MB) + b"\r\n"] * 20,
            b"1\r\nx\r\n",
        ],
    ),
    "serve-broken-chunk": (
        "a chunk that says no length",
        400,
        "…",
        lambda: [post(Transfer_Encoding="chunked", Content_Length=None), b"zz\r\nabc\r\n"],
    ),
    "serve-rebinding": (
        "the name of another host (DNS rebinding)",
        421,
        ELSEWHERE,
        lambda: [post(jpeg(1), Host="evil.example")],
    ),
    "serve-almost-its-name": (
        "a host's name that begins like its own",
        421,
        ELSEWHERE,
        lambda: [post(jpeg(1), Host="127.0.0.1.evil.example:80")],
    ),
    "serve-other-page": (
        "another page's photo",
        403,
        NOT_ITS_PAGE,
        lambda: [post(jpeg(1), Origin="https://evil.example")],
    ),
    "serve-frame": (
        "the photo of a page without an origin",
        403,
        NOT_ITS_PAGE,
        lambda: [post(jpeg(1), Origin="null")],
    ),
    "serve-get": (
        "GET for a photo",
        405,
        "Method Not Allowed",
        lambda: [b"GET /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"],
    ),
    "serve-climbs": (
        "a path that climbs out",
        404,
        "Not Found",
        lambda: [b"GET /../serve.py HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"],
    ),
    "serve-headers": (
        "headers without end",
        400,
        "…",
        lambda: [post(X="x" * 70_000)[:-4]],
    ),
    "serve-no-http": ("what is no HTTP", 400, "…", lambda: [b"\x16\x03\x01\0\xa5\r\n\r\n"]),
    "serve-length": ("a length that is none", 400, "…", lambda: [post(length="many")]),
    "serve-negative": ("a length of -1", 400, "…", lambda: [post(length=-1)]),
    "serve-hangs-up": (
        "who hangs up amid a photo",
        0,
        "",
        lambda: [post(jpeg(1), length=5000), HANGS_UP],
    ),
}


def _asked(make):
    def inject(place: Place) -> Seen:
        return ask(place, *make())

    return inject


for id, (what, status, answer, make) in REQUESTS.items():
    fault(id, what, answer, status)(_asked(make))


@fault(
    "serve-port-taken",
    "a port that is taken",
    "catdog: port … cannot be used (Address already in use). Name another one: --port 8001, or "
    "--port 0 for any that is free; or leave --host out.",
)
def _(place: Place) -> Seen:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        return place.catdog("serve", "--port", port, "--model", place.model)
