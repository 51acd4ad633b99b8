"""File servers for the tests."""

import contextlib
import functools
import http.server
import json
import re
import threading
import time

import sites


class Pages(sites.Pages):
    """Serves the files of a folder as the built site is served, and says nothing."""

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(folder, handler=Pages):
    """Serve a folder to this machine, on a port of its own, while the block runs."""
    answer = functools.partial(handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` with ranges as a file server does, and breaks off when told to."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests = {}, []
        self.break_after = None  # bytes that one answer may send
        self.delay = 0.0
        self.ranges = True
        self.token, self.accepted = "a-token", True

    def handle_error(self, request, client_address):
        """Say nothing: the other side may have been killed."""

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
