"""The pages for teachers: what they name is there, and their steps work."""

import re
import runpy
from pathlib import Path

import nbformat
import pytest

from catdog.book import exam, execute
from catdog.cli.main import main
from catdog.data import manifests, synthetic

FOLDER = Path(__file__).parents[2] / "notebooks" / "teaching"
PAGES = sorted(FOLDER.glob("*.md"))
HEADINGS = [
    heading
    for chapter in execute.chapters()
    for cell in nbformat.read(chapter, 4).cells
    for heading in re.findall(r"^#{2,3} (.+)$", cell.source, re.M)
]
EXERCISES = {f"{h[0]}{h.split()[1]}" for h in HEADINGS if re.match(r"\w+ \d\d\.\d+$", h)}


def test_four_pages():
    assert {page.name for page in PAGES} == {"README.md", "capstones.md", "in_class.md", "plans.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_exercise_that_is_named_exists(page):
    text = page.read_text("utf-8")
    named = set(re.findall(r"\b[EQC]\d\d\.\d+", text))
    for kind, chapter, first, last in re.findall(r"([EQC])(\d\d)\.(\d+) to [EQC]\d\d\.(\d+)", text):
        every = {f"{kind}{chapter}.{n}" for n in range(int(first), int(last) + 1)}
        named |= every & EXERCISES  # among exercises there stand questions
    assert not named - EXERCISES
    assert named or page.stem in ("README", "capstones")


def test_every_section_that_a_plan_names_exists():
    rows = [row.split("|") for row in (FOLDER / "plans.md").read_text("utf-8").splitlines()]
    timed = [row[2] for row in rows if len(row) > 3 and re.match(r" \d+:\d\d ", row[1])]
    named = [name for cell in timed for name in re.findall(r"\*([^*]+)\*", cell)]
    known = [re.sub(r"[*`]", "", heading) for heading in HEADINGS]
    assert len(named) > 15
    assert not [name for name in named if not any(h.startswith(name) for h in known)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_prose_comes_in_small_pieces(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    pieces = re.split(r"\n\s*\n|\n(?=\s*(?:\d\.|[-|]) )", text)
    assert max(len(piece.split()) for piece in pieces) <= 90


def test_the_table_of_the_exam_has_its_questions_and_points():
    text = (FOLDER / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+)(?: to (\d+))? .*\| (\d+) \|$", text, re.M)
    points = [len(question.parts) for question in exam.draw(1)]
    for first, last, given in rows:
        assert sum(points[int(first) - 1 : int(last or first)]) == int(given)
    assert sum(int(given) for *_, given in rows) == sum(points) == 47
    assert "Fifteen questions, 47 points" in text and len(points) == 15


def test_rubrics_give_twenty_points_each():
    text = (FOLDER / "capstones.md").read_text("utf-8")
    capstones = re.split(r"^## ", text, flags=re.M)[1:]
    assert len(capstones) == 4
    for capstone in capstones:
        assert sum(map(int, re.findall(r"^\| (\d+) \|", capstone, re.M))) == 20


def test_the_steps_for_photos_of_ones_own_work(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (FOLDER / "capstones.md").read_text("utf-8"), re.S)
    for folder, label in (("mugs", "cat"), ("cups", "dog")):
        (tmp_path / folder).mkdir()
        for i in range(8):
            name = f"IMG_{100 + i}.{'JPG' if i % 2 else 'jpeg'}"
            (tmp_path / folder / name).write_bytes(synthetic.jpeg(label, i, 3))
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "number.py"
    script.write_text(re.sub(r"^ {3}", "", code, flags=re.M))
    runpy.run_path(str(script))
    assert capsys.readouterr().out == "8 mugs are called cat\n8 cups are called dog\n"
    assert len(list(Path("mugs").iterdir())) == 8  # copied, not moved
    assert main(["-q", "data", "archive", "named", "--name", "mine", "--root", "data"]) == 0
    labels = [photo.label for photo in manifests.read("data/mine")]
    assert labels.count("cat") == labels.count("dog") == 8
    with pytest.raises(FileExistsError):  # a second time nothing is overwritten
        runpy.run_path(str(script))
