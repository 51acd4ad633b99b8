"""A page on this computer: drop photos on it, see cat or dog, and where the network looked.

FastAPI with a plain page, rather than Gradio or Streamlit: their pages load fonts and scripts from
elsewhere and their servers keep uploads in temporary files, and this must work without a network
and keep nothing. A photo comes as the body of a request, is read into memory up to a limit, is
decoded if it has few enough pixels, and is gone when it is answered.

What bounds the memory: IN_FLIGHT bytes are being sent or wait to be decoded, and one photo beyond
them; READING photos are decoded or wait for that; WAITING small squares wait for the one thread
that asks the model, and who comes later is told to come again.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from catdog import CatDogError
from catdog.core import paths, starting
from catdog.core.resources import peak_memory_gb
from catdog.data import imaging
from catdog.inference import prediction
from catdog.inference.classifier import Classifier
from catdog.models import runtime

HOST, EVERYWHERE = "127.0.0.1", "0.0.0.0"
NAMES = (HOST, "localhost")
MAX_BYTES = 20 * 2**20
READING, WAITING, BATCH = 4, 512, 16
IN_FLIGHT = 64 * 2**20
PATIENCE, LEAST = 10.0, 2**20  # seconds for each so many bytes of a photo, and for the rest
HURRY = 2.0  # the same for one that others wait for
PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
SHARED = ["parts/answer.js", "parts/folders.js", "parts/page.js", "messages/en.json"]
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class _Job:
    photo: np.ndarray
    explain: bool
    answer: Future = field(default_factory=Future)


class Busy(CatDogError):
    """Too many photos wait already."""


class Judge:
    """The one thread that asks the model: it takes what waits, up to a batch, and answers."""

    def __init__(self, classifier: Classifier):
        self.classifier, self.size = classifier, classifier.size
        self._grad_cam: Callable[[np.ndarray, int], np.ndarray | None] | None = None
        self._jobs: queue.Queue[_Job | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._work, daemon=True, name="judge")
        self._thread.start()

    def ask(self, photo: np.ndarray, explain: bool) -> Future:
        """Return a promise of the answer for a photo, uint8 (size, size, 3).

        Raises:
            Busy: WAITING photos wait already.
        """
        job = _Job(photo, explain)
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise Busy(f"{WAITING} photos are waiting already: try again in a moment.") from None
        return job.answer

    def close(self) -> None:
        """Answer what still waits, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch, last = [job], False
            while len(batch) < BATCH and not last:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                last = more is None
                batch += [more] if more else []
            self._judge([job for job in batch if job.answer.set_running_or_notify_cancel()])
            if last:
                return

    def _judge(self, batch: list[_Job]) -> None:
        if not batch:
            return
        started = time.perf_counter()
        try:
            found = self.classifier.ask(np.stack([job.photo for job in batch]))
            strange = self.classifier.is_strange(found)
        except Exception as error:
            for job in batch:
                job.answer.set_exception(error)
            return
        each = (time.perf_counter() - started) / len(batch)
        for i, job in enumerate(batch):
            begun, dog, heat = time.perf_counter(), float(found.dog[i]), None
            likelier = "dog" if dog >= self.classifier.threshold else "cat"
            with contextlib.suppress(Exception):  # no gradients with this backend …: no heat map
                heat = self._heat(found, i, job.photo, likelier) if job.explain else None
            said = {"label": "neither" if strange[i] else likelier, "likelier": likelier}
            seconds = round(each + time.perf_counter() - begun, 4)
            job.answer.set_result({**said, "dog": dog, "heat": heat, "seconds": seconds})

    def _heat(self, found: runtime.Output, i: int, photo: np.ndarray, label: str) -> str | None:
        """Where the network saw its label, as a PNG to lay over the photo: clear where it did not.

        The model gives it with its answer, or Keras computes Grad-CAM; that is loaded at the first
        photo that asks for it.
        """
        if found.heat is not None:
            heat = np.maximum(found.heat[i] if label == "dog" else -found.heat[i], 0)
            heat = cv2.resize(heat, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
            heat /= max(float(heat.max()), 1e-12)
        else:
            if self._grad_cam is None:
                self._grad_cam = _keras_heat(self.classifier.runtime.path)
            heat = self._grad_cam(photo, int(label == "dog"))
        return None if heat is None else _png(heat)


def _keras_heat(path: Path) -> Callable[[np.ndarray, int], np.ndarray | None]:
    """Return what computes Grad-CAM with Keras; it gives None for a model without feature maps."""
    try:
        starting.load_keras()
        from catdog.evaluation import attribution
        from catdog.models import saving

        model = saving.load_model(path)
        attribution.halves(model)
    except (CatDogError, ImportError):
        return lambda photo, label: None
    return lambda photo, label: attribution.grad_cam(model, photo, label)


def _png(heat: np.ndarray) -> str:
    colours = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)
    clear = np.dstack([colours, (200 * np.sqrt(heat)).astype(np.uint8)])
    return base64.b64encode(cv2.imencode(".png", clear)[1].tobytes()).decode()


