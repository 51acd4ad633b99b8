"""`catdog predict ADDRESS`, against a server on this computer."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pictures import jpeg

from catdog import CatDogError
from catdog.inference import prediction, web


class Handler(BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Authorization")))
        where = self.path.split("?")[0]
        if where.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        body = {"/cat.jpg": jpeg(1), "/page": b"<html>no photo</html>", "/big": b"x" * 300_000}
        self.send_response(200 if where in body or where == "/slow" else 404)
        self.end_headers()
        if where == "/slow":
            for _ in range(40):
                try:
                    self.wfile.write(b"x")
                except OSError:
                    return
                time.sleep(0.1)
        self.wfile.write(body.get(where, b""))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_photo_behind_an_address_and_behind_a_redirect(address):
    assert web.fetch(f"{address}/cat.jpg") == jpeg(1)
    assert web.fetch(f"{address}/to//cat.jpg?x=1") == jpeg(1)
    assert prediction.read_photo(f"{address}/cat.jpg", 16).shape == (16, 16, 3)
    assert list(prediction.photos_in([f"{address}/cat.jpg"])) == [f"{address}/cat.jpg"]


@pytest.mark.parametrize(
    "path, said",
    [
        ("/none.jpg", "answers 404"),
        ("/big", "larger than 0.19 MB"),
        ("/slow", "did not answer within|took longer than"),
        ("/to//to//to//to//to//to//to//cat.jpg", "redirects more than 5"),
        ("/to/file:///etc/hostname", "only addresses that begin with http"),
        ("/to/ftp://example.org/cat.jpg", "only addresses that begin with http"),
    ],
)
def test_what_is_refused(address, path, said):
    started = time.monotonic()
    with pytest.raises(CatDogError, match=said):
        web.fetch(address + path, max_bytes=200_000, timeout=1.5)
    assert time.monotonic() - started < 10


def test_what_is_no_photo_is_found_out_by_decoding(address):
    with pytest.raises(CatDogError, match="is no photo that can be read"):
        prediction.read_photo(f"{address}/page", 16)


@pytest.mark.parametrize("bad", ["ftp://a/cat.jpg", "file:///cat.jpg", "http://", "http://[::1/x"])
def test_bad_addresses(bad):
    with pytest.raises(CatDogError):
        web.fetch(bad, timeout=2)


def test_nobody_there_and_no_password_in_the_message():
    with pytest.raises(CatDogError, match="http://127.0.0.1:9/cat.jpg could not be reached") as e:
        web.fetch("http://me:secret@127.0.0.1:9/cat.jpg", timeout=2)
    assert "secret" not in str(e.value)


def test_a_redirect_from_outside_into_the_own_network_is_refused(address, monkeypatch):
    monkeypatch.setattr(web, "_private", lambda host: host != "127.0.0.1")  # 127.0.0.1 is outside
    Handler.asked.clear()
    inside = address.replace("127.0.0.1", "localhost")
    with pytest.raises(CatDogError, match="redirects into your own network"):
        web.fetch(f"{address}/to/{inside}/cat.jpg")
    assert [path for path, _ in Handler.asked] == [f"/to/{inside}/cat.jpg"]


@pytest.mark.parametrize(
    "host, private",
    [("127.0.0.1", True), ("10.1.2.3", True), ("169.254.169.254", True), ("8.8.8.8", False)]
    + [("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True), ("2001:4860::1", False)],
)
def test_what_is_inside(host, private):
    assert web._private(host) is private


def test_paths_are_no_addresses():
    for path in ("C:\\photos\\cat.jpg", "cat.jpg", "a//b.jpg", "/x/http:/y"):
        assert not web.is_address(path)
