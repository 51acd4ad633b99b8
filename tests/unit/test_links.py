"""What a reader can click on: links between the pages and chapters lead somewhere."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
MARKDOWN = MarkdownIt("commonmark").enable("table")
LIST = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.ipynb"]
PAGES = subprocess.run(LIST, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def prose(page):
    """The Markdown of a page, or of all cells of a chapter."""
    text = page.read_text("utf-8")
    if page.suffix != ".ipynb":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def anchors(page):
    """What can stand after # in a link to a page: GitHub's names of headings, or Jupyter's."""
    tokens = MARKDOWN.parse(prose(page))
    found = set()
    for opening, inline in zip(tokens, tokens[1:], strict=False):
        if opening.type == "heading_open":
            parts = [part.content for part in inline.children if part.type != "html_inline"]
            title = "".join(parts).strip()
            if page.suffix == ".ipynb":
                found.add(title.replace(" ", "-"))
                continue
            slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            name, again = slug, 0
            while name in found:
                name, again = f"{slug}-{again + 1}", again + 1
            found.add(name)
    return found


def targets(page):
    """Every address that a page links to or shows a picture from."""
    for block in MARKDOWN.parse(prose(page)):
        for token in [block, *(block.children or [])]:
            if token.type in ("link_open", "image"):
                yield token.attrs.get("href") or token.attrs.get("src")
            elif token.type in ("html_block", "html_inline"):
                yield from re.findall(r'\b(?:href|src)="([^"]+)"', token.content)


def broken(page):
    """The links of a page that lead nowhere, without those to the web."""
    lost = []
    for target in targets(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(target)
    return lost


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page):
    assert not broken(ROOT / page)


def test_links_that_lead_nowhere_are_found(tmp_path):
    page, chapter = tmp_path / "page.md", tmp_path / "chapter.ipynb"
    good = "[a](page.md#two-words-1) [b](#ämter) [c](chapter.ipynb#Two-words) <https://x.org/y>"
    bad = "[d](no.md) [e](#three) [f](chapter.ipynb#two-words) ![g](g.png)"
    raw = '<img src="h.png">'
    page.write_text(f"# Two words\n\n## Two `words`\n\n### Ämter?\n\n{good}\n\n{bad}\n\n{raw}\n")
    cell = {"cell_type": "markdown", "source": ["# Two words\n", "[i](page.md#two-words)[j](k)"]}
    chapter.write_text(json.dumps({"cells": [cell, {"cell_type": "code", "source": ["[l](m)"]}]}))
    assert broken(page) == ["no.md", "#three", "chapter.ipynb#two-words", "g.png", "h.png"]
    assert broken(chapter) == ["k"]