def _refuse(status: int, why: str, **headers: str) -> JSONResponse:
    return JSONResponse({"error": why}, status, headers=headers)


class _Room:
    """Room in memory for IN_FLIGHT bytes; beyond them `alone` lets one upload go on at a time.

    So whoever has begun gets to its end, and makes room for the others.
    """

    def __init__(self):
        self.taken, self.alone = 0, asyncio.Lock()


@contextlib.asynccontextmanager
async def _body(request: Request, room: _Room) -> AsyncIterator[bytearray]:
    """Read a request's body, but never more than MAX_BYTES of it; the room is taken until the end.

    Raises:
        imaging.TooLarge: it is, or says that it is, larger.
        TimeoutError: LEAST bytes, or the rest, took longer than PATIENCE, or HURRY, seconds.
    """
    too_large = imaging.TooLarge(f"this file has more than {MAX_BYTES / 2**20:.0f} MB.")
    if int(request.headers.get("content-length") or 0) > MAX_BYTES:
        raise too_large
    blob, now = bytearray(), asyncio.get_running_loop().time
    seconds, due = PATIENCE, LEAST
    async with contextlib.AsyncExitStack() as leaving:
        try:
            async with asyncio.timeout(seconds) as patience:
                async for piece in request.stream():
                    if room.taken + len(piece) > IN_FLIGHT and seconds != HURRY:
                        patience.reschedule(None)
                        await leaving.enter_async_context(room.alone)
                        seconds = HURRY
                        patience.reschedule(now() + seconds)
                    blob += piece
                    room.taken += len(piece)
                    if len(blob) > MAX_BYTES:
                        raise too_large
                    if len(blob) >= due:
                        due += LEAST
                        patience.reschedule(now() + seconds)
            yield blob
        finally:
            room.taken -= len(blob)


def _page() -> dict[str, tuple[bytes, str]]:
    """Path → content and type of the page, and of what it shares with the web edition.

    Raises:
        CatDogError: the project's folder, in which that stands, is elsewhere.
    """
    files = resources.files("catdog.inference") / "static"
    page = {path: ((files / name).read_bytes(), kind) for path, (name, kind) in PAGE.items()}
    for name in SHARED:
        file = paths.ROOT / "scripts" / "site" / "live" / name
        if not file.is_file():
            raise CatDogError(f"{file} is not there. Set CATDOG_HOME to the project's folder.")
        kind = "application/json" if file.suffix == ".json" else PAGE["/page.js"][1]
        page[f"/live/{name}"] = file.read_bytes(), kind
    return page


