"""`catdog serve` among many clients for a long time, good ones and others.

    python -m benchmarks.soak --minutes 30 --record models/records/soak.json

Everybody must get an answer, nobody may lock the others out, and memory, threads and open files
must not grow. All of it happens on this machine, over its loopback.
"""

from __future__ import annotations

import http.client
import io
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import psutil
from PIL import Image

from catdog import CatDogError
from catdog.core.resources import peak_memory_gb

HOST = "127.0.0.1"
CLIENTS, AT_ONCE = 50, 20 * 2**20
PROMPT = 2.0  # seconds in which a good photo is answered while all others dawdle
GROWTH = 50.0  # MB that the server may have more at the end than after it has warmed up
WEIGHTS = {"good": 50, "bad": 15, "huge": 5, "slow": 10, "silent": 5, "gone": 15}
ANSWERS: dict[str, set[int | None]] = {  # what each may be told; None: it hung up itself
    "good": {200, 503},
    "bad": {400, 415},
    "huge": {413},
    "slow": {200, 408, 503, None},
    "silent": {408, None},
    "gone": {None},
}


def photos() -> dict[str, list[bytes]]:
    """Return what is uploaded: photos that are good, bad, and of too many bytes or pixels."""
    rng = np.random.default_rng(1)
    good = []
    for size in ((300, 200), (1200, 900), (4000, 3000)):
        for kind in ("JPEG", "PNG")[: 2 if size[0] < 4000 else 1]:
            out = io.BytesIO()
            drawn = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
            drawn.resize(size, Image.Resampling.BICUBIC).save(out, kind)
            good.append(out.getvalue())
    bomb = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    bad = [b"", b"no photo", good[0][: len(good[0]) // 2], b"\xff\xd8\xff" + bytes(5000)]
    return {"good": good, "bad": bad, "huge": [bytes(AT_ONCE + 1), bomb.getvalue()]}


@dataclass
class Seen:
    """What the clients have been told, by kind, and in how many seconds good ones were."""

    statuses: dict[str, Counter] = field(default_factory=lambda: {k: Counter() for k in WEIGHTS})
    seconds: list[float] = field(default_factory=list)
    lost: Counter = field(default_factory=Counter)


def _pieces(kind: str, body: bytes) -> Iterator[tuple[float, bytes]]:
    """What is sent of a body, and how many seconds after the piece before."""
    if kind in ("silent", "gone"):
        body = body[: len(body) // 2]
    n = 20 if kind == "slow" else max(1, len(body) // 2**16)
    step = max(1, -(-len(body) // n))
    for at in range(0, len(body), step):
        yield (0.2 if kind == "slow" else 0.0), body[at : at + step]


def ask(
    port: int, kind: str, body: bytes, stop: threading.Event | None = None, timeout: float = 120
) -> int | None:
    """Upload a photo as a client of this kind does.

    Args:
        stop: tells who dawdles to hang up.
        timeout: in seconds, of each step.

    Returns:
        the status of the answer, which came whole, or None if the client hung up first.

    Raises:
        OSError, http.client.HTTPException: no whole answer came.
    """
    stop = stop or threading.Event()
    with socket.create_connection((HOST, port), timeout=timeout) as own:
        head = f"POST /predict HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n\r\n"
        own.sendall(head.encode())
        for pause, piece in _pieces(kind, body):
            if stop.is_set() and kind == "slow":
                return None
            if select.select([own], [], [], pause)[0]:
                break  # it is answered already
            with suppress(BrokenPipeError, ConnectionResetError):
                own.sendall(piece)
        if kind == "gone":
            return None
        while kind == "silent" and not select.select([own], [], [], 0.2)[0]:
            if stop.is_set():
                return None
        answer = http.client.HTTPResponse(own)
        answer.begin()
        answer.read()
        return answer.status


def load(port: int, seconds: float, seen: Seen, bodies: dict, clients: int = CLIENTS) -> None:
    """Let clients upload one photo after another for so many seconds."""
    stop = threading.Event()

    def client(number: int) -> None:
        rng = random.Random(f"{number} {seconds}")
        while not stop.is_set():
            (kind,) = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
            body = rng.choice(bodies.get(kind, bodies["good"]))
            started = time.perf_counter()
            try:
                status = ask(port, kind, body, stop)
            except (OSError, http.client.HTTPException) as error:
                seen.lost[f"{kind}: {type(error).__name__} {error}"] += 1
                stop.wait(0.1)
                continue
            seen.statuses[kind][status] += 1
            if kind == "good" and status == 200:
                seen.seconds.append(time.perf_counter() - started)

    threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()


def among_dawdlers(port: int, photo: bytes, clients: int = CLIENTS) -> float:
    """Return the seconds until a good photo is answered while others have sent a half of theirs.

    Infinite if that takes twice as long as it may.
    """
    stop = threading.Event()
    threads = [
        threading.Thread(target=ask, args=(port, "silent", photo, stop)) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    started = time.perf_counter()
    try:
        status = ask(port, "good", photo, timeout=2 * PROMPT)
    except TimeoutError:
        status = None
    seconds = time.perf_counter() - started
    stop.set()
    for thread in threads:
        thread.join()
    return seconds if status == 200 else float("inf")


def _settled(pid: int, seconds: float = 10) -> dict[str, float]:
    """Return memory, threads and open files once all connections are closed."""
    server, until = psutil.Process(pid), time.monotonic() + seconds
    while time.monotonic() < until and len(server.net_connections()) > 1:
        time.sleep(0.2)
    time.sleep(min(1.0, seconds))
    memory = round(server.memory_info().rss / 1e6, 1)
    return {"memory_mb": memory, "threads": server.num_threads(), "files": server.num_fds()}


@contextmanager
def _serving(log, arguments: Sequence[str] = ()) -> Iterator[tuple[subprocess.Popen, int]]:
    command = [sys.executable, "-m", "catdog", "serve", "--port", "0", *arguments]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        found = server.stdout and re.search(r":(\d+) ", server.stdout.readline())
        if not found:
            raise CatDogError("catdog serve did not start: run it alone to see why.")
        yield server, int(found[1])
    finally:
        server.kill()
        server.wait()


def soak(minutes: float, arguments: Sequence[str] = (), clients: int = CLIENTS) -> dict:
    """Run `catdog serve` among clients for so many minutes, of which a tenth warms it up.

    Args:
        arguments: of `catdog serve`, such as a model.

    Returns:
        "requests" {kind: {status: how many}}, "seconds" until good photos were answered, "begin",
        "end" and "peak" of the server's memory (MB), threads and files, and "problems", sentences.
    """
    seen, bodies, seconds = Seen(), photos(), 60 * minutes
    with tempfile.TemporaryFile("w+") as log, _serving(log, arguments) as (server, port):
        load(port, min(60.0, seconds / 10), seen, bodies, clients)
        begin = _settled(server.pid)
        load(port, seconds - min(60.0, seconds / 10), seen, bodies, clients)
        prompt = among_dawdlers(port, bodies["good"][0], clients)
        end, peak = _settled(server.pid), 1000 * peak_memory_gb(server.pid)
        server.send_signal(signal.SIGINT)
        status = server.wait(60)
        log.seek(0)
        said = log.read()
    found = {
        "what": f"python -m benchmarks.soak --minutes {minutes:g}",
        "minutes": minutes,
        "clients": clients,
        "requests": {
            kind: {str(status or "hung up"): n for status, n in counted.items()}
            for kind, counted in seen.statuses.items()
        },
        "seconds": {
            "median": round(float(np.median(seen.seconds or [np.nan])), 3),
            "p99": round(float(np.quantile(seen.seconds or [np.nan], 0.99)), 3),
            "among dawdlers": round(prompt, 3) if np.isfinite(prompt) else None,
        },
        "begin": begin,
        "end": end,
        "peak_server_memory_mb": round(peak, 1),
    }
    return found | {"problems": _problems(seen, begin, end, prompt, status, said)}


def _problems(seen: Seen, begin: dict, end: dict, prompt: float, status: int, said: str) -> list:
    found = [f"no whole answer to {what}, {n} times" for what, n in seen.lost.items()]
    for kind, counted in seen.statuses.items():
        wrong = counted.keys() - ANSWERS[kind]
        found += [f"{kind} photos were told {one}, {counted[one]} times" for one in wrong]
    if not seen.seconds:
        found.append("no good photo was answered")
    if prompt > PROMPT:
        found.append(f"a good photo waited {prompt:.1f} s while all others dawdled")
    if end["memory_mb"] > begin["memory_mb"] + GROWTH:
        found.append(f"memory grew from {begin['memory_mb']} to {end['memory_mb']} MB")
    for what in ("threads", "files"):
        if end[what] > begin[what]:
            found.append(f"{what} grew from {begin[what]} to {end[what]}")
    if status or said.strip():
        found.append(f"the server ended with {status} and said: {said.strip()[-500:]}")
    return found


def summary(found: dict) -> str:
    """Say in lines what `soak` has found."""
    lines = [
        f"{kind:8} " + ", ".join(f"{status}: {n:,}" for status, n in sorted(told.items()))
        for kind, told in found["requests"].items()
    ]
    seconds, begin, end = found["seconds"], found["begin"], found["end"]
    lines.append(
        f"good photos: median {seconds['median']} s, 99% within {seconds['p99']} s, "
        f"{seconds['among dawdlers']} s while all others dawdle"
    )
    lines.append(
        f"memory {begin['memory_mb']} → {end['memory_mb']} MB (at most "
        f"{found['peak_server_memory_mb']}), threads {begin['threads']} → {end['threads']}, "
        f"files {begin['files']} → {end['files']}"
    )
    return "\n".join([*lines, *(found["problems"] or ["no problems"])])


@click.command()
@click.option("--minutes", type=click.FloatRange(0.05), default=30.0, show_default=True)
@click.option("--record", type=click.Path(path_type=Path), help="write the record to this file")
@click.option("--model", help="for catdog serve")
def main(minutes: float, record: Path | None, model: str | None) -> None:
    """Soak catdog serve; exit with 1 if there is a problem."""
    if record:
        from catdog.core import recording  # imports Keras

        recording.origin()  # the commit as it is now
    found = soak(minutes, ["--model", model] if model else [])
    click.echo(summary(found))
    if record:
        recording.write(record, found)
    sys.exit(bool(found["problems"]))


if __name__ == "__main__":
    main()
