"""`catdog serve` under bad input and under load, over HTTP."""

import asyncio
import contextlib
import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import skimage.data
from PIL import Image

from catdog.core import paths
from catdog.inference import prediction, serve
from catdog.inference.classifier import Classifier
from catdog.models import saving


def jpeg(image=None, quality=90, **how) -> bytes:
    out = io.BytesIO()
    Image.fromarray(skimage.data.chelsea() if image is None else image).save(
        out, "JPEG", quality=quality, **how
    )
    return out.getvalue()


def test_the_answer_is_the_models(address):
    model = saving.load_model(paths.MODELS / "cat_dog_cnn.keras")
    wanted = prediction.predict(model, [prediction.read_photo(jpeg(), 150)])[0]
    found = httpx.post(f"{address}/predict", content=jpeg(), timeout=60)
    assert found.status_code == 200
    assert found.json()["label"] == "cat" and found.json()["dog"] == pytest.approx(wanted, abs=1e-5)
    assert found.json()["heat"] and found.json()["seconds"] > 0
    plain = httpx.post(f"{address}/predict?heat=0", content=jpeg(), timeout=60).json()
    assert plain["heat"] is None and plain["dog"] == pytest.approx(wanted, abs=1e-5)


def test_a_heat_map_that_fails_costs_no_answer_and_the_threshold_counts(monkeypatch):
    def broken(path):
        raise ValueError("Unable to import backend : theano")

    monkeypatch.setattr(serve, "_keras_heat", broken)
    classifier = Classifier(paths.MODELS / "cat_dog_cnn.keras", threshold=1e-9)
    with serve.running(classifier) as address:
        found = httpx.post(f"{address}/predict", content=jpeg(), timeout=60)
    assert found.status_code == 200 and found.json()["heat"] is None
    assert found.json()["label"] == found.json()["likelier"] == "dog" and found.json()["dog"] < 0.5


def many_pixels(kind="PNG", mode="1", side=12_000, **how) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (side, side)).save(out, kind, **how)
    return out.getvalue()


def many_scans() -> bytes:
    blob = jpeg(progressive=True)
    last = blob.rindex(b"\xff\xda")
    return blob[:-2] + blob[last:-2] * 400 + blob[-2:]


@pytest.mark.parametrize(
    "content, status, said",
    [
        (b"", 400, "empty"),
        (b"no photo", 415, "no photo that can be read"),
        (jpeg()[:4000], 415, "no photo that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "no photo that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "no photo that can be read"),
        (many_pixels(), 413, "more than 32,000,000 pixels"),
        (many_pixels("WEBP", "RGB", 4000, method=0), 413, "more than 15,000,000 pixels"),
        (many_scans(), 413, "more than 100 scans"),
        (b"x" * (serve.MAX_BYTES + 1), 413, "more than 20 MB"),
    ],
    ids=["empty", "text", "broken", "eps", "svg", "pixels", "webp", "scans", "bytes"],
)
def test_bad_photos(address, content, status, said):
    found = httpx.post(f"{address}/predict", content=content, timeout=60)
    assert found.status_code == status and said in found.json()["error"]
    assert httpx.post(f"{address}/predict?heat=0", content=jpeg(), timeout=60).status_code == 200


def test_a_body_that_does_not_say_its_length_is_stopped_at_the_limit(address):
    sent = 0

    def endless():
        nonlocal sent
        while sent < 10 * serve.MAX_BYTES:
            sent += 2**16
            yield b"x" * 2**16

    try:
        found = httpx.post(f"{address}/predict", content=endless(), timeout=60)
        assert found.status_code == 413
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        pass  # the server has hung up, as it should
    assert sent < 2 * serve.MAX_BYTES


def begun(address, sent=b"abc", length=5000):
    """An upload that has begun."""
    one = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=60)
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n"
    one.sendall(head.encode() + sent)
    return one


