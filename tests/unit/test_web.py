"""`catdog predict ADDRESS`, against a server on this computer."""

import contextlib
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pictures import jpeg

from catdog import CatDogError
from catdog.inference import folders, prediction, web

on_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has all of 127.0.0.0/8"
)


def drip(send, seconds=10):
    """A byte in a tenth of a second."""
    with contextlib.suppress(OSError):
        for _ in range(10 * seconds):
            send(b"x")
            time.sleep(0.1)


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
            drip(self.wfile.write)
            return
        self.wfile.write(body.get(where, b""))

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(handler, host="127.0.0.1", port=0, context=None):
    with ThreadingHTTPServer((host, port), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def address():
    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_photo_behind_an_address_and_behind_a_redirect(address):
    assert web.fetch(f"{address}/cat.jpg") == jpeg(1)
    assert web.fetch(f"{address}/to//cat.jpg?x=1") == jpeg(1)
    assert prediction.read_photo(f"{address}/cat.jpg", 16).shape == (16, 16, 3)
    assert list(folders.photos_in([f"{address}/cat.jpg"])) == [f"{address}/cat.jpg"]


@pytest.mark.parametrize(
    "path, said",
    [
        ("/none.jpg", "answers 404"),
        ("/big", "larger than 0.19 MB"),
        ("/slow", "took longer than 1.5 s"),
        ("/to//to//to//to//to//to//to//cat.jpg", "redirects more than 5"),
        ("/to/file:///etc/hostname", "only addresses that begin with http"),
        ("/to/ftp://example.org/cat.jpg", "only addresses that begin with http"),
    ],
)
def test_what_is_refused(address, path, said):
    started = time.monotonic()
    with pytest.raises(CatDogError, match=said):
        web.fetch(address + path, max_bytes=200_000, timeout=1.5)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "scheme, first",
    [
        ("http", b""),
        ("http", b"HTTP/1.1 20"),
        ("http", b"HTTP/1.1 200 OK\r\nX-Header: "),
        ("https", b"\x16\x03\x03\x40\0"),  # a handshake's head, which promises 16 kB
    ],
    ids=["nothing", "status", "header", "handshake"],
)
def test_the_timeout_holds_for_what_drips_before_the_body(scheme, first):
    """Each byte begins the timeout of the socket anew."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connected, _ = server.accept()
            with connected:
                connected.sendall(first)
                drip(connected.sendall)

        dripping = threading.Thread(target=answer)
        dripping.start()
        started = time.monotonic()
        with pytest.raises(CatDogError, match="took longer than 1 s. Try again later"):
            web.fetch(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/cat.jpg", timeout=1)
        assert time.monotonic() - started < 2
        dripping.join(5)
        assert not dripping.is_alive()  # the line is cut


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
    monkeypatch.setattr(web, "_private", lambda asked: "127.0.0.1" not in asked)  # that is outside
    Handler.asked.clear()
    inside = address.replace("127.0.0.1", "localhost")
    with pytest.raises(CatDogError, match="redirects into your own network"):
        web.fetch(f"{address}/to/{inside}/cat.jpg")
    assert [path for path, _ in Handler.asked] == [f"/to/{inside}/cat.jpg"]


@pytest.fixture
def names(monkeypatch):
    """Names of this test, each with the addresses that its look-ups give, one after the other."""
    known, look_up = {}, socket.getaddrinfo

    def looked_up(host, *args, **kwargs):
        if host in known:
            host = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return known


@on_linux
def test_where_a_redirect_leads_is_what_was_checked(address, names, monkeypatch):
    """A name whose look-ups say first outside, then inside."""
    monkeypatch.setattr(web, "_inside", lambda number: number == "127.0.0.1")
    port = int(address.rpartition(":")[2])
    names["photos.test"] = ["127.0.0.2"]
    names["rebinding.test"] = ["127.0.0.2", "127.0.0.1"]
    Handler.asked.clear()
    with serving(Handler, "127.0.0.2", port):
        path = f"/to/http://rebinding.test:{port}/cat.jpg"
        with pytest.raises(CatDogError, match="redirects into your own network, to http://reb"):
            web.fetch(f"http://photos.test:{port}{path}")
        assert [asked for asked, _ in Handler.asked] == [path]

        names["rebinding.test"] = ["127.0.0.2", "127.0.0.1"]  # outside when it redirects
        inside = f"/to/{address}/cat.jpg"
        with pytest.raises(CatDogError, match="redirects into your own network, to http://127"):
            web.fetch(f"http://rebinding.test:{port}{inside}")

        names["rebinding.test"] = ["127.0.0.2"]
        assert web.fetch(f"http://photos.test:{port}{path}") == jpeg(1)
        assert web.fetch(f"{address}{inside}") == jpeg(1)


@on_linux
def test_the_second_address_of_a_name_is_tried(address, names, monkeypatch):
    look_up = socket.getaddrinfo

    def both(host, *args, **kwargs):
        hosts = ("127.0.0.3", "127.0.0.1") if host == "photos.test" else (host,)
        return [found for host in hosts for found in look_up(host, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert web.fetch(address.replace("127.0.0.1", "photos.test") + "/cat.jpg") == jpeg(1)


class Proxy(Handler):
    """Knows photos.test, and a tunnel to it for TLS."""

    def do_GET(self):
        self.path = self.path.removeprefix("http://photos.test")
        super().do_GET()

    def do_CONNECT(self):
        self.asked.append((self.path, None))
        port = int(self.path.removeprefix("photos.test:"))
        with socket.create_connection(("127.0.0.1", port)) as target:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=self.relay, args=(target, self.connection))
            back.start()
            self.relay(self.connection, target)
            back.join()

    @staticmethod
    def relay(source, target):
        with contextlib.suppress(OSError):
            while part := source.recv(2**16):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)


def test_a_proxy_in_the_own_network_is_used_and_looks_names_up(monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(Proxy) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert web.fetch("http://photos.test/cat.jpg") == jpeg(1)
        assert web.fetch("http://photos.test/to/http://photos.test/cat.jpg") == jpeg(1)
        with pytest.raises(CatDogError, match="redirects into your own network"):
            web.fetch("http://photos.test/to/http://localhost/cat.jpg")
        started = time.monotonic()
        with pytest.raises(CatDogError, match="took longer than 1 s"):
            web.fetch("http://photos.test/slow", timeout=1)
        assert time.monotonic() - started < 2


def certificate(name, folder):
    """A file with a key, and a certificate for a name, signed by itself."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    made = made.add_extension(x509.BasicConstraints(True, None), True)
    pem = serialization.Encoding.PEM
    whole = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + made.sign(key, hashes.SHA256()).public_bytes(pem)
    (folder / "server.pem").write_bytes(whole)
    return folder / "server.pem"


