"""Slides from a chapter, for a class: its headings, pictures and short cells, its prose as notes.

One HTML file that needs no network: reveal.js stands in it, formulas are MathML. The key S opens
the speaker's view with the notes, ? lists the keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import jinja2
import nbformat

from catdog import CatDogError
from catdog.book import alternatives
from catdog.core import files, paths

SHOWN = 40  # words of prose that stand on a slide; of longer prose it is the first sentence
CODE = 16  # lines of code that fit on a slide
FORMULA = re.compile(r"(\$\$?)(?!\s)(.+?)(?<!\s)\1", re.S)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>{{ styles }}
.reveal { font-size: 30px; } .reveal h1 { font-size: 2em; } .reveal h2 { font-size: 1.5em; }
.reveal pre { font-size: 0.55em; width: 100%; box-shadow: none; }
.reveal table { font-size: 0.7em; }
.reveal section img { width: 100%; max-height: 590px; object-fit: contain; margin: 0; }
.reveal .running { color: #777; font-size: 0.7em; margin: 0; }
.reveal .output_area pre { color: #555; }
.reveal .prompt { display: none; } .reveal .anchor-link { display: none; }
</style></head><body><div class="reveal"><div class="slides">
{% for slide in slides %}<section>
{% if slide.running %}<p class="running">{{ slide.running }}</p>{% endif %}{{ slide.html }}
{% if slide.notes %}<aside class="notes">{{ slide.notes }}</aside>{% endif %}</section>
{% endfor %}</div></div>
{% for script in scripts %}<script>{{ script }}</script>
{% endfor %}<script>
Reveal.initialize({
  hash: true, width: 1280, height: 720, slideNumber: "c/t", transition: "none",
  plugins: [RevealNotes],
});
</script></body></html>
"""


@dataclass
class Slide:
    """The cells that are shown together, what is said with them, and the section they are of."""

    cells: list = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    running: str = ""

    @property
    def words(self) -> int:
        return sum(len(c.source.split()) for c in self.cells if c.cell_type == "markdown")

    @property
    def lines(self) -> int:
        return sum(c.source.count("\n") + 1 for c in self.cells if c.cell_type == "code")


def write(chapter: Path, folder: Path) -> Path:
    """Write the slides of an executed chapter into a folder, in place of older ones; return them.

    Raises:
        CatDogError: the packages that slides are made with are missing.
    """
    notebook = nbformat.read(chapter, 4)
    alternatives.give(notebook, paths.NOTEBOOKS / chapter.name)
    slides = cut(notebook.cells)
    html = _converter()
    page = jinja2.Template(PAGE).render(
        title=slides[0].cells[0].source.splitlines()[0].lstrip("# "),
        slides=[
            {"html": html(s.cells), "notes": html(map(_prose, s.spoken)), "running": s.running}
            for s in slides
        ],
        **_reveal(),
    )
    path = folder / f"{chapter.stem}.html"
    files.write(path, page)
    return path


def cut(cells: list) -> list[Slide]:
    """Cut a chapter's cells into slides; its exercises are left out."""
    slides: list[Slide] = []
    skipped = False
    section = ""
    settings = next((cell for cell in cells if cell.cell_type == "code"), None)
    for cell in cells:
        if cell.source.startswith("## "):
            skipped = cell.source.startswith("## Exercises")
            section = cell.source.splitlines()[0].lstrip("# ")
        if skipped or cell is settings or _is_plumbing(cell):
            continue
        before = len(slides)
        if cell.cell_type == "markdown":
            _add_prose(slides, cell)
        else:
            _add_code(slides, cell)
        for slide in slides[before:]:
            if not slide.cells[0].source.startswith("#"):
                slide.running = section
    return slides


def _is_plumbing(cell) -> bool:
    """Whether a code cell only imports, or shows something only where it runs."""
    if cell.cell_type != "code":
        return False
    imports = all(re.match(r"import |from |$", line) for line in cell.source.splitlines())
    return imports or ("widgets." in cell.source and not cell.outputs)


def _add_prose(slides: list[Slide], cell) -> None:
    head, _, rest = cell.source.partition("\n") if cell.source.startswith("#") else ("", "", "")
    if head:
        slides.append(Slide([_prose(head)]))
    text = rest.strip() if head else cell.source
    if not text:
        return
    words = len(text.split())
    whole = words <= SHOWN or re.search(r"^(\||- |\d\. |> )", text, re.M)
    shown = text if whole else re.split(r"(?<=[.:?])\s", text, maxsplit=1)[0]
    if slides[-1].words + len(shown.split()) > 2 * SHOWN or slides[-1].cells[-1].get("outputs"):
        slides.append(Slide())
    slides[-1].cells.append(_prose(shown))
    if not whole:
        slides[-1].spoken.append(text)


def _add_code(slides: list[Slide], cell) -> None:
    """Short code is shown; what it prints or draws has a slide of its own if it is a picture."""
    shown = [entry for o in cell.outputs for entry in o.get("data", {}).items()]
    drawn = any("image/" in kind or 'class="live-figure"' in text for kind, text in shown)
    if cell.source.count("\n") < CODE:
        source = nbformat.from_dict({**cell, "outputs": [] if drawn else cell.outputs})
        if slides[-1].cells[1:] and slides[-1].lines + source.source.count("\n") >= CODE:
            slides.append(Slide())
        slides[-1].cells.append(source)
    if drawn or cell.source.count("\n") >= CODE:
        if cell.outputs:
            hidden = {**cell.metadata, "transient": {"remove_source": True}}
            slides.append(Slide([nbformat.from_dict({**cell, "metadata": hidden})]))


def _prose(text: str):
    return nbformat.v4.new_markdown_cell(text)


def _converter() -> Callable:
    """Return a function that makes HTML of cells; links to other chapters become their words."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True)

    def html(cells) -> str:
        cells = [nbformat.from_dict(cell) for cell in cells]
        for cell in cells:
            if cell.cell_type == "markdown":
                text = re.sub(r"\[([^\]]+)\]\([^)]*\.(?:ipynb|md)[^)]*\)", r"\1", cell.source)
                cell.source = FORMULA.sub(_mathml, text)
        if not cells:
            return ""
        return exporter.from_notebook_node(nbformat.v4.new_notebook(cells=cells))[0]

    return html


def _mathml(formula: re.Match) -> str:
    from latex2mathml.converter import convert

    return convert(formula[2], display="block" if formula[1] == "$$" else "inline")


def _reveal() -> dict:
    """The styles and scripts of reveal.js, from the package that carries them."""
    package = find_spec("sphinx_revealjs")
    if package is None or find_spec("latex2mathml") is None or not package.origin:
        raise CatDogError("slides need packages that are not installed: make install-dev.")
    from pygments.formatters import HtmlFormatter

    folder = Path(package.origin).parent / "_static" / "revealjs"
    styles = [folder / "dist" / name for name in ("reset.css", "reveal.css", "theme/simple.css")]
    texts = [re.sub(r"@import[^;]+;", "", path.read_text("utf-8")) for path in styles]
    scripts = [folder / "dist" / "reveal.js", folder / "plugin" / "notes" / "notes.js"]
    return {
        "styles": "\n".join([*texts, HtmlFormatter().get_style_defs(".highlight")]),
        "scripts": [path.read_text("utf-8").replace("</script", "<\\/script") for path in scripts],
    }
