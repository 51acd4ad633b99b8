"""Render the tables of the README and of the model cards from the records of the reference runs.

Each stands in a template of its own, in `templates/`, between two markers of the page it is for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import jinja2
import numpy as np

from benchmarks import scaling, time_to_accuracy, ways
from catdog.book import execute
from catdog.core import files, hardware, paths, recording
from catdog.evaluation import reported

PAGES = (
    paths.ROOT / "README.md",
    paths.ROOT / "scripts" / "benchmarks" / "README.md",
    paths.ROOT / "scripts" / "site" / "README.md",
    *sorted(paths.MODELS.glob("*.md")),
)


PARTS = {1: "Ideas", 8: "The classifier", 12: "Better", 15: "Inside and outside", 18: "Scale"}


def _titles() -> list[tuple[str, str, str, str]]:
    """Return of each chapter the part that begins with it (mostly none), its title, its file, and
    the line in italics below the title."""
    found = []
    for path in execute.chapters():
        first = json.loads(path.read_text("utf-8"))["cells"][0]["source"]
        text = first if isinstance(first, str) else "".join(first)
        title = text.splitlines()[0].removeprefix("# ")
        (line,) = re.findall(r"^\*(.+?)\*$", text, re.M)[:1]
        found.append((PARTS.get(int(path.stem[:2]), ""), title, path.name, line))
    return found


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.filters |= {
    "f": format,
    "interval": lambda pair: "{:.1%} to {:.1%}".format(*pair),
    "label": hardware.label,
    "median": lambda values: np.median(list(values)),
    "megabytes": lambda path: f"{path.stat().st_size / 1e6:.1f} MB",
}
TEMPLATES.globals |= {
    "accuracy_of": reported.accuracy_of,
    "against": time_to_accuracy.against,
    "article_2017": reported.article_2017,
    "article_says": time_to_accuracy.article_says,
    "calibration": reported.calibration,
    "limit": ways.limit,
    "memory_a_photo": scaling.memory_a_photo,
    "model": paths.DEFAULT_MODEL,
    "record_of": lambda path: json.loads(path.with_suffix(".json").read_text("utf-8")),
    "residual": paths.MODELS / "cat_dog_residual.keras",
    "rows_of_growth": scaling.rows,
    "rows_of_ways": ways.rows,
    "runs_of": reported.runs_of,
    "titles": _titles,
}


def render(name: str) -> str:
    """Return a table with its text as Markdown, from the records as they are now.

    Args:
        name: of its template, with spaces, such as "card of the default".
    """
    template = TEMPLATES.get_template(f"{name.replace(' ', '_')}.md")
    return template.render(records=recording.read_all()).strip("\n")


def rendered(text: str) -> str:
    """Return a page with what stands between its markers rendered anew."""
    return re.sub(
        r"(<!-- ([a-z ]+) -->).*?(<!-- end of \2 -->)",
        lambda found: f"{found[1]}\n{render(found[2])}\n{found[3]}",
        text,
        flags=re.S,
    )


def update() -> None:
    """Write the tables into the README and the model cards."""
    for path in PAGES:
        files.write(path, rendered(path.read_text("utf-8")))
