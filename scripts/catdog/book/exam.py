"""An exam on the whole series: a notebook for the students, and its key, kept apart.

Each seed draws its own numbers. Whoever knows the seed can draw the key, so it stands in the key
alone.
"""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import numpy as np
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from catdog.book import code_questions, questions
from catdog.book.questions import Question
from catdog.core import files, handouts

QUESTIONS = (*questions.PENCIL, *code_questions.CODE)
HEAD = """\
# Exam

{n} questions, {points} points. Put each answer into `answers`, in the place of the `...`; where
several are asked for, each has its own place in the list, and its own point. Whole numbers must be
exact; with three decimals, {rounded:g} more or less counts. Give numbers as numbers, words in
quotation marks. A cell may compute what it likes; a pencil is enough for questions 1 to {pencil}.

What you leave as `...` costs its own points and no others. Before you hand in: *Restart Kernel and
Run All Cells*, then save."""
SETTINGS = """\
import matplotlib.pyplot as plt
import numpy as np

answers = {}"""


def draw(seed: int) -> list[Question]:
    """Draw the questions of a seed, always in the same order."""
    seeds = np.random.SeedSequence(seed).spawn(len(QUESTIONS))
    return [make(np.random.default_rng(s)) for make, s in zip(QUESTIONS, seeds, strict=True)]


def write(seed: int, folder: str | Path, key: str | Path) -> Path:
    """Write `exam.ipynb` into a folder, and its key into a file elsewhere; return the notebook.

    Raises:
        CatDogError: the key would lie in the students' folder, or one of the two is there already.
    """
    notebook = Path(folder) / "exam.ipynb"
    handouts.must_be_apart(key, folder, "the students")
    for path in (notebook, Path(key)):
        handouts.must_not_exist(path)
    drawn = draw(seed)
    made = {
        str(n): {"title": q.title, "given": q.given, "parts": q.parts}
        for n, q in enumerate(drawn, 1)
    }
    name = _name(drawn)
    handouts.write_private(
        key, json.dumps({"exam": name, "seed": seed, "questions": made}, indent=1)
    )
    files.write(notebook, nbformat.writes(_notebook(drawn, name)))
    return notebook


def _name(drawn: list[Question]) -> str:
    """What an exam and its key know each other by; says nothing of the seed."""
    return files.key([[q.text, q.shown] for q in drawn], 12)


def _notebook(drawn: list[Question], name: str):
    points = sum(len(q.parts) for q in drawn)
    head = HEAD.format(
        n=len(drawn), points=points, rounded=questions.ROUNDED, pencil=len(questions.PENCIL)
    )
    cells = [new_markdown_cell(head), new_code_cell(SETTINGS)]
    for n, question in enumerate(drawn, 1):
        many = "1 point" if len(question.parts) == 1 else f"{len(question.parts)} points"
        cells.append(new_markdown_cell(f"## {n}. {question.title} ({many})\n\n{question.text}"))
        if question.shown:
            cells.append(new_code_cell(question.shown))
        answer = question.answer
        if len(question.names) > 1:
            answer = f"[{', '.join(['...'] * len(question.names))}]  # {', '.join(question.names)}"
        cells.append(new_code_cell(f'{question.start}answers["{n}"] = {answer}'))
    for i, cell in enumerate(cells):
        cell.id = f"exam-{i}"
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return new_notebook(cells=cells, metadata={**about, "catdog_exam": name})
