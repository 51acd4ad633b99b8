"""Live figures: the site loads a module for each that comes near, instead of the cell's script.

In a notebook, `live.show` writes a box with a static picture and a script that needs nothing else.
Here the script goes; `site.js` loads `_static/live/NAME.js` and fills the box.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import assets
from docutils import nodes

LIVE = Path(__file__).resolve().parents[1] / "live"
NAME = re.compile(r'data-live="([a-z-]+)"')
SCRIPT = re.compile(r"<script\b.*?</script>", re.S)


def drop_scripts(app, doctree: nodes.document) -> None:
    """Take the scripts out of the outputs that hold a live figure."""
    for raw in list(doctree.findall(nodes.raw)):
        if "data-live=" in raw.astext():
            html = SCRIPT.sub("", raw.astext())
            raw.replace_self(nodes.raw("", html, format="html", classes=raw["classes"]))


def add_styles(app, page, template, context, doctree) -> None:
    """Load the styles of the live figures on the pages that have one."""
    if "data-live=" in context.get("body", "") and (LIVE / "live.css").exists():
        app.add_css_file("live/live.css")


def copy(app, error) -> None:
    """Copy the modules, with what they import, and write what those that are shown load."""
    if error or app.builder.name != "html":
        return
    pages = [page.read_text("utf-8") for page in Path(app.outdir).rglob("*.html")]
    shown = {name for page in pages for name in NAME.findall(page)}
    if not shown:
        return
    target = Path(app.outdir) / "_static" / "live"
    shutil.copytree(LIVE, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.md"))
    if any("assets(" in (LIVE / f"{name}.js").read_text("utf-8") for name in shown):
        assets.main(target / "assets")
    translated = Path(app.srcdir, "locales", "live.json")
    if translated.exists():
        tag = app.config.language.replace("_", "-")  # as the pages have it in `lang`
        shutil.copyfile(translated, target / "messages" / f"{tag}.json")


def setup(app):
    app.connect("doctree-read", drop_scripts, priority=100)
    app.connect("html-page-context", add_styles)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
