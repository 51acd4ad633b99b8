"""The grader of exams: fair to each answer, and stopped by no submission."""

import csv
import json
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from catdog import CatDogError
from catdog.book import grading
from catdog.cli.main import main

CORRELATE = "from scipy.signal import correlate2d\ndef f(x, k): return correlate2d(x, k, 'valid')"
RELU = "def f(x, dout): return dout * (x > 0)"
POOL = """
def f(x, size, stride):
    rows = range(0, x.shape[0] - size + 1, stride)
    columns = range(0, x.shape[1] - size + 1, stride)
    return [[x[i : i + size, j : j + size].max() for j in columns] for i in rows]
"""


def right(key):
    """The code of a right answer to each question."""
    codes = {"13": CORRELATE, "14": RELU, "15": POOL}
    answers = {
        n: f"answers[{n!r}] = {[part['value'] for part in question['parts']]!r}"
        for n, question in key["questions"].items()
        if n not in codes
    }
    return answers | {n: f"{code}\nanswers[{n!r}] = f" for n, code in codes.items()}


def submit(path, key, cells, name=None):
    about = {"catdog_exam": name or key["exam"]}
    first = "import numpy as np\nanswers = {}"
    book = new_notebook(cells=[new_code_cell(c) for c in [first, *cells]], metadata=about)
    nbformat.write(book, path)
    return path


def lost(key, grade):
    """The points that are missing, question by question."""
    full = {n: len(question["parts"]) for n, question in key["questions"].items()}
    return {n: full[n] - p for n, p in grade.points.items() if p != full[n]}


def graded(tmp_path, key, changed=(), **how):
    """Grade right answers but for some."""
    cells = [*(right(key) | dict(changed)).values()]
    return grading.grade(key, "s", submit(tmp_path / "s.ipynb", key, cells), **how)