def test_a_certificate_must_be_for_the_name_not_for_the_address(names, monkeypatch, tmp_path):
    file = certificate("photos.test", tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    context, asked = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    context.load_cert_chain(file)
    context.sni_callback = lambda _, name, __: asked.append(name)
    names["photos.test"] = names["other.test"] = ["127.0.0.1"]
    with serving(Handler, context=context) as port, serving(Proxy) as proxy:
        assert web.fetch(f"https://photos.test:{port}/cat.jpg") == jpeg(1)
        with pytest.raises(CatDogError, match="SSLError"):
            web.fetch(f"https://other.test:{port}/cat.jpg")
        assert asked == ["photos.test", "other.test"]
        started = time.monotonic()
        with pytest.raises(CatDogError, match="took longer than 1 s"):
            web.fetch(f"https://photos.test:{port}/slow", timeout=1)
        assert time.monotonic() - started < 2
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy}")
        Handler.asked.clear()
        names["photos.test"] = ["192.0.2.1"]  # nobody is there: the proxy must be asked
        assert web.fetch(f"https://photos.test:{port}/cat.jpg", timeout=5) == jpeg(1)
        assert [path for path, _ in Handler.asked] == [f"photos.test:{port}", "/cat.jpg"]


@pytest.mark.parametrize(
    "host, private",
    [("127.0.0.1", True), ("10.1.2.3", True), ("169.254.169.254", True), ("8.8.8.8", False)]
    + [("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True), ("2001:4860::1", False)],
)
def test_what_is_inside(host, private):
    host = f"[{host}]" if ":" in host else host
    assert web._private(f"http://{host}:8000/cat.jpg") is private


def test_paths_are_no_addresses():
    for path in ("C:\\photos\\cat.jpg", "cat.jpg", "a//b.jpg", "/x/http:/y"):
        assert not web.is_address(path)
