"""The glossary: the first use of each term leads to it, as does the chapter that explains it."""

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
    r"```.*?```|`[^`]*`|<[^>]+>|\$\$.*?\$\$|\$[^$\n]+\$|^#.*$|^\|.*$|!?\[[^\]]*\]\([^)]*\)",
    re.S | re.M,
)


def prose(path) -> list[str]:
    """The prose of a chapter, cell by cell, but for its opening, its exercises and its end."""
    cells = [c.source for c in nbformat.read(path, 4).cells[1:] if c.cell_type == "markdown"]
    end = next(i for i, source in enumerate(cells) if source.startswith("## Exercises"))
    return [source for source in cells[:end] if "**You will learn**" not in source]


CHAPTERS = {path.name: prose(path) for path in execute.chapters()}
ENTRIES = [found.groupdict() for found in ENTRY.finditer(PAGE.read_text("utf-8"))]


def anchor(term: str) -> str:
    """The anchor that code hosts and the web edition give a heading."""
    return re.sub(r"[^\w\- ]", "", term.lower()).replace(" ", "-")


def first_use(entry, cells) -> str | None:
    """How the first use of a term in these cells is written, a link to the entry or its words."""
    names = [entry["term"], *filter(None, (entry["also"] or "").split(", "))]
    words = "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in names)
    plain = re.compile(rf"(?<![\w\-])(?:{words})(?:e?s)?(?!\w)", re.I)
    for cell in cells:
        link = re.search(rf"\[[^\]]+\]\(GLOSSARY\.md#{re.escape(anchor(entry['term']))}\)", cell)
        text = NOT_PROSE.sub(lambda found: "\0" * len(found[0]), cell)
        word = plain.search(text)
        if link and not (word and word.start() < link.start()):
            return link[0]
        if word:
            return word[0]
    return None


def test_every_entry_is_read_and_they_are_in_order():
    headings = re.findall(r"^### (.+)$", PAGE.read_text("utf-8"), re.M)
    assert headings == [entry["term"] for entry in ENTRIES]
    assert headings == sorted(headings, key=str.lower)
    assert len(headings) > 100


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: anchor(e["term"]))
def test_first_use_is_linked_and_so_is_the_chapter_that_explains(entry):
    assert entry["file"].startswith(f"{int(entry['number']):02}_")
    used = {name: use for name, cells in CHAPTERS.items() if (use := first_use(entry, cells))}
    assert entry["file"] in used
    for name in {next(iter(used)), entry["file"]}:
        assert used[name].startswith("["), f"{name}: the first {used[name]!r} is no link"
    assert next(iter(used)) <= entry["file"]
