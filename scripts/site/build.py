"""Build the web edition from the committed chapters, which are not executed.

    .venv/bin/python scripts/site/build.py [--language xx] [--serve] [--epub] [--pdf]

It becomes `runs/site/html`, in another language `runs/site/xx/html`; `make site` calls this.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def committed() -> str:
    """When the last commit was made, in seconds; 0 where that is not known."""
    if not shutil.which("git"):
        return "0"
    command = ["git", "log", "-1", "--format=%ct"]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True).stdout.strip() or "0"


def settings(site: Path, language: str) -> list[str]:
    """What an edition in another language tells Sphinx beyond conf.py."""
    import gather
    from babel.messages.mofile import read_mo

    if language == "en":
        return []
    locales = site.resolve() / "source" / "locales"
    with (locales / language / "LC_MESSAGES" / "sphinx.mo").open("rb") as words:
        message = read_mo(words).get(gather.TITLE)
    title = str(message.string) if message else gather.TITLE
    values = {"language": language, "locale_dirs": locales, "project": title, "html_title": title}
    return [word for key, value in values.items() for word in ("-D", f"{key}={value}")]


def sphinx(builder: str, site: Path, language: str = "en") -> None:
    """Run one of Sphinx's builders over the gathered sources; a warning is an error."""
    from sphinx.cmd.build import main

    os.environ.setdefault("SOURCE_DATE_EPOCH", committed())  # the e-book's date
    shutil.rmtree(site / builder, ignore_errors=True)
    # Pages that were read in an earlier build were read by other extensions, perhaps: -E
    options = ["-q", "-a", "-E", "-W", "--keep-going", "-j", "auto", "-b", builder, "-c", str(HERE)]
    folders = ["-d", str(site / "doctrees"), str(site / "source"), str(site / builder)]
    if code := main(options + settings(site, language) + folders):
        raise SystemExit(code)
    for unused in ("_static/**/*.map", "_static/debug.css", "_static/skeleton.css"):
        for file in (site / builder).glob(unused):
            file.unlink()


def node_packages() -> bool:
    """Install KaTeX and Pagefind, unless they are there; say what is missing without them."""
    with FileLock(HERE / ".npm.lock"):  # of two builds at once, one would take the other's away
        return _node_packages()


def _node_packages() -> bool:
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    current = installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime
    if shutil.which("node") and current:
        return True
    npm = shutil.which("npm")
    command = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if npm and subprocess.run(command, cwd=HERE, stdout=subprocess.DEVNULL).returncode == 0:
        return True
    print("Node or its packages are missing: formulas stay text, the search is Sphinx's own.")
    return False


def index(html: Path) -> None:
    """Let Pagefind index the pages, and remove those of its files that the site does not use."""
    # on Windows it is a script with another ending
    pagefind = shutil.which("pagefind", path=str(HERE / "node_modules" / ".bin"))
    options = ["--site", str(html), "--exclude-selectors", ".headerlink,.cell_output,.katex-html"]
    subprocess.run([str(pagefind), *options, "--quiet"], check=True)
    spoken = [f for f in (html / "pagefind").glob("wasm.*") if "unknown" not in f.name]
    unknown = ["wasm.unknown.pagefind"] if spoken else []  # for languages without word stems
    for unused in ("pagefind*-ui.*", "pagefind-highlight.js", *unknown):
        for file in (html / "pagefind").glob(unused):
            file.unlink()


class Pages(http.server.SimpleHTTPRequestHandler):
    """Files of types that do not depend on the machine: Windows may call scripts text."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".html": "text/html",
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webp": "image/webp",
        ".woff2": "font/woff2",
    }


def serve(html: Path, port: int) -> None:
    """Serve the site to this machine alone, until interrupted."""
    handler = functools.partial(Pages, directory=html)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl+C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


def pages(site: Path, language: str = "en") -> None:
    """Make the pages, and the search, of what is gathered in `site/source`."""
    packages = node_packages()
    sphinx("html", site, language)
    if packages:
        index(site / "html")


def build(site: Path, language: str = "en", epub: bool = False, pdf: bool = False) -> None:
    """Build the site into a folder, with what is asked for beside it."""
    import gather
    from editions import Edition

    gather.gather(site / "source", Edition(language))
    pages(site, language)
    if epub:
        sphinx("epub", site, language)
    if pdf:
        import printing

        printing.write(site / "html", site / "pdf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "site")
    parser.add_argument("--language", default="en", help="of scripts/site/translations")
    parser.add_argument("--serve", action="store_true", help="serve it afterwards")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--epub", action="store_true", help="also as an e-book, OUT/epub")
    parser.add_argument("--pdf", action="store_true", help="also as PDF, OUT/pdf: needs Chromium")
    options = parser.parse_args()
    site = options.out if options.language == "en" else options.out / options.language
    build(site, options.language, options.epub, options.pdf)
    print(f"the site is in {site / 'html'}: open index.html there", flush=True)
    if options.serve:
        serve(site / "html", options.port)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()
