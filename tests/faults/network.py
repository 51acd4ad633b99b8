"""Servers that break off, drip, hang, lie or lead astray: downloads, and photos from an address."""

import hashlib
import socketserver
import threading
import time
from contextlib import contextmanager

from pictures import jpeg
from servers import Server

from faults import small
from faults.photos import predict
from faults.place import Place, Seen, called
from faults.registry import fault

BLOB = bytes(range(256)) * 8000
SHA256 = hashlib.sha256(BLOB).hexdigest()
END = b"Connection: close\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
URL = "http://127.0.0.1:PORT/x.zip"
KEPT = "Is this computer online? What has come so far is kept; run again to go on."


class _Answers(socketserver.StreamRequestHandler):
    """Sends what the server has for a path: bytes, and seconds to wait."""

    def handle(self):
        path = self.rfile.readline().split(b" ")[1].decode()
        while self.rfile.readline().strip():
            pass
        try:
            for piece in self.server.answers[path]:
                if isinstance(piece, bytes):
                    self.wfile.write(piece)
                else:
                    time.sleep(piece)
        except OSError:
            pass  # the other side has hung up


@contextmanager
def answering(*pieces: bytes | float, path: str = "/x.zip"):
    """Run a server that sends just these pieces, whatever HTTP says; gives its address."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answers) as server:
        server.daemon_threads, server.answers = True, {path: pieces}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}{path}"
        server.shutdown()


@contextmanager
def file_server(**files: bytes):
    with Server() as server:
        server.files = {name.replace("_", "."): blob for name, blob in files.items()}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def download(place: Place, url: str, **constants: float) -> Seen:
    """Download to x.zip, which is there only if it is what was expected."""
    seen = place.call(small.downloaded, url, "x.zip", SHA256, **constants)
    path = place.path / "x.zip"
    assert path.exists() == (seen.code == 0)
    assert not path.exists() or path.read_bytes() == BLOB
    return seen


@fault("download-breaks-off", "a server that breaks off every 500,000 bytes", "x.zip", 0)
def _(place: Place) -> Seen:
    with file_server(x_zip=BLOB) as server:
        server.break_after = 500_000
        seen = download(place, f"{server.url}/x.zip")
        starts = [start for _, start in server.requests]
        assert starts == sorted(starts) and starts[-1] > 1_000_000
    return seen


@fault(
    "download-no-ranges",
    "a server that breaks off and cannot go on; then one that can",
    f"{URL} could not be downloaded (…). {KEPT}",
)
def _(place: Place) -> Seen:
    with file_server(x_zip=BLOB) as server:
        server.break_after, server.ranges = 0, False
        seen = download(place, f"{server.url}/x.zip")
        server.break_after = None
        assert download(place, f"{server.url}/x.zip").code == 0
    return seen


@fault("download-drips", "a server that drips, 30 bytes at a time", "x.zip", 0)
def _(place: Place) -> Seen:
    pieces: list[bytes | float] = [OK, b"Content-Length: %d\r\n\r\n" % len(BLOB)]
    for at in range(0, 600, 30):
        pieces += [BLOB[at : at + 30], 0.02]
    with answering(*pieces, BLOB[600:]) as url:
        return download(place, url, TIMEOUT=0.4)


@fault(
    "download-hangs",
    "a server that says nothing more after 100 bytes",
    f"{URL} could not be downloaded (ConnectionError). {KEPT}",
)
def _(place: Place) -> Seen:
    with answering(OK, b"Content-Length: 5000\r\n\r\n", BLOB[:100], 20) as url:
        return download(place, url, TIMEOUT=0.1)


@fault(
    "download-says-nothing",
    "a server that takes the call and never answers",
    f"{URL} could not be downloaded (ReadTimeout). {KEPT}",
)
def _(place: Place) -> Seen:
    with answering(20) as url:
        return download(place, url, TIMEOUT=0.1)


@fault(
    "download-lies-longer",
    "a server that promises more than it has, each time anew",
    f"{URL} could not be downloaded (…). {KEPT}",
)
def _(place: Place) -> Seen:
    with answering(OK, b"Content-Length: 3000000\r\n\r\n", BLOB) as url:
        return download(place, url)


WRONG = (
    f"{URL} sent another file than expected (SHA-256 …, not {SHA256[:12]}…). It is at x.zip.wrong; "
    "it was not used. Run again to download it anew."
)


@fault("download-lies-shorter", "a server that promises less than it sends", WRONG)
def _(place: Place) -> Seen:
    with answering(OK, b"Content-Length: 1000\r\n\r\n", BLOB) as url:
        return download(place, url)


@fault("download-page", "a web page instead of the archive", WRONG)
def _(place: Place) -> Seen:
    page = b"<!doctype html><title>Sign in</title>"
    with answering(OK, b"Content-Type: text/html\r\n\r\n", page) as url:
        return download(place, url)


@fault("download-part-of-another", "a longer .part of something else; then again", WRONG)
def _(place: Place) -> Seen:
    (place.path / "x.zip.part").write_bytes(b"x" * (len(BLOB) + 1))
    with file_server(x_zip=BLOB) as server:
        seen = download(place, f"{server.url}/x.zip")
        assert (place.path / "x.zip.wrong").read_bytes()[:3] == b"xxx"
        assert download(place, f"{server.url}/x.zip").code == 0
    return seen


@fault(
    "download-mine",
    "a file of the reader's where the archive would go",
    "mine/x.zip is there but is not the file expected (its SHA-256 differs). Move it away, then "
    "run again.",
)
def _(place: Place) -> Seen:
    place.put("x.zip", b"mine")
    with file_server(x_zip=BLOB) as server:
        seen = place.call(small.downloaded, f"{server.url}/x.zip", "mine/x.zip", SHA256)
        assert not server.requests
    return seen


@fault(
    "download-404",
    "a server without the file",
    f"{URL} was refused (HTTP 404). The file may have moved: see the sources in data/README.md for "
    "others.",
)
def _(place: Place) -> Seen:
    with file_server() as server:
        return download(place, f"{server.url}/x.zip")


@fault(
    "download-500",
    "a server in trouble",
    f"{URL} could not be downloaded (HTTPError). {KEPT}",
)
def _(place: Place) -> Seen:
    with answering(b"HTTP/1.1 503 Busy\r\n" + END) as url:
        return download(place, url)


@fault(
    "download-circle",
    "a server that redirects for ever",
    f"{URL} could not be downloaded (TooManyRedirects). {KEPT}",
)
def _(place: Place) -> Seen:
    away = b"HTTP/1.1 302 Found\r\nLocation: /x.zip\r\n" + END
    with answering(away) as url:
        return download(place, url)


@fault(
    "download-no-http",
    "a server that speaks no HTTP",
    f"{URL} could not be downloaded (ConnectionError). {KEPT}",
)
def _(place: Place) -> Seen:
    with answering(b"SSH-2.0-OpenSSH_9.6\r\n") as url:
        return download(place, url)


@fault(
    "download-closed-port",
    "a port at which nobody listens",
    f"{URL} could not be downloaded (ConnectionError). {KEPT}",
)
def _(place: Place) -> Seen:
    return download(place, "http://127.0.0.1:9/x.zip")


@fault(
    "download-no-name",
    "a server's name that nobody knows",
    f"http://nowhere.invalid/x.zip could not be downloaded (ConnectionError). {KEPT}",
)
def _(place: Place) -> Seen:
    return download(place, "http://nowhere.invalid/x.zip")


@fault("download-twice", "two programs that download the same at once", "x.zip", 0)
def _(place: Place) -> Seen:
    with file_server(x_zip=BLOB) as server:
        server.delay = 0.02
        given = small.downloaded, (f"{server.url}/x.zip", "x.zip", SHA256), {}
        both = [place.start(called, *given) for _ in range(2)]
        first, second = (program.seen() for program in both)
        assert [start for _, start in server.requests] == [0]
    assert (first.code, first.out) == (0, second.out)
    return second


ADDRESS = "catdog: http://127.0.0.1:PORT/a.jpg"
ONLINE = "Is the address right, and this computer online?"
PHOTOS: dict[str, tuple[str, tuple[bytes | float, ...], str]] = {  # id: what, the answer, why
    "address-404": (
        "an address of no photo",
        (b"HTTP/1.1 404 Not Found\r\n" + END,),
        "answers 404 Not Found.",
    ),
    "address-page": (
        "an address of a page",
        (OK, b"Content-Type: image/jpeg\r\n\r\n<!doctype html>"),
        "is no photo that can be read (JPEG, PNG, WebP…).",
    ),
    "address-21-mb": (
        "an address of 21 MB that says no length",
        (OK, b"\r\n", bytes(21 * 2**20)),
        "is larger than 20 MB: no photo is read.",
    ),
    "address-cut-off": (
        "an address that breaks off half way",
        (OK, b"Content-Length: 5000\r\n\r\n", jpeg(1)[:300]),
        "could not be reached (…). " + ONLINE,
    ),
    "address-circle": (
        "an address that redirects for ever",
        (b"HTTP/1.1 302 Found\r\nLocation: /a.jpg\r\n" + END,),
        "redirects more than 5 times.",
    ),
    "address-no-http": (
        "an address that speaks no HTTP",
        (b"SSH-2.0-OpenSSH_9.6\r\n",),
        "could not be reached (ConnectionError). " + ONLINE,
    ),
}


def _answered(pieces: tuple[bytes | float, ...]):
    """Return how to ask about a photo behind an address that sends these pieces."""

    def inject(place: Place) -> Seen:
        with answering(*pieces, path="/a.jpg") as address:
            return predict(place, address)

    return inject


for id, (what, pieces, why) in PHOTOS.items():
    fault(id, what, f"{ADDRESS} {why}")(_answered(pieces))


@fault(
    "address-to-a-file",
    "an address that redirects to a file of the reader's",
    "catdog: file:///etc/passwd: only addresses that begin with http:// or https:// are read. Name "
    "a file by its path.",
)
def _(place: Place) -> Seen:
    away = b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n" + END
    with answering(away, path="/a.jpg") as address:
        return predict(place, address)


@fault(
    "address-closed-port",
    "an address at which nobody listens, with a password in it",
    f"{ADDRESS} could not be reached (ConnectionError). {ONLINE}",
)
def _(place: Place) -> Seen:
    return predict(place, "http://me:secret@127.0.0.1:9/a.jpg")


@fault(
    "address-no-name",
    "an address whose name nobody knows",
    f"catdog: http://nowhere.invalid/a.jpg could not be reached (ConnectionError). {ONLINE}",
)
def _(place: Place) -> Seen:
    return predict(place, "http://nowhere.invalid/a.jpg")
