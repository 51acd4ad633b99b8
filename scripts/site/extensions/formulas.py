"""Formulas become HTML at build time, by KaTeX: a page needs no script to show them.

Where Node or KaTeX is missing they stay as text.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError

SITE = Path(__file__).resolve().parents[1]
KATEX = SITE / "node_modules" / "katex" / "dist"


@cache
def node() -> subprocess.Popen[str] | None:
    """One process of Node for all formulas that this process of Sphinx writes."""
    if not shutil.which("node") or not KATEX.exists():
        return None
    command = ["node", str(SITE / "formulas.mjs")]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")


@cache
def rendered(tex: str, display: bool, output: str) -> str:
    """The HTML of a formula.

    Raises:
        ExtensionError: it is no formula to KaTeX.
    """
    process = node()
    if process is None or process.stdin is None or process.stdout is None:
        return f'<code class="math">{html.escape(tex)}</code>'
    print(json.dumps({"tex": tex, "display": display, "output": output}), file=process.stdin)
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    if "error" in answer:
        raise ExtensionError(f"KaTeX cannot read the formula {tex}: {answer['error']}")
    return answer["html"]


def write(writer, formula: nodes.Element, display: bool) -> None:
    """Write one formula; e-readers have MathML, and not always KaTeX's fonts."""
    output = "mathml" if writer.builder.name == "epub" else "htmlAndMathml"
    found = rendered(formula.astext(), display, output)
    writer.body.append(f'<div class="formula">{found}</div>' if display else found)
    raise nodes.SkipNode


def add_styles(app, page, template, context, doctree) -> None:
    """Load KaTeX's styles on the pages that have a formula."""
    if KATEX.exists() and app.builder.name != "epub" and 'class="katex' in context.get("body", ""):
        app.add_css_file("katex/katex.css")


def copy_styles(app, error) -> None:
    """Copy KaTeX's styles, with the one format of its fonts that all browsers read."""
    if error or app.builder.format != "html" or app.builder.name == "epub" or not KATEX.exists():
        return
    folder = Path(app.outdir) / "_static" / "katex"
    (folder / "fonts").mkdir(parents=True, exist_ok=True)
    for font in (KATEX / "fonts").glob("*.woff2"):
        shutil.copy(font, folder / "fonts")
    styles = (KATEX / "katex.min.css").read_text("utf-8")
    styles = re.sub(r',url\([^)]+\.(?:woff|ttf)\) format\("[^"]+"\)', "", styles)
    (folder / "katex.css").write_text(styles, "utf-8")


def setup(app):
    app.add_html_math_renderer(
        "katex",
        (lambda writer, formula: write(writer, formula, False), None),
        (lambda writer, formula: write(writer, formula, True), None),
    )
    app.connect("html-page-context", add_styles)
    app.connect("build-finished", copy_styles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