def app(judge: Judge, names: Sequence[str] = NAMES) -> FastAPI:
    """Build the application, which answers to these names: the page, and `POST /predict`."""
    built = FastAPI(
        docs_url=None,  # its pages would load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    page = _page()
    room, reading = _Room(), asyncio.Semaphore(READING)
    decoders = ThreadPoolExecutor(2, "decoder")

    @built.middleware("http")
    async def guard(request: Request, call_next):
        """Answer only this page, on this computer: no other site may reach it through a browser."""
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "none")
        if host.rpartition(":")[0] not in names and host not in names:
            answer = _refuse(421, f"this server answers to {' and '.join(names)} only.")
        elif request.method != "GET" and (
            origin not in (None, f"http://{host}") or site not in ("same-origin", "none")
        ):
            answer = _refuse(403, "only this server's own page may send photos.")
        else:
            answer = await call_next(request)
        answer.headers.update(HEADERS)
        return answer

    def static(path):
        body, kind = page[path]
        return lambda: Response(body, media_type=kind)

    for path in page:
        built.get(path)(static(path))

    @built.post("/predict")
    async def predict(request: Request, heat: bool = True):
        if request.headers.get("content-type", "").startswith("multipart/"):
            return _refuse(415, "send the photo itself as the body, as curl --data-binary does.")
        try:
            async with _body(request, room) as blob, reading:
                if not blob:
                    return _refuse(400, "the photo is empty.")
                photo = await asyncio.get_running_loop().run_in_executor(
                    decoders, prediction.read_photo, bytes(blob), judge.size
                )
            return await asyncio.wrap_future(judge.ask(photo, heat))
        except ClientDisconnect:
            return _refuse(400, "the photo did not come to its end.")
        except TimeoutError:
            return _refuse(408, "the photo came too slowly: send it again.", Connection="close")
        except imaging.TooLarge as error:
            return _refuse(413, _sentence(error), Connection="close")
        except Busy as error:
            return _refuse(503, _sentence(error), **{"Retry-After": "1"})
        except CatDogError as error:
            return _refuse(415, _sentence(error))

    @built.get("/limits")
    async def limits():
        return {
            "bytes": MAX_BYTES,
            "pixels": min(imaging.MAX_WHOLE.values()),
            "suffixes": sorted(imaging.SUFFIXES),
        }

    return built


def _sentence(error: CatDogError) -> str:
    return str(error)[0].upper() + str(error)[1:]


def _listen(port: int, host: str = HOST) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would let two programs have one port
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen()  # who comes before the server has started waits, and is not refused
    except (OSError, OverflowError) as error:
        found.close()
        why = getattr(error, "strerror", None) or "no such port"
        raise CatDogError(
            f"port {port} of {host} cannot be used ({why}). Name another one: --port 8001, or "
            "--port 0 for any that is free; or leave --host out."
        ) from None
    return found


@contextlib.contextmanager
def _prepared(classifier: Classifier, port: int, host: str = HOST) -> Iterator:
    listening = _listen(port, host)
    bound, port = listening.getsockname()
    bound = HOST if bound == EVERYWHERE else bound
    names = NAMES if bound == HOST else (*NAMES, *{bound, host})
    judge = Judge(classifier)
    try:
        built = app(judge, names)
        config = uvicorn.Config(built, log_level="warning", access_log=False, lifespan="off")
        address = f"http://{bound}:{port}"
        yield uvicorn.Server(config), listening, address
    finally:
        judge.close()
        listening.close()


@contextlib.contextmanager
def running(classifier: Classifier, port: int = 0, host: str = HOST) -> Iterator[str]:
    """Run the server in this process, in the background, for a `with` block: gives its address."""
    with _prepared(classifier, port, host) as (server, listening, address):
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


def serve(classifier: Classifier, port: int = 8000, host: str = HOST) -> None:
    """Run the server until it is stopped with Ctrl-C.

    Args:
        host: the address of this computer to listen on, by which a browser may then ask for it,
            beside 127.0.0.1 and localhost; 0.0.0.0 listens on all, and answers to these two.

    Raises:
        CatDogError: the port is taken, or the address is none of this computer.
    """
    with _prepared(classifier, port, host) as (server, listening, address):
        print(f"Open {address} in a browser of this computer. Ctrl-C stops it.", flush=True)
        if not (bound := listening.getsockname()[0]).startswith("127."):
            print(f"It listens on {bound}: other computers may reach it, too.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.run([listening])
    print(f"\nStopped. Peak memory: {peak_memory_gb():.1f} GB.")
