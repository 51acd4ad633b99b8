"""How light the built site is on a phone: Lighthouse's scores, behind a server that compresses.

    npm install --prefix FOLDER lighthouse@12
    .venv/bin/python scripts/site/lighthouse.py FOLDER [--record FILE]

It measures the front page and two chapters of `runs/site/html`, on a phone as Lighthouse imagines
one. Other programs on the machine lower the scores: it says how busy the processor was.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import json
import os
import shutil
import statistics
import subprocess
import threading
from pathlib import Path

import psutil
from build import ROOT

from catdog.core import recording

PAGES = [
    "index.html",
    "notebooks/03_dense_or_convolutional.html",
    "notebooks/09_a_cnn_from_scratch.html",
]
SCORES = ("performance", "accessibility")
TIMES = {  # Lighthouse's names
    "first paint, ms": "first-contentful-paint",
    "largest paint, ms": "largest-contentful-paint",
    "blocked, ms": "total-blocking-time",
    "shift": "cumulative-layout-shift",
    "bytes": "total-byte-weight",
}


class Compressing(http.server.SimpleHTTPRequestHandler):
    """Serves files as a host of pages does: texts compressed."""

    def do_GET(self) -> None:
        file = Path(self.translate_path(self.path))
        kind = self.guess_type(file)
        if not file.is_file() or not (kind.startswith("text/") or "json" in kind):
            return super().do_GET()
        body = gzip.compress(file.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def measure(program: Path, address: str) -> dict[str, float]:
    """Lighthouse's scores, of 100, and what they come from, for one page."""
    command = ["node", str(program), address, "--quiet", "--output=json", "--output-path=stdout"]
    command += [
        f"--only-categories={','.join(SCORES)}",
        "--chrome-flags=--headless=new --no-sandbox",
    ]
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or ""
    settings = {**os.environ, "CHROME_PATH": chromium}
    done = subprocess.run(command, capture_output=True, text=True, env=settings)
    if done.returncode:
        raise SystemExit(f"Lighthouse failed on {address}: {done.stderr.strip()[-300:]}")
    found = json.loads(done.stdout)
    scores = {name: round(100 * found["categories"][name]["score"]) for name in SCORES}
    times = {name: found["audits"][audit]["numericValue"] for name, audit in TIMES.items()}
    return {**scores, **{name: round(value, 3) for name, value in times.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where lighthouse is installed")
    parser.add_argument("--html", type=Path, default=ROOT / "runs" / "site" / "html")
    parser.add_argument("--pages", nargs="+", default=PAGES)
    parser.add_argument("--runs", type=int, default=3, help="of each page; the median counts")
    parser.add_argument("--record", type=Path, help="also write all runs to this file")
    chosen = parser.parse_args()
    program = chosen.folder / "node_modules" / "lighthouse" / "cli" / "index.js"
    if not program.exists():
        raise SystemExit(
            f"{program} is not there: npm install --prefix {chosen.folder} lighthouse@12"
        )
    if not (chosen.html / "index.html").exists():
        raise SystemExit(f"{chosen.html} has no site: make site first.")
    busy = psutil.cpu_percent(2)
    handler = functools.partial(Compressing, directory=chosen.html)
    runs: dict[str, list[dict[str, float]]] = {}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for page in chosen.pages:
            address = f"http://127.0.0.1:{server.server_port}/{page}"
            runs[page] = [measure(program, address) for _ in range(chosen.runs)]
            median = {
                name: statistics.median(run[name] for run in runs[page]) for name in runs[page][0]
            }
            print(f"{page}:", ", ".join(f"{name} {value:g}" for name, value in median.items()))
        server.shutdown()
    print(f"The processor was {busy:.0f}% busy before.")
    if chosen.record:
        version = json.loads((program.parents[1] / "package.json").read_text("utf-8"))["version"]
        found = {"lighthouse": version, "busy_percent": busy, "runs": runs}
        recording.write(chosen.record, found)


if __name__ == "__main__":
    main()