def test_right_answers_get_full_points_and_the_empty_exam_none(
    made_exam, exam_key, tmp_path, capsys
):
    good = submit(tmp_path / "ada.ipynb", exam_key, right(exam_key).values())
    empty = tmp_path / "bob.ipynb"
    empty.write_bytes(made_exam[0].read_bytes())
    (tmp_path / "cy.ipynb").write_text("hello")
    table = tmp_path / "grades.csv"
    assert main(["grade", str(made_exam[1]), str(tmp_path), "--csv", str(table)]) == 0
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [(r["name"], r["total"], r["of"]) for r in rows] == [
        ("ada", "47", "47"), ("bob", "0", "47"), ("cy", "0", "47"),
    ]  # fmt: skip
    assert [r["remarks"] for r in rows] == ["", "", "no notebook that can be read (NotJSONError)"]
    assert sum(int(rows[0][n]) for n in exam_key["questions"]) == 47 and good.exists()
    said = capsys.readouterr().out
    assert "47 of 47" in said and str(table) in said
    assert main(["grade", str(made_exam[1]), str(tmp_path), "--csv", str(table)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_wrong_answers_lose_exactly_their_points(exam_key, tmp_path):
    parts = {n: [p["value"] for p in q["parts"]] for n, q in exam_key["questions"].items()}
    one = parts["1"]
    changed = {
        "1": f"answers['1'] = [{one[0] + 1}, {one[1]}]",
        "2": f"answers['2'] = [str(x) for x in {parts['2']}]",  # words
        "3": f"answers['3'] = {parts['3'][0]}",  # one of two
        "5": f"answers['5'] = [np.array({parts['5'][0]}) + 0.001, ...]",  # rounded, and missing
        "6": "answers['6'] = {'w': 1}",
        "7": f"answers['7'] = [np.array({parts['7'][0]}), np.array({parts['7'][1]}).T + 0.5]",
        "8": f"answers['8'] = [{parts['8'][0]!r}.upper(), {parts['8'][1]!r}, 3]",
        "9": f"answers['9'] = [True, {parts['9'][1]} + 0.0019, {parts['9'][2]} + 0.003]",
        "11": "",  # missing
        "12": f"answers['12'] = [[1, [2]], np.float32({parts['12'][1]})]",
        "13": "answers['13'] = lambda x, k: np.array([[1]])",
        "14": "answers['14'] = lambda x, dout: np.where(x >= 0, dout, 0)",  # at 0, in one case
        "15": POOL.replace("max()", "clip(0).max()") + "\nanswers['15'] = f",  # as if after ReLU
    }
    grade = graded(tmp_path, exam_key, changed.items())
    expected = {"1": 1, "2": 3, "3": 2, "5": 1, "6": 3, "7": 1, "8": 1, "9": 2}
    assert lost(exam_key, grade) == expected | {"11": 5, "12": 1, "13": 5, "14": 1, "15": 1}


def test_errors_and_a_mirrored_kernel(exam_key, tmp_path):
    changed = {
        "2": "answers['2'] = [1, 2",  # a syntax error
        "9": "answers['9'] = undefined",
        "13": CORRELATE.replace("k, 'valid'", "k[::-1, ::-1], 'valid'") + "\nanswers['13'] = f",
        "15": "def f(x, size, stride):\n    raise ValueError\nanswers['15'] = f",
    }
    grade = graded(tmp_path, exam_key, changed.items())
    assert lost(exam_key, grade) == {"2": 3, "9": 3, "13": 4, "15": 5}  # 1×1 has no mirror image
    assert [r.split(":")[0] for r in grade.remarks] == ["code cell 3", "code cell 10"]
    assert "SyntaxError" in grade.remarks[0] and "NameError" in grade.remarks[1]


def test_endless_loops_and_sleep_cost_their_own_points(exam_key, tmp_path, monkeypatch):
    stubborn = """
def f(x, dout):
    while x.ndim == 4:
        try:
            while True: pass
        except BaseException: pass
    return dout * (x > 0)
answers['14'] = f"""
    changed = {"4": "while True: pass", "6": "import time\ntime.sleep(1000)", "14": stubborn}
    monkeypatch.setattr(grading, "WAIT", 4)
    grade = graded(tmp_path, exam_key, changed.items(), seconds=3)
    assert lost(exam_key, grade) == {"4": 2, "6": 3, "14": 1}
    assert grade.remarks == [f"code cell {n}: KeyboardInterrupt: " for n in (5, 7)]


def test_what_ends_its_kernel_or_fills_the_memory_costs_its_own_points(exam_key, tmp_path):
    changed = {
        "1": "import os; os._exit(1)",
        "2": "x = np.ones(10**10)",
        "3": "answers['3'] = input()",
        "4": "while True: print('x' * 10**4)",
        "5": "x = np.ones(25 * 10**7)\nimport time\ntime.sleep(30)",  # 2 GB
    }
    grade = graded(tmp_path, exam_key, changed.items(), seconds=4, memory=1)
    assert lost(exam_key, grade) == {"1": 2, "2": 3, "3": 2, "4": 2, "5": 2}
    assert "ended its kernel" in grade.remarks[0] and "MemoryError" in grade.remarks[1]
    assert grade.remarks[-1] == "code cell 6: took more than 1 GB of memory"


def test_names_of_builtins_cost_nothing(exam_key, tmp_path):
    taken = "list = [3]\nlen = str = tuple = bool = isinstance = 2\ndef display(x): return x"
    grade = graded(tmp_path, exam_key, {"1": f"{taken}\n{right(exam_key)['1']}"}.items())
    assert lost(exam_key, grade) == {} and not grade.remarks


def test_functions_that_end_the_kernel_cost_their_own_questions(exam_key, tmp_path):
    ends = "def f(*given):\n    import os\n    os._exit(1)\nanswers[{!r}] = f"
    changed = {n: ends.format(n) for n in ("13", "14", "15")}
    grade = graded(tmp_path, exam_key, changed.items())
    whole = {n: len(exam_key["questions"][n]["parts"]) for n in changed}
    assert lost(exam_key, grade) == whole


def test_processes_that_are_left_behind_are_ended(exam_key, tmp_path):
    changed = {"1": "import subprocess; subprocess.Popen(['sleep', '4321'])"}
    assert lost(exam_key, graded(tmp_path, exam_key, changed.items())) == {"1": 2}
    time.sleep(0.2)
    left = [p.info["cmdline"] for p in psutil.process_iter(["cmdline", "status"])
            if p.info["status"] != psutil.STATUS_ZOMBIE]  # fmt: skip
    assert ["sleep", "4321"] not in left


def test_a_submission_sees_no_environment_and_works_in_a_folder_of_its_own(
    exam_key, tmp_path, monkeypatch
):
    monkeypatch.setenv("CATDOG_SECRET", "x")
    code = "import os\nassert 'CATDOG_SECRET' not in os.environ and not os.listdir('.')"
    code += "\nassert os.listdir(os.environ['HOME']) is not None\nopen('mine', 'w').write('x')"
    grade = graded(tmp_path, exam_key, {"1": f"{code}\n{right(exam_key)['1']}"}.items())
    assert lost(exam_key, grade) == {} and not grade.remarks
    assert {p.name for p in tmp_path.iterdir()} == {"s.ipynb"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 3, "nbformat": 4}', "\0" * 99])
def test_what_is_no_notebook_gets_no_points(text, exam_key, tmp_path):
    path = tmp_path / "s.ipynb"
    path.write_text(text)
    grade = grading.grade(exam_key, "s", path)
    assert grade.total == 0 and "no notebook" in grade.remarks[0]


def test_a_first_cell_that_was_deleted_costs_nothing(exam_key, tmp_path):
    path = submit(tmp_path / "s.ipynb", exam_key, right(exam_key).values())
    book = nbformat.read(path, 4)
    del book.cells[0]
    nbformat.write(book, path)
    assert lost(exam_key, grading.grade(exam_key, "s", path)) == {}


def test_another_exam_is_told(exam_key, tmp_path):
    path = submit(tmp_path / "s.ipynb", exam_key, [], name="other")
    grade = grading.grade(exam_key, "s", path)
    assert grade.remarks == ["not the exam of this key"] and grade.total == 0


@pytest.mark.parametrize(
    "part, right, wrong",
    [
        ({"kind": "number", "value": 3, "tolerance": 0}, [3, 3.0], ["3", True, None, [3], 3.1]),
        ({"kind": "number", "value": 0.5, "tolerance": 0.002}, [0.502], [0.5021, float("nan")]),
        ({"kind": "array", "value": [1, 2], "tolerance": 0}, [[1, 2.0]], [[[1], [2, 3]], [1], 1]),
        ({"kind": "array", "value": [1, 2], "tolerance": 0}, [[1, 2]], [[True, 2], [10**400, 2]]),
        ({"kind": "choice", "value": "above"}, ["above", " Above "], ["below", 1, ["above"], ""]),
    ],
)
def test_what_counts_as_right(part, right, wrong):
    assert all(grading.is_right(part, answer) for answer in right)
    assert not any(grading.is_right(part, answer) for answer in wrong)


def test_submissions_are_told_apart_by_their_folders(tmp_path):
    for path in ("ada/exam", "bob/exam", "bob/.ipynb_checkpoints/exam-checkpoint", "cy"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{path}.ipynb").write_text("{}")
    assert list(grading.submissions([tmp_path])) == ["ada/exam", "bob/exam", "cy"]
    for nothing, says in ((tmp_path / "no.ipynb", "no such"), (tmp_path / "empty", "no notebook")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(CatDogError, match=says):
            grading.submissions([nothing])


def test_two_kinds_of_file_of_one_name_are_told_apart(tmp_path):
    files = [tmp_path / "anna.ipynb", tmp_path / "anna.pdf"]
    for file in files:
        file.write_text("{}")
    assert list(grading.submissions(files).values()) == files


def test_one_strange_submission_ends_nothing(exam_key, tmp_path):
    strange = tmp_path / "strange.ipynb"
    cell = {"cell_type": "code", "source": 5, "outputs": [], "execution_count": None}
    about = {"catdog_exam": exam_key["exam"]}
    whole = {"cells": [{**cell, "metadata": {}}], "metadata": about}
    strange.write_text(json.dumps({**whole, "nbformat": 4, "nbformat_minor": 4}))
    grade = grading.grade(exam_key, "M\udcfcller", strange)
    assert grade.total == 0 and "graded" in grade.remarks[-1]
    out = tmp_path / "grades.csv"
    assert list(grading.write(exam_key, [grade], out)) == [grade]
    assert b"M\xfcller" in out.read_bytes()


@pytest.mark.parametrize("text", ["[]", "{}", "x"])
def test_a_file_that_is_no_key_is_refused(text, tmp_path, capsys):
    path = tmp_path / "key.json"
    path.write_text(text)
    assert main(["grade", str(path), str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("catdog: ") and str(path) in said and said.count("\n") == 1
