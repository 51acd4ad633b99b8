"""Figures: small files, a text alternative, a size, and a link to the picture alone.

A chapter's PNG becomes WebP: lossless, unless quality 90 needs less than 85% of that. A JPEG, which
has its losses already, becomes WebP of quality 80 on the same condition. The original is not part
of the site.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import os
import posixpath
import re
import shutil
from functools import cache
from pathlib import Path

import PIL
from docutils import nodes
from PIL import Image
from sphinx.locale import _

QUALITY = {"PNG": 90, "JPEG": 80}
SMALLER = 0.85  # a file with losses is taken where it needs less than this share
TAG = re.compile(r"<img\b[^>]*>")
EMBEDDED = re.compile(r'src="data:image/(?:png|jpeg|webp|gif);base64,([^"]+)"')


def compressed(content: bytes) -> tuple[bytes, str]:
    """The smallest file of a picture that looks the same, and how its name ends."""
    picture: Image.Image = Image.open(io.BytesIO(content))
    kind = picture.format
    if kind not in QUALITY:
        return content, f".{str(kind).lower()}"
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")

    def webp(**settings) -> bytes:
        file = io.BytesIO()
        picture.save(file, "WEBP", **settings)
        return file.getvalue()

    exact, end = (content, ".jpg") if kind == "JPEG" else (webp(lossless=True, quality=60), ".webp")
    lossy = webp(quality=QUALITY[kind], method=4)
    return (lossy, ".webp") if len(lossy) < SMALLER * len(exact) else (exact, end)


def keep(app, content: bytes) -> Path:
    """Write a picture, compressed, to where Sphinx finds it; return its path.

    It is named by the hash of what it was made from and how, so that it need not be made again.
    """
    folder = Path(app.srcdir).parent / "pictures"
    how = f"{PIL.__version__} {QUALITY} {SMALLER}".encode()
    name = hashlib.sha256(how + content).hexdigest()[:16]
    if made := next(folder.glob(f"{name}.*"), None):
        return made
    small, end = compressed(content)
    folder.mkdir(exist_ok=True)
    part = folder / f".{name}.{os.getpid()}{end}"
    part.write_bytes(small)
    return part.replace(folder / f"{name}{end}")


def compress(app, doctree: nodes.document) -> None:
    """Replace all pictures, and say what is to be seen on those that a cell drew."""
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            texts = list(cell["cell_metadata"].get("alternatives", []))
            for picture in cell.findall(nodes.image):
                picture["alt"] = texts.pop(0) if texts else ""
    for picture in doctree.findall(nodes.image):
        uri = picture["uri"]
        folder = app.srcdir if uri.startswith("/") else Path(app.srcdir, app.env.docname).parent
        made = keep(app, Path(folder, uri.lstrip("/")).read_bytes())
        picture["uri"] = f"/{os.path.relpath(made, app.srcdir)}".replace(os.sep, "/")


def finish(app, page, template, context, doctree) -> None:
    """Take embedded pictures out of the page; give each picture its size and a link to itself.

    Only the first is loaded with the page, the others when they come near.
    """
    enlarge = html.escape(_("Enlarge"))
    up = "../" * page.count("/")
    files = {name: Path(app.srcdir, uri.lstrip("/")) for uri, name in app.builder.images.items()}
    seen: list[Path] = []
    live: set[str] = set()  # pictures of live figures, which are no links

    def extract(found: re.Match[str]) -> str:
        made = keep(app, base64.b64decode(found[1]))
        files[made.name] = made
        live.add(made.name)
        Path(app.outdir, "_images").mkdir(exist_ok=True)
        shutil.copyfile(made, Path(app.outdir, "_images", made.name))
        return f'src="{up}_images/{made.name}"'

    def tag(found: re.Match[str]) -> str:
        source = re.search(r'src="([^"]+)"', found[0])
        file = files.get(posixpath.basename(source[1])) if source else None
        if not source or not file:
            return found[0]
        width, height = size(file)
        start = found[0].rstrip("/> ")
        lazy = ' loading="lazy"' if seen else ""
        seen.append(file)
        picture = f'{start} width="{width}" height="{height}"{lazy} decoding="async">'
        link = f'<a class="enlarge" href="{source[1]}" title="{enlarge}">'
        return picture if file.name in live else f"{link}{picture}</a>"

    body = EMBEDDED.sub(extract, context.get("body", ""))
    if app.builder.name == "epub":  # which is XML
        context["body"] = TAG.sub(lambda found: found[0].rstrip("/> ") + " />", body)
    else:
        context["body"] = TAG.sub(tag, body)


@cache
def size(file: Path) -> tuple[int, int]:
    """The width and height of a picture, in pixels."""
    with Image.open(file) as picture:
        return picture.size


def setup(app):
    app.connect("doctree-read", compress, priority=100)  # before Sphinx collects the pictures
    app.connect("html-page-context", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
