"""Every picture of the chapters and pages is said in words, by a text that is not out of date."""

import base64
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from catdog import CatDogError
from catdog.book import alternatives, execute

ROOT = Path(__file__).parents[2]
CHAPTERS = execute.chapters(folder=ROOT / "notebooks")
LIST = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
PAGES = subprocess.run(LIST, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
TEXT = "A cat's ear, and the feature map of its edge."
PICTURE = {"image/png": base64.b64encode(b"a picture").decode()}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem[:2])
def test_every_picture_of_a_chapter_has_its_text(chapter):
    assert alternatives.faults(chapter) == []


def test_every_picture_of_a_page_has_its_text():
    assert "README.md" in PAGES
    assert not [p for p in PAGES if alternatives.unnamed((ROOT / p).read_text("utf-8"))]


def test_no_text_stands_for_two_pictures():
    assert alternatives.repeated(CHAPTERS) == []


def test_no_file_is_of_a_chapter_that_is_gone():
    files = (ROOT / "notebooks" / "alternatives").glob("*.yaml")
    assert {file.stem for file in files} <= {chapter.stem for chapter in CHAPTERS}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem[:2])
def test_no_text_names_a_measured_number_that_varies(chapter):
    texts = alternatives.read(chapter)
    for cell in nbformat.read(chapter, 4).cells:
        if {"varies", "hardware"} & set(cell.metadata.get("tags", [])) and cell.id in texts:
            for text in texts[cell.id]["pictures"]:
                assert not re.search(r"\d\.\d|\d ?%", text.replace("95% interval", "")), text


@pytest.fixture
def chapter(tmp_path):
    """A chapter of one code cell, `draw`, with two pictures, and their texts."""
    path = tmp_path / "01_made_up.ipynb"
    outputs = [v4.new_output("display_data", PICTURE), v4.new_output("stream", text="a word")]
    outputs += [v4.new_output("execute_result", PICTURE)]
    cells = [v4.new_markdown_cell("![A cat](cat.jpg)", id="prose")]
    cells += [v4.new_code_cell("draw()", id="draw", outputs=outputs)]
    nbformat.write(v4.new_notebook(cells=cells), path)
    (tmp_path / "alternatives").mkdir()
    write(path, [TEXT, f"{TEXT} Again."])
    return path


def write(chapter, texts, cell="draw", source="8e6dc5915e2d"):
    lines = [f"{cell}:", f"  source: {source}", "  pictures:", *(f'  - "{text}"' for text in texts)]
    alternatives.file_of(chapter).write_text("\n".join([*lines, ""]), "utf-8")


def change(chapter, place, **values):
    notebook = nbformat.read(chapter, 4)
    notebook.cells[place].update(values)
    nbformat.write(notebook, chapter)


def only(chapter):
    (sentence,) = alternatives.faults(chapter)
    return sentence


def test_faults_are_none_where_all_is_said(chapter):
    assert alternatives.faults(chapter) == []


def test_faults_name_a_picture_without_text(chapter):
    write(chapter, [TEXT])
    assert "draw: 2 pictures, 1 texts: write what is missing" in only(chapter)
    alternatives.file_of(chapter).unlink()
    assert "draw: 2 pictures, 0 texts: write what is missing" in only(chapter)


def test_faults_name_a_text_too_many(chapter):
    write(chapter, [TEXT, f"{TEXT} Again.", f"{TEXT} Once more."])
    assert "2 pictures, 3 texts: take out" in only(chapter)


def test_faults_name_a_text_whose_code_has_changed(chapter):
    change(chapter, 1, source="draw(2)")
    assert "draw: its code has changed" in only(chapter)


@pytest.mark.parametrize("cell", ["gone", "prose"])
def test_faults_name_a_text_whose_cell_is_gone(chapter, cell):
    change(chapter, 1, outputs=[])
    write(chapter, [TEXT], cell=cell)
    assert f"{cell}: no such code cell" in only(chapter)


@pytest.mark.parametrize("text", ["A cat", "A cat. " * 50])
def test_faults_name_a_text_too_short_or_long(chapter, text):
    write(chapter, [TEXT, text])
    assert f"{len(text)} characters, not 20 to 300" in only(chapter)


@pytest.mark.parametrize("picture", ["![](cat.jpg)", '<img src="cat.png">', "![ ][cat]"])
def test_faults_name_a_picture_of_the_prose_without_text(chapter, picture):
    change(chapter, 0, source=f"Look: {picture}")
    assert "prose: give it an alt text: " in only(chapter)


def test_faults_name_a_picture_in_html_without_text(chapter):
    page = '<p><img alt="A cat" src="a.png"><img alt="" src="b.png"></p>'
    outputs = [v4.new_output("display_data", {"text/html": page})]
    alternatives.file_of(chapter).unlink()
    change(chapter, 1, outputs=outputs)
    assert only(chapter).endswith('draw: give it an alt text: <img alt="" src="b.png">')


def test_repeated_names_a_text_said_twice(chapter):
    assert alternatives.repeated([chapter]) == []
    write(chapter, [TEXT, TEXT])
    assert TEXT in alternatives.repeated([chapter])[0]


@pytest.mark.parametrize("text", ["draw: a cat\n", "draw:\n  source: 5c\n", "- draw\n", "a: [\n"])
def test_read_refuses_another_shape(chapter, text):
    alternatives.file_of(chapter).write_text(text, "utf-8")
    with pytest.raises(CatDogError, match="write under each cell's id"):
        alternatives.read(chapter)


def test_confirm_writes_the_hash_and_nothing_else(chapter):
    file = alternatives.file_of(chapter)
    before = f"# looked at by daylight\n{file.read_text('utf-8')}"
    file.write_text(before, "utf-8")
    change(chapter, 1, source="draw(2)")
    assert "its code has changed" in only(chapter)
    alternatives.confirm(chapter, "draw")
    assert alternatives.faults(chapter) == []
    assert file.read_text("utf-8") == before.replace("8e6dc5915e2d", "'d6844471f350'")


@pytest.mark.parametrize("cell, says", [("gone", "no code cell"), ("other", "no texts of 'other'")])
def test_confirm_refuses_a_cell_without_texts(chapter, cell, says):
    notebook = nbformat.read(chapter, 4)
    notebook.cells.append(v4.new_code_cell("1", id="other"))
    nbformat.write(notebook, chapter)
    with pytest.raises(CatDogError, match=says):
        alternatives.confirm(chapter, cell)


def test_main_lists_and_confirms(chapter, monkeypatch, capsys):
    monkeypatch.setattr(execute.paths, "NOTEBOOKS", chapter.parent)
    assert alternatives.main([]) == 0
    change(chapter, 1, source="draw(2)")
    assert alternatives.main([]) == 1 and "its code has changed" in capsys.readouterr().out
    assert alternatives.main(["--confirm", "01", "draw"]) == 0 == alternatives.main([])
    assert alternatives.main(["--confirm", "02", "draw"]) == 1
    assert "no chapter begins with '02'" in capsys.readouterr().err
