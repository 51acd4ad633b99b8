"""The way of this computer's browser into JupyterLab: an address that leads there once."""

from __future__ import annotations

import contextlib
import http.server
import secrets
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def door(goal: str) -> Iterator[str]:
    """Yield an address of the loopback that leads to another one, with its token, once.

    So the token stands in no command line, and no browser has to read a file: those that Ubuntu
    installs as snaps see neither /tmp nor hidden folders.
    """
    secret = f"/{secrets.token_urlsafe(16)}"
    left = [goal]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != secret or not left:
                self.send_error(404)
                return
            self.send_response(303)
            self.send_header("Location", left.pop())
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{secret}"
    finally:
        server.shutdown()
        server.server_close()
