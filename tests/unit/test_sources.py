import hashlib
import http.server
import json
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import download, manifests


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` with ranges as a file server does, and breaks off when told to."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests = {}, []
        self.break_after = None  # bytes that one answer may send
        self.delay = 0.0
        self.ranges = True
        self.token, self.accepted = "a-token", True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        name = self.path.split("?")[0].split("/")[-1]
        start = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(start[1]) if start and self.server.ranges else 0
        self.server.requests.append((name, start))
        if name not in self.server.files:
            return self.send_error(404)
        blob = self.server.files[name]
        if start and start >= len(blob):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(blob) - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Tue, 01 Jan 2013 00:00:00 GMT")
        self.end_headers()
        part = blob[start:]
        if self.server.break_after is not None:
            part = part[: self.server.break_after]
        for i in range(0, len(part), 65536):
            self.wfile.write(part[i : i + 65536])
            time.sleep(self.server.delay)

    def answer(self, code, payload):
        body = json.dumps(payload).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        """The two calls of Kaggle's API that a download makes."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        self.server.requests.append((self.path, body))
        if self.path.endswith("/IntrospectToken"):
            good = body.get("token") == self.server.token
            return self.answer(200, {"active": good, "username": "reader" if good else ""})
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.answer(401, {"code": 401, "message": "Unauthenticated"})
        if not self.server.accepted:
            return self.answer(403, {"code": 403, "message": "You must accept the rules"})
        self.send_response(302)
        self.send_header("Location", f"{self.server.url}/storage/{body['fileName']}?signed=1")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def server():
    with Server() as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield one
        one.shutdown()


@pytest.fixture
def pet_images(photos, make_zip):
    """Microsoft's archive in small: 40 photos, two of them broken, and its other files."""
    files = {"readme[1].txt": b"text", "PetImages/Cat/Thumbs.db": b"x"}
    for name, blob in photos.items():
        label, number = name.removeprefix("train/").split(".")[:2]
        files[f"PetImages/{label.title()}/{number}.jpg"] = blob
    files["PetImages/Cat/0.jpg"] = b""
    files["PetImages/Dog/7.jpg"] = files["PetImages/Dog/7.jpg"][:200]
    return make_zip(files, "pets.zip").read_bytes()


def test_microsoft_archive_is_downloaded_checked_and_organized(server, pet_images, tmp_path):
    server.files["pets.zip"] = pet_images
    given = dict(
        url=server.url + "/pets.zip",
        sha256=hashlib.sha256(pet_images).hexdigest(),
        ratio=0.5,
        progress=False,
    )
    folder = download.microsoft(tmp_path, **given)
    assert {f["file"] for f in manifests.metadata(folder)["set_aside"]} == {
        "cat.0.jpg",
        "dog.7.jpg",
    }
    assert len(manifests.read(folder)) == 38
    assert download.microsoft(tmp_path, **given) == folder
    assert len(server.requests) == 1  # nothing is downloaded twice


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_connection_is_resumed(server, tmp_path, ranges):
    blob = bytes(range(256)) * 8000
    server.files["x.zip"], server.break_after, server.ranges = blob, 500_000, ranges
    get = (server.url + "/x.zip", tmp_path / "x.zip", hashlib.sha256(blob).hexdigest())
    if ranges:
        assert download.download(*get, progress=False).read_bytes() == blob
        starts = [start for _, start in server.requests]
        assert starts == sorted(starts) and starts[-1] > 1_000_000
        return
    # a server that cannot resume starts over each time: it must end with an error, not for ever
    with pytest.raises(CatDogError, match="run again to go on"):
        server.break_after = 0
        download.download(*get, attempts=2, progress=False)
    server.break_after = None
    assert download.download(*get, progress=False).read_bytes() == blob


def test_killed_downloads_lose_nothing(server, tmp_path):
    blob = bytes(range(256)) * 16000
    server.files["x.zip"], server.delay = blob, 0.01
    sha = hashlib.sha256(blob).hexdigest()
    path = tmp_path / "x.zip"
    part = tmp_path / "x.zip.part"
    code = (
        "from catdog.data import download; "
        f"download.download({server.url + '/x.zip'!r}, {str(path)!r}, {sha!r}, progress=False)"
    )
    have = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if part.exists() and part.stat().st_size > have + 600_000:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not path.exists()
        assert part.stat().st_size > have
        have = part.stat().st_size
    server.delay = 0
    assert download.download(f"{server.url}/x.zip", path, sha, progress=False).read_bytes() == blob
    assert server.requests[-1][1] >= have


def test_wrong_checksum_is_refused_and_kept_apart(server, tmp_path):
    server.files["x.zip"] = b"something else"
    with pytest.raises(CatDogError, match="another file than expected"):
        download.download(server.url + "/x.zip", tmp_path / "x.zip", "0" * 64, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip.wrong"]


def test_existing_file_of_the_readers_is_not_overwritten(server, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"mine")
    with pytest.raises(CatDogError, match="Move it away"):
        download.download(server.url + "/x.zip", tmp_path / "x.zip", "0" * 64, progress=False)
    assert (tmp_path / "x.zip").read_bytes() == b"mine"
    assert not server.requests


@pytest.mark.parametrize("path", ["missing.zip"])
def test_refused_by_the_server(server, tmp_path, path):
    with pytest.raises(CatDogError, match="HTTP 404"):
        download.download(f"{server.url}/{path}", tmp_path / "x.zip", "0" * 64, progress=False)


def test_no_network(tmp_path):
    with pytest.raises(CatDogError, match="online"):
        download.download("http://127.0.0.1:9/x.zip", tmp_path / "x", "0" * 64, 1, progress=False)


def test_full_disk(server, tmp_path, monkeypatch):
    server.files["x.zip"] = b"x" * 1000

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(CatDogError, match="No space left on device.*Make room"):
        download.download(server.url + "/x.zip", tmp_path / "x.zip", "0" * 64, progress=False)


@pytest.fixture
def kaggle(server, photos, make_zip, monkeypatch, tmp_path):
    """Kaggle's client talks to the local server, in an empty home directory."""
    import kagglesdk.kaggle_env as env

    monkeypatch.setitem(env._env_to_endpoint, env.KaggleEnv.PROD, server.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    photos["train/padding.bin"] = bytes(range(256)) * 16000
    server.files["train.zip"] = make_zip(photos).read_bytes()
    server.files["test1.zip"] = make_zip({"test1/1.jpg": b"1"}, "test1.zip").read_bytes()
    return server


def test_kaggle_with_a_token(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    folder = download.kaggle(tmp_path / "data", progress=False)
    assert len(manifests.read(folder)) == 40
    assert zipfile.is_zipfile(tmp_path / "data/downloads/kaggle/test1.zip")
    before = len(kaggle.requests)
    download.kaggle(tmp_path / "data", progress=False)
    assert not [r for r in kaggle.requests[before:] if "Download" in r[0]]


def test_kaggle_resumes_a_broken_connection(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the client waits between its attempts
    kaggle.break_after = 2_500_000  # the client writes whole mebibytes
    assert len(manifests.read(download.kaggle(tmp_path / "data", progress=False))) == 40
    assert [start for name, start in kaggle.requests if name == "train.zip"][-1] > 0


@pytest.mark.parametrize("token", [None, "a wrong token"])
def test_kaggle_without_a_valid_token_explains_how_to_get_one(
    kaggle, tmp_path, monkeypatch, capsys, token
):
    if token:
        monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    assert main(["data", "kaggle", "--root", str(tmp_path / "data")]) == 1
    said = capsys.readouterr().err
    assert "Generate New Token" in said and "access_token" in said
    assert token is None or token not in said
    assert not (tmp_path / "data").exists()


def test_kaggle_rules_not_accepted(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    kaggle.accepted = False
    with pytest.raises(CatDogError, match="accept the rules"):
        download.kaggle(tmp_path / "data", progress=False)
