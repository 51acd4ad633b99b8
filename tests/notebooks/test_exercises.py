"""The exercises: each chapter has its kinds, solutions pass, what people get wrong is refused."""

import re
import runpy
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest

from catdog.book import checking, execute
from catdog.cloud import exercises
from catdog.evaluation import statistics

CHAPTERS = execute.chapters()
KINDS = ("Question", "Exercise", "Challenge")
HEADING = re.compile(rf"### ({'|'.join(KINDS)}) (\d\d\.\d+)")


def find():
    """Yield kind, number, and the sources of the cells: of the question, and two after it."""
    for path in CHAPTERS:
        cells = nbformat.read(path, 4).cells
        for i, cell in enumerate(cells):
            found = HEADING.match(cell.source)
            if found:
                yield found[1], found[2], [c.source for c in cells[i : i + 3]]


ALL = list(find())
CODE = {number: cells for kind, number, cells in ALL if kind == "Exercise"}
ANSWERS = {
    path.stem[-2:]: runpy.run_path(str(path))
    for path in sorted((Path(__file__).parent / "answers").glob("chapter_*.py"))
}


def value(source):
    """What an answer is: of statements their `answer`, of an expression its value."""
    scope = {"keras": keras, "np": np, "statistics": statistics, "check": exercises.check}
    try:
        code = compile(source, "answer", "eval")
    except SyntaxError:
        exec(compile(source, "answer", "exec"), scope)
        return scope["answer"]
    return eval(code, scope)


def solution(number):
    return re.search(r"```python\n(.*?)```", CODE[number][2], re.S)[1]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_chapter_has_six_to_twelve_in_three_kinds(path):
    mine = [(kind, number) for kind, number, _ in ALL if number[:2] == path.stem[:2]]
    assert 6 <= len(mine) <= 12
    assert [number for _, number in mine] == [f"{path.stem[:2]}.{i + 1}" for i in range(len(mine))]
    assert {kind for kind, _ in mine} == set(KINDS)


@pytest.mark.parametrize("number", [n for kind, n, _ in ALL if kind == "Question"])
def test_question_has_a_model_answer(number):
    (cells,) = [cells for _, n, cells in ALL if n == number]
    assert "<details><summary>Model answer</summary>" in "\n".join(cells)  # after what one runs


def test_every_exercise_stands_in_a_chapter_and_every_chapter_has_its_answers():
    assert list(CODE) == exercises.numbers()
    assert list(ANSWERS) == [path.stem[:2] for path in CHAPTERS]


@pytest.mark.parametrize("number", CODE)
def test_solution_passes_and_the_stub_asks_for_an_answer(number, capsys):
    stub = CODE[number][1]
    exec(stub, {"np": np, "check": exercises.check})
    assert "replace the …" in capsys.readouterr().out
    exercises.check(number, value(solution(number)))
    assert "right." in capsys.readouterr().out


@pytest.mark.parametrize("number", CODE)
def test_three_hints_come_one_after_the_other(number, capsys, monkeypatch):
    monkeypatch.setattr(checking, "_SHOWN", {})
    given = checking.hints(number)
    assert len(given) == 3 and len(set(given)) == 3
    for i in (1, 2, 3, 3):
        exercises.check(number, None)
        said = capsys.readouterr().out
        assert "not yet" in said and f"Hint {i} of 3: {given[i - 1]}" in said


@pytest.mark.parametrize("number", CODE)
def test_wrong_answers_fail_and_other_right_ones_pass(number):
    answers = ANSWERS[number[:2]]
    wrong = answers["WRONG"][number]
    assert len(set(wrong)) >= 3
    for source in wrong:
        value(source)  # it can be computed
        assert not exercises.judge(number, value(source)), source
    assert answers["RIGHT"][number]
    for source in answers["RIGHT"][number]:
        assert exercises.judge(number, value(source)), source
    for nothing in (None, "cat", [], (1, 2), lambda *_: None, lambda *_: 0, lambda x, *_: x):
        assert not exercises.judge(number, nothing), nothing


def test_the_readers_own_traceback_is_shown(capsys, monkeypatch):
    monkeypatch.setattr(checking, "_SHOWN", {})
    number = next(n for n in CODE if "def answer" in solution(n))
    exercises.check(number, value("def answer(*a, **k):\n    return undefined_name"))
    said = capsys.readouterr().out
    assert 'File "answer", line 2, in answer' in said
    assert "NameError: name 'undefined_name' is not defined" in said
    assert "checking.py" not in said and "Hint 1 of 3" in said
