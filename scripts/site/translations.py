"""What an edition in another language lacks.

A message is missing, fuzzy (its source has changed), obsolete (it has gone), or broken (it has lost
a formula, a link, a heading or code of its source).

    .venv/bin/python scripts/site/translations.py LANGUAGE            counts them, file by file
    .venv/bin/python scripts/site/translations.py LANGUAGE --update   and writes the PO files anew

`translations/LANGUAGE` has a file for each chapter (a message is a cell of prose, or what a picture
shows), for each page (a paragraph), for the live figures, and for the interface.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import Any

import editions
import furo
import gather
import yaml
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import write_po
from jinja2.ext import babel_extract

HERE = Path(__file__).resolve().parent
THEME = Path(furo.__file__).parent / "theme" / "furo"
Messages = list[tuple[str, str | None, str]]  # text, context, where it stands


def of_chapter(path: Path) -> Messages:
    """The prose of a chapter, and what its pictures show."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    found = [("".join(c["source"]), c["id"]) for c in cells if c["cell_type"] == "markdown"]
    beside = path.parent / "alternatives" / f"{path.stem}.yaml"
    texts = yaml.safe_load(beside.read_text("utf-8")) if beside.exists() else {}
    found += [(text, cell) for cell, entry in texts.items() for text in entry["pictures"]]
    for cell in cells:
        for output in cell.get("outputs", ()):
            html = "".join(output.get("data", {}).get("text/html", ""))
            found += [(text, cell["id"]) for text in editions.told(html)]
    return [(text, None, where) for text, where in found]


def of_interface() -> Messages:
    """What the pages say around the text: our templates and scripts, and those of the theme."""
    names = [gather.TITLE, *gather.chapters(), *gather.PARTS, *gather.NAMES.values()]
    found: Messages = [(name, None, "gather.py") for name in names]
    files: dict[Any, list[Path]] = {
        "python": [HERE / "gather.py", *sorted((HERE / "extensions").glob("*.py"))],
        "javascript": sorted((HERE / "static").glob("*.js")),
        babel_extract: [
            *sorted((HERE / "templates").glob("*.html")),
            THEME / "page.html",
            THEME / "sidebar" / "search.html",
        ],
    }
    for method, paths in files.items():
        for path in paths:
            for _, text, *_ in extract_from_file(method, path, {"_": None, "gettext": None}):
                found.append((str(text), None, path.name))
    return found


def messages() -> dict[str, Messages]:
    """The name of each file of a language, and its messages as they stand now in English."""
    found: dict[str, Messages] = {}
    for name in [chapter for part in gather.chapters().values() for chapter in part]:
        found[gather.document(name)] = of_chapter(gather.ROOT / name)
    for page in ["README.md", *(page for part in gather.PARTS.values() for page in part)]:
        if page != gather.MADE:
            text = (gather.ROOT / page).read_text("utf-8")
            found[gather.document(page)] = [(b, None, page) for b in editions.blocks(text)]
    live = json.loads((HERE / "live" / "messages" / "en.json").read_text("utf-8"))
    found["live"] = [(text, key, "en.json") for key, text in live.items()]
    found["interface"] = of_interface()
    return found


def template(entries: Messages) -> Catalog:
    """Messages without words, for Babel to bring a file in step with."""
    catalog = Catalog()
    for text, context, where in entries:
        if editions.translatable(text):
            message = catalog.add(text, locations=[(where, None)], context=context)  # type: ignore[list-item]
            message.flags -= {"python-format", "python-brace-format"}  # 40% of … is none
    return catalog


def in_step(file: Path, language: str, entries: Messages) -> Catalog:
    """A file of a language with the messages of today, the old words kept where they may help."""
    catalog = editions.load(file, language)
    catalog.update(template(entries), update_creation_date=False)
    return catalog


def faults(catalog: Catalog) -> dict[str, int]:
    """How many messages are to be looked at, by what is the matter with them."""
    found = [message for message in catalog if message.id]
    done = [m for m in found if m.string and not m.fuzzy]
    return {
        "fuzzy": sum(m.fuzzy for m in found),
        "missing": sum(not m.string for m in found),
        "obsolete": len(catalog.obsolete),
        "broken": sum(not editions.whole(str(m.id), str(m.string)) for m in done),
    }


def write(file: Path, catalog: Catalog) -> None:
    """Write a file of messages; the same messages give the same bytes."""
    for message in catalog:
        message.flags -= {"python-format", "python-brace-format"}
    written = io.BytesIO()
    write_po(written, catalog, omit_header=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(written.getvalue())


def main(words: list[str] | None = None) -> int:
    """Count what is the matter with a language's messages; 1 where something is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("language")
    parser.add_argument("--update", action="store_true", help="write the PO files anew")
    parser.add_argument("--folder", type=Path, default=editions.TRANSLATIONS)
    chosen = parser.parse_args(words)
    folder, wrong = chosen.folder / chosen.language, False
    current = messages()
    for name, entries in current.items():
        file = folder / f"{name}.po"
        catalog = in_step(file, chosen.language, entries)
        counts = {what: n for what, n in faults(catalog).items() if n}
        wrong |= bool(counts)
        if counts:
            print(f"{name}:", ", ".join(f"{what} {n}" for what, n in counts.items()))
        if chosen.update:
            write(file, catalog)
    for file in sorted(folder.rglob("*.po")):
        if (name := file.relative_to(folder).with_suffix("").as_posix()) not in current:
            print(f"{name}: its page is gone; take the file out")
            wrong = True
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