def test_who_hangs_up_or_dawdles_costs_the_others_nothing(address, monkeypatch):
    monkeypatch.setattr(serve, "PATIENCE", 3.0)
    slow = [begun(address) for _ in range(4 * serve.READING)]
    begun(address).close()
    done = threading.Event()

    def drip():
        while not done.wait(0.2):
            for one in slow:
                with contextlib.suppress(OSError):
                    one.sendall(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        started = time.perf_counter()
        found = httpx.post(f"{address}/predict?heat=0", content=jpeg(), timeout=60)
        assert found.status_code == 200 and time.perf_counter() - started < 2
        for one in slow:
            assert one.recv(200).startswith(b"HTTP/1.1 408")
        assert time.perf_counter() - started < 10
    finally:
        done.set()
        dripping.join()
        for one in slow:
            one.close()


def test_uploads_that_stall_do_not_fill_the_memory_or_lock_anyone_out(address, monkeypatch):
    monkeypatch.setattr(serve, "PATIENCE", 5.0)
    monkeypatch.setattr(serve, "HURRY", 0.5)
    monkeypatch.setattr(serve, "IN_FLIGHT", 400_000)
    stalled = [begun(address, bytes(200_000), 10**6) for _ in range(6)]
    begun_at = time.perf_counter()
    photos = [jpeg(quality=quality) for quality in range(80, 96)]
    with ThreadPoolExecutor(16) as pool:
        asked = [
            pool.submit(httpx.post, f"{address}/predict?heat=0", content=photo, timeout=120)
            for photo in photos
        ]
        assert [one.result().status_code for one in asked] == [200] * 16
    assert time.perf_counter() - begun_at < 15
    for one in stalled:
        assert one.recv(200).startswith(b"HTTP/1.1 408")
        one.close()
    assert httpx.post(f"{address}/predict?heat=0", content=jpeg(), timeout=60).status_code == 200


def test_a_large_photo_that_comes_slowly_but_steadily_is_read(address, monkeypatch):
    monkeypatch.setattr(serve, "PATIENCE", 1.0)
    monkeypatch.setattr(serve, "LEAST", 2**14)
    photo = jpeg(quality=98)
    assert len(photo) > 4 * 2**14

    def slowly():
        for at in range(0, len(photo), 2**14):
            time.sleep(0.5)
            yield photo[at : at + 2**14]

    found = httpx.post(f"{address}/predict?heat=0", content=slowly(), timeout=60)
    assert found.status_code == 200


def test_only_its_own_page_on_this_computer_may_ask(address):
    port = address.rpartition(":")[2]

    def post(**headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(
            f"{address}/predict?heat=0", content=jpeg(), headers=headers, timeout=60
        ).status_code

    assert post() == 200
    assert post(Origin=address) == 200
    assert post(Host=f"localhost:{port}", Origin=f"http://localhost:{port}") == 200
    assert post(Host="evil.example") == 421
    assert post(Host=f"127.0.0.1.evil.example:{port}") == 421
    assert post(Origin="https://evil.example") == 403
    assert post(Origin="null") == 403
    assert post(Sec_Fetch_Site="cross-site") == 403
    assert post(Content_Type="multipart/form-data; boundary=x") == 415
    page = httpx.get(address)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert httpx.get(f"{address}/docs").status_code == 404
    assert httpx.get(f"{address}/../cli.py").status_code == 404


def test_a_web_address_as_a_body_is_not_fetched(address):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(1)
        body = f"http://127.0.0.1:{other.getsockname()[1]}/cat.jpg".encode()
        assert httpx.post(f"{address}/predict", content=body, timeout=60).status_code == 415
        with pytest.raises(TimeoutError):
            other.accept()


WRITES = {"on": False, "seen": []}


def _audit(event, args):
    if WRITES["on"] and event == "open":
        path, mode, flags = args
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            WRITES["seen"].append((path, mode))


def test_no_file_is_written(address):
    """The server is in this process: whatever Python opens for writing is seen."""
    sys.addaudithook(_audit)
    photo = jpeg(np.random.default_rng(1).integers(0, 256, (1500, 2000, 3), dtype=np.uint8), 95)
    assert len(photo) > 2 * 2**20
    WRITES["on"] = True
    try:
        with open(os.devnull, "w"):
            pass
        found = httpx.post(f"{address}/predict", content=photo, timeout=60)
    finally:
        WRITES["on"] = False
    assert found.status_code == 200
    assert [path for path, _ in WRITES["seen"]] == [os.devnull]


def test_a_taken_port_is_explained(address, capfd):
    from catdog.cli.main import main

    port = address.rpartition(":")[2]
    model = str(paths.MODELS / "cat_dog_cnn.keras")
    assert main(["serve", "--port", port, "--model", model]) == 1
    assert "--port 0 for any" in capfd.readouterr().err
    assert main(["serve", "--port", "70000", "--model", model]) == 2
    assert "70000 is not in the range" in capfd.readouterr().err


@pytest.mark.parametrize(
    "host, address, names",
    [
        ("localhost", "127.0.0.1", {"127.0.0.1", "localhost"}),
        ("127.0.0.2", "127.0.0.2", {"127.0.0.1", "localhost", "127.0.0.2"}),
        ("0.0.0.0", "127.0.0.1", {"127.0.0.1", "localhost"}),
        ("", "127.0.0.1", {"127.0.0.1", "localhost"}),
    ],
)
def test_serve_host_decides_the_address_and_the_names(host, address, names):
    with serve.running(Classifier(paths.MODELS / "cat_dog_cnn.keras"), host=host) as found:
        assert re.fullmatch(rf"http://{re.escape(address)}:\d+", found)
        for name in ("127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "evil.example", ""):
            for port in ("", ":8000"):
                status = httpx.get(f"{found}/limits", headers={"Host": name + port}).status_code
                assert (status == 200) == (name in names), name


def test_serve_says_who_may_reach_it_and_explains_an_address_of_another(monkeypatch, capfd):
    from catdog.cli.main import main

    monkeypatch.setattr(serve.uvicorn.Server, "run", lambda *_: None)
    command = ["serve", "--port", "0", "--model", str(paths.MODELS / "cat_dog_cnn.keras")]
    assert main(command) == 0 and "other computers" not in capfd.readouterr().out
    assert main([*command, "--host", "0.0.0.0"]) == 0
    assert "listens on 0.0.0.0: other computers may reach it" in capfd.readouterr().out
    assert main([*command, "--host", "192.0.2.1"]) == 1  # set aside for documentation
    assert "of 192.0.2.1 cannot be used" in capfd.readouterr().err


def test_a_full_queue_says_so_at_once_and_loses_nobody(monkeypatch):
    monkeypatch.setattr(serve, "WAITING", 2)
    busy, go, answer = threading.Event(), threading.Event(), Classifier.ask

    def slow(*args):
        busy.set()
        assert go.wait(60)
        return answer(*args)

    model = Classifier(paths.MODELS / "cat_dog_cnn.keras")
    with serve.running(model) as address, ThreadPoolExecutor(7) as pool:

        def ask():
            return httpx.post(f"{address}/predict?heat=0", content=jpeg(), timeout=60)

        monkeypatch.setattr(Classifier, "ask", slow)
        try:
            first = pool.submit(ask)
            assert busy.wait(60)
            others = {pool.submit(ask) for _ in range(6)}  # two may wait
            refused = {one.result() for one in islice(as_completed(others, 60), 4)}
        finally:
            go.set()
        for found in refused:
            assert found.status_code == 503 and found.headers["Retry-After"] == "1"
            assert found.json()["error"] == ("2 photos are waiting already: try again in a moment.")
        answers = [one.result().status_code for one in (first, *others)]
        assert sorted(answers) == [200] * 3 + [503] * 4
        assert ask().status_code == 200


@pytest.fixture
def process(tmp_path):
    """`catdog serve` as a reader starts it: the process, and its address."""
    command = [sys.executable, "-m", "catdog", "serve", "--port", "0"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = started.stdout.readline()
    yield started, re.search(r"http://127\.0\.0\.1:\d+", said)[0]
    started.kill()
    started.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_answer_and_its_heat_map_need_no_tensorflow(process):
    started, address = process
    found = httpx.post(f"{address}/predict", content=jpeg(), timeout=60).json()
    assert found["label"] == "cat" and found["heat"]
    mapped = Path(f"/proc/{started.pid}/maps").read_text()
    assert "onnxruntime" in mapped and "tensorflow" not in mapped


def test_two_hundred_at_once_none_lost_and_memory_bounded(process):
    started, address = process
    rng = np.random.default_rng(1)
    cat = np.asarray(Image.fromarray(skimage.data.chelsea()).resize((3000, 2000)))
    photos = [jpeg(np.roll(cat, int(rng.integers(300)), axis=1), 88) for _ in range(8)]
    me = psutil.Process(started.pid)
    httpx.post(f"{address}/predict", content=photos[0], timeout=120)
    idle, most, done = me.memory_info().rss, [0], threading.Event()

    def watch():
        while not done.wait(0.05):
            most[0] = max(most[0], me.memory_info().rss)

    async def everybody():
        limits, timeout = httpx.Limits(max_connections=None), httpx.Timeout(550)
        async with httpx.AsyncClient(limits=limits, timeout=timeout) as client:

            def one(i):
                heat = int(i % 10 == 0)
                return client.post(f"{address}/predict?heat={heat}", content=photos[i % 8])

            return await asyncio.gather(*(one(i) for i in range(200)))

    watching = threading.Thread(target=watch)
    watching.start()
    begun = time.perf_counter()
    try:
        answers = asyncio.run(everybody())
    finally:
        done.set()
        watching.join()
    grown = (most[0] - idle) / 2**20
    print(f"{time.perf_counter() - begun:.1f} s; idle {idle / 2**20:.0f} MB, grown {grown:.0f} MB")
    assert [answer.status_code for answer in answers] == [200] * 200
    first = {i: answers[i].json()["dog"] for i in range(8)}
    for i, answer in enumerate(answers):  # each got the answer to its own photo
        assert answer.json()["dog"] == pytest.approx(first[i % 8], abs=1e-4)
        assert bool(answer.json()["heat"]) == (i % 10 == 0)
    assert grown < 500
    started.send_signal(2)
    assert started.wait(60) == 0
