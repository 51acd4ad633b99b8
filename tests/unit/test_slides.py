"""The slides of a chapter: they need no network, and nothing of the lesson is lost on the way."""

import re

import nbformat
import pytest

from catdog import CatDogError
from catdog.book import execute, slides
from catdog.cli.main import main

CHAPTER = execute.chapters(["04"])[0]


def cells(*sources):
    made = [nbformat.v4.new_code_cell("import numpy as np")]
    return made + [nbformat.v4.new_markdown_cell(source) for source in sources]


def test_slides_hold_the_headings_and_pictures_and_load_nothing(tmp_path, capsys):
    assert main(["slides", "04", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / f"{CHAPTER.stem}.html")]
    page = (tmp_path / f"{CHAPTER.stem}.html").read_text("utf-8")
    lesson = nbformat.read(CHAPTER, 4).cells
    for cell in lesson:
        for heading in re.findall(r"^## (.+)$", cell.source, re.M):
            assert (f">{heading}<" in page) == (heading != "Exercises"), heading
    outputs = [output.get("data", {}) for c in lesson for output in c.get("outputs", [])]
    drawn = sum("image/" in kind for data in outputs for kind in data)
    drawn += sum("<img alt=" in data.get("text/html", "") for data in outputs)  # of live figures
    described = re.findall(r'<img alt="[^"]{20,}"', page)
    assert len(described) == drawn > 5  # reveal.js has an "<img" of its own
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?(?:https?:)?//", page)
    assert "url(http" not in page and "@import" not in page
    assert "<math" in page and "$$" not in page.split("</style>")[1].split("<script>")[0]
    assert "check(" not in page and ".ipynb" not in page


def test_long_prose_becomes_notes():
    long = "A first sentence says it. " + "More is said by the teacher. " * 12
    made = slides.cut(cells("# 1. Title", "## Part", long, "- a\n- b"))
    assert [slide.cells[0].source for slide in made[:2]] == ["# 1. Title", "## Part"]
    assert made[1].cells[1].source == "A first sentence says it."
    assert made[1].spoken == [long]


def test_exercises_are_left_out_and_the_summary_is_not():
    made = slides.cut(cells("# 1. T", "## Exercises", "### Exercise 01.1", "## Summary", "- a"))
    assert [c.source for s in made for c in s.cells] == ["# 1. T", "## Summary", "- a"]


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(slides, "find_spec", lambda name: None)
    with pytest.raises(CatDogError, match="make install-dev"):
        slides.write(CHAPTER, tmp_path)
    assert not list(tmp_path.iterdir())
