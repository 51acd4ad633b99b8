"""The glossary: every term in it is explained where the series first uses it, and linked there."""

import re

import nbformat
import pytest

from catdog.book import execute
from catdog.core import paths

PAGE = paths.NOTEBOOKS / "GLOSSARY.md"
ENTRY = re.compile(
    r"^### (?P<term>.+)\n\n(?P<text>[^#]+?) \(\[chapter (?P<number>\d+)\]\((?P<file>[^)]+)\)\)"
    r"(?:\n\n\*Also: (?P<also>.+)\.\*)?\n",
    re.M,
)
NOT_PROSE = re.compile(
    r"```.*?```|`[^`]*`|<[^>]+>|\$\$.*?\$\$|\$[^$\n]+\$|^#.*$|^\|.*$", re.S | re.M
)


def prose(path) -> list[str]:
    """The prose of a chapter, cell by cell, but for its opening, its exercises and its end."""
    cells = [c.source for c in nbformat.read(path, 4).cells[1:] if c.cell_type == "markdown"]
    end = next(i for i, source in enumerate(cells) if source.startswith("## Exercises"))
    body = [source for source in cells[:end] if "**You will learn**" not in source]
    return [NOT_PROSE.sub(" ", source) for source in body]


CHAPTERS = {path.name: prose(path) for path in execute.chapters()}
ENTRIES = [found.groupdict() for found in ENTRY.finditer(PAGE.read_text("utf-8"))]


def anchor(term: str) -> str:
    """The anchor that code hosts and the web edition give a heading."""
    return re.sub(r"[^\w\- ]", "", term.lower()).replace(" ", "-")


def names(entry) -> list[str]:
    return [entry["term"], *filter(None, re.split(r", ", entry["also"] or ""))]


def uses(entry) -> re.Pattern:
    """A link to the entry, or else one of its names as a word."""
    words = "|".join(re.escape(name) for name in names(entry))
    link = rf"\[[^\]]+\]\(GLOSSARY\.md#{re.escape(anchor(entry['term']))}\)"
    return re.compile(rf"(?P<link>{link})|\b(?:{words})(?:e?s)?\b(?![^\[]*\]\()", re.I)


def test_every_entry_is_read_and_they_are_in_order():
    headings = re.findall(r"^### (.+)$", PAGE.read_text("utf-8"), re.M)
    assert headings == [entry["term"] for entry in ENTRIES]
    assert headings == sorted(headings, key=str.lower)
    assert len(headings) > 60


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: anchor(e["term"]))
def test_first_use_is_explained_and_linked(entry):
    assert (
        CHAPTERS.get(entry["file"]) is not None
        and entry["file"][:2] == f"{int(entry['number']):02}"
    )
    for name, cells in CHAPTERS.items():
        first = next((found for cell in cells if (found := uses(entry).search(cell))), None)
        if first:
            assert name == entry["file"], f"{first[0]!r} is used in {name} already"
            assert first["link"], f"{name}: {first[0]!r} is not linked"
            return
    raise AssertionError("it is never used")
