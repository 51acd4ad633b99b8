"""The chapters: outputs are those of the code, exercises check themselves, all of it runs."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import agreement
import nbformat
import psutil
import pytest
import seeds
import weights

from catdog import CatDogError
from catdog.book import execute, twins, up_to_date
from catdog.cli.main import main
from catdog.core import paths, recording
from catdog.models import backbones
from catdog.training import config

CHAPTERS = execute.chapters()
TWINS = paths.NOTEBOOKS / "text"
VGG16 = weights.vgg16()


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_committed_outputs_are_those_of_the_committed_code(path):
    notebook = nbformat.read(path, 4)
    assert notebook.metadata["catdog"]["code"] == up_to_date.code_hash(notebook)
    assert [c.execution_count for c in cells(path)] == list(range(1, len(cells(path)) + 1))
    for cell in cells(path):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
            kinds = output.get("data", {}).keys()
            assert execute.WIDGET not in kinds
            assert {k for k in kinds if k.startswith("image/")} <= {"image/png", "image/jpeg"}


def test_all_chapters_together_are_small():
    assert sum(path.stat().st_size for path in CHAPTERS) < 8e6


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_cell_has_an_id_of_its_own(path):
    ids = [cell["id"] for cell in json.loads(path.read_text("utf-8"))["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id) for id in ids)


def test_every_chapter_has_its_twin_and_it_is_up_to_date():
    """If not: make text."""
    written = {twin.stem: twin.read_text("utf-8") for twin in TWINS.glob("[0-9]*.md")}
    assert written.keys() == {path.stem for path in CHAPTERS}
    assert [path.stem for path in CHAPTERS if written[path.stem] != twins.text(path)] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_chapter_has_its_parts(path):
    prose = "\n".join(cell.source for cell in cells(path, "markdown"))
    number = path.stem[:2]
    assert prose.startswith(f"# {int(number)}. ")
    for part in ("**You will learn**", "**Time**", "**Hardware**", "## Exercises", "## Summary"):
        assert part in prose, part
    assert "**Read on**" in prose
    assert all(cell.source.count("\n") < 40 for cell in cells(path)), "a cell longer than a screen"


def before_exercises(path):
    """The cells of a chapter that come before its exercises, and those after them."""
    parts = nbformat.read(path, 4).cells
    starts = [c.source.startswith("## Exercises") for c in parts]
    ends = [c.source.startswith("## Summary") for c in parts]
    return parts[: starts.index(True)] + parts[ends.index(True) :]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_prose_comes_in_small_pieces(path):
    parts = before_exercises(path)
    assert len(parts) <= 60
    words = sorted(len(c.source.split()) for c in parts if c.cell_type == "markdown")
    assert words[-1] < 90
    assert words[len(words) // 2] < 30


def test_page_lists_the_chapters_that_correct_the_article():
    page = (paths.NOTEBOOKS / "README.md").read_text("utf-8")
    section = page.split("## What the article got wrong")[1].split("\n## ")[0]
    listed = set(re.findall(r"\(([^)/]*\.ipynb)\)", section))
    boxed = {
        path.name
        for path in CHAPTERS
        if any("> **What the article got wrong.**" in c.source for c in cells(path, "markdown"))
    }
    assert listed == boxed and len(boxed) >= 4


@pytest.fixture(scope="session")
def executed(request, tmp_path_factory):
    """The chapters that are asked for, each executed from a fresh kernel, several at once.

    One that `make run` executed before is not executed again where nothing has changed since: not
    its code, the package, the photos, weights, libraries, their settings, or the processor.
    """
    asked = [
        item.callspec.params["path"].stem
        for item in request.session.items
        if "executed" in getattr(item, "fixturenames", ())
    ]
    runs = tmp_path_factory.mktemp("elsewhere") / "runs"
    folder = runs / "notebooks" / "sample"
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        if VGG16:
            patch.setenv(backbones.WEIGHTS, str(VGG16))
        for path in execute.outdated(asked, "sample")[1]:
            for name in (path.name, f"{path.stem}.json"):
                shutil.copy(paths.RUNS / "notebooks" / "sample" / name, folder)
        patch.setenv("CATDOG_RUNS", str(runs))
        patch.setattr(paths, "RUNS", runs)
        config.scale("sample")
        outcomes = execute.run(asked, jobs=execute.sensible_jobs())
    return folder, {outcome.chapter: outcome for outcome in outcomes}


@pytest.mark.timeout(3600)  # the first one executes all of them
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_runs_from_a_fresh_kernel_and_says_the_same(path, executed):
    folder, outcomes = executed
    outcome = outcomes[path.stem]
    assert outcome.error is None, outcome.error
    assert outcome.result
    agreement.agree(path, folder / path.name)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", [p for p in CHAPTERS if p.stem[:2] == "14"], ids=lambda p: p.stem)
def test_a_small_network_tells_the_drawings_apart(path, executed):
    share = re.match(r"([\d.]+)%", executed[1][path.stem].result)[1]
    assert float(share) > 90


def test_every_chapter_that_trains_has_its_bounds():
    trained = {path.stem for path in CHAPTERS if seeds.trained(nbformat.read(path, 4))}
    assert trained == set(agreement.SEEDS) and len(trained) >= 3
    for path in CHAPTERS:
        notebook = nbformat.read(path, 4)
        if seeds.trained(notebook):
            tagged = {c.id for c in cells(path) if "accuracy" in c.metadata.get("tags", [])}
            assert tagged == set(agreement.SEEDS[path.stem])
            changed = seeds.with_seed(nbformat.read(path, 4), 5)
            assert up_to_date.code_hash(changed) != up_to_date.code_hash(notebook)


@pytest.fixture
def small_chapters(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name, code in (
        ("01_good", "print('a result')"),
        ("02_bad", "x = 1\nraise ValueError('no such thing')"),
        ("03_good", "import os\nprint('scale', os.environ['SCALE'])"),
    ):
        cell = nbformat.v4.new_code_cell(code)
        cell.metadata["tags"] = ["result"]
        first = nbformat.v4.new_markdown_cell("# A chapter")
        nbformat.write(nbformat.v4.new_notebook(cells=[first, cell]), folder / f"{name}.ipynb")
    monkeypatch.setattr(paths, "NOTEBOOKS", folder)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    return folder


def test_a_failed_chapter_names_its_cell_and_the_others_run(small_chapters):
    before = {p: p.read_bytes() for p in small_chapters.iterdir()}
    outcomes = execute.run()
    said = execute.summary(outcomes)
    assert "cell 2 of 02_bad.ipynb" in said and "ValueError: no such thing" in said
    assert "raise ValueError" in said
    assert [o.result for o in outcomes if not o.error] == ["a result", "scale sample"]
    assert {p: p.read_bytes() for p in small_chapters.iterdir()} == before
    again = execute.run()
    assert [o.cached for o in again] == [True, False, True]
    assert [o.result for o in again if o.cached] == ["a result", "scale sample"]


def test_a_chapter_that_makes_no_progress_is_given_up_and_the_others_run(small_chapters):
    code(small_chapters, "02_bad", "import threading\nthreading.Event().wait()")
    outcomes = execute.run(stall=3)
    said = execute.summary(outcomes)
    assert [bool(o.error) for o in outcomes] == [False, True, False]
    assert "02_bad failed in cell 2 of 02_bad.ipynb" in said
    assert "for 3 s its kernel has neither computed nor sent anything" in said
    assert main(["run", "--stall", "-1"]) == 2


def test_a_changed_chapter_runs_again_and_an_unknown_one_is_refused(small_chapters):
    execute.run(["01"])
    path = small_chapters / "01_good.ipynb"
    path.write_text(path.read_text().replace("a result", "another"))
    assert [(o.cached, o.result) for o in execute.run(["01"])] == [(False, "another")]
    with pytest.raises(CatDogError, match="The chapters: 01_good, 02_bad"):
        execute.run(["07"])


def test_a_chapter_runs_again_on_another_machine_or_with_other_libraries(
    small_chapters, monkeypatch
):
    def cached():
        return execute.run(["01"])[0].cached

    code(small_chapters, "01_good", "print('vgg16')")
    had = backbones.available("vgg16")
    assert [cached(), cached()] == [False, True]
    with monkeypatch.context() as patch:
        patch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
        assert [cached(), cached()] == [False, True]
    assert not cached()
    for module, name, value in (
        (up_to_date.resources, "instruction_sets", lambda: ["none"]),
        (recording, "versions", lambda: {"keras": "4.0"}),
        (backbones, "available", lambda _: not had),
    ):
        monkeypatch.setattr(module, name, value)
        assert [cached(), cached()] == [False, True], name
    assert cached()


def test_the_command_and_the_tests_mean_the_same_by_up_to_date():
    path = CHAPTERS[9]
    code = (
        "import pathlib, sys; from catdog.core.starting import load_keras; load_keras();"
        "from catdog.book import up_to_date; path = pathlib.Path(sys.argv[1]);"
        "print(up_to_date.key(path, up_to_date.code(path), 'sample'))"
    )
    line = [sys.executable, "-c", code, str(path)]
    said = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    assert said == up_to_date.key(path, up_to_date.code(path), "sample")


def test_at_sample_scale_trainings_and_features_are_made_anew(
    small_chapters, monkeypatch, tmp_path
):
    monkeypatch.setenv("CATDOG_RUNS", str(tmp_path / "the reader's"))
    code(
        small_chapters,
        "01_good",
        "from catdog import paths\nassert paths.RUNS.parent == paths.FEATURES.parent\n"
        "print(paths.RUNS)",
    )
    said = [execute.run(["01"], force=True)[0].result for _ in range(2)]
    assert len({"", str(tmp_path / "the reader's"), *said}) == 4
    assert not any(Path(folder).exists() for folder in said)
    code(small_chapters, "01_good", "from catdog import paths\nprint(paths.RUNS)")
    assert execute.run(["01"], scale="full")[0].result == str(tmp_path / "the reader's")


def test_a_damaged_chapter_is_named_and_the_others_run(small_chapters):
    (small_chapters / "01_good.ipynb").write_text('{"cells": [\n<<<<<<< HEAD\n')
    for jobs in (1, 2):
        outcomes = execute.run(["01", "03"], jobs=jobs)
        assert "01_good.ipynb, which cannot be read" in outcomes[0].error
        assert outcomes[1].result == "scale sample"


def test_what_was_changed_while_it_ran_is_left_and_not_up_to_date(small_chapters):
    path = small_chapters / "01_good.ipynb"
    edit = f"p = {str(path)!r}\nt = open(p).read().replace('x = 1', 'x = 2')\nopen(p, 'w').write(t)"
    code(small_chapters, "01_good", f"x = 1\n{edit};")
    (outcome,) = execute.run(["01"])
    assert outcome.error is None
    assert "x = 2" in path.read_text() and not execute.run(["01"])[0].cached
    code(small_chapters, "01_good", f"x = 1\n{edit};")
    (outcome,) = execute.run(["01"], in_place=True)
    assert "01_good.ipynb, which was changed meanwhile" in outcome.error
    assert "x = 2" in path.read_text()


def test_in_place_keeps_the_ids_and_writes_the_twin(small_chapters):
    path = small_chapters / "01_good.ipynb"
    notebook = nbformat.read(path, 4)
    first, last = (cell.id for cell in notebook.cells)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell("Something *new*."))
    new = notebook.cells[1].id
    nbformat.write(notebook, path)
    (outcome,) = execute.run(["01"], in_place=True)
    assert outcome.result == "a result"
    done = nbformat.read(path, 4)
    assert [cell.id for cell in done.cells] == [first, new, last]
    assert done.cells[2].outputs[0].text == "a result\n"
    twin = (small_chapters / "text" / "01_good.md").read_text("utf-8")
    assert "Something *new*.\n" in twin and "print('a result')\n" in twin
    assert last not in twin and "\na result" not in twin
    assert not (small_chapters / "text" / "02_bad.md").exists()


def test_in_place_leaves_a_chapter_that_fails_and_makes_nothing_up_to_date(small_chapters):
    path = small_chapters / "02_bad.ipynb"
    before = path.read_bytes()
    (outcome,) = execute.run(["02"], in_place=True)
    assert "is left as it is" in outcome.error and path.read_bytes() == before
    execute.run(["01"])
    code(small_chapters, "01_good", "print('a newer result')")
    execute.run(["01"], in_place=True)
    (outcome,) = execute.run(["01"])  # what stands in runs/ is of the older code
    assert (outcome.cached, outcome.result) == (False, "a newer result")


def test_in_place_without_jupytext_runs_nothing(small_chapters, monkeypatch):
    monkeypatch.setattr(twins.importlib.util, "find_spec", lambda _: None)
    before = (small_chapters / "01_good.ipynb").read_bytes()
    with pytest.raises(CatDogError, match="pip install jupytext"):
        execute.run(["01"], in_place=True)
    assert (small_chapters / "01_good.ipynb").read_bytes() == before


def code(folder, stem, text):
    """Give a small chapter other code."""
    path = folder / f"{stem}.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells[1].source = text
    nbformat.write(notebook, path)


WAIT = """
import pathlib, time
pathlib.Path("{mine}").touch()
for _ in range(300):
    if pathlib.Path("{other}").exists():
        break
    time.sleep(0.1)
else:
    raise TimeoutError("{other}")
print("{mine} met {other}")
"""


def test_several_chapters_run_at_once_and_are_told_of_in_their_order(small_chapters, capfd):
    code(small_chapters, "01_good", WAIT.format(mine="a", other="b") + "time.sleep(0.5)")
    code(small_chapters, "03_good", WAIT.format(mine="b", other="a"))
    told = []
    outcomes = execute.run(["01", "03", "02"], told=told.append, jobs=2)
    assert [o.result for o in outcomes] == ["a met b", "b met a", ""]
    assert [bool(o.error) for o in outcomes] == [False, False, True]
    assert sorted(o.chapter for o in told) == sorted(o.chapter for o in outcomes)
    said = capfd.readouterr().err
    assert "01_good: 100%" in said and "03_good: 100%" in said
    assert all(o.cached for o in execute.run(["01", "03"], jobs=2))


def test_an_interrupt_stops_all_and_writes_nothing(small_chapters):
    code(small_chapters, "02_bad", "import os\nopen('pid', 'w').write(str(os.getpid()))")
    code(small_chapters, "01_good", WAIT.format(mine="a", other="pid") + "time.sleep(300)")
    made = paths.RUNS / "notebooks" / "sample"
    before = set(psutil.Process().children(recursive=True))

    def kernels():
        """The processes that came since."""
        return set(psutil.Process().children(recursive=True)) - before

    def interrupted(outcome):
        assert outcome.chapter == "02_bad"
        until = time.monotonic() + 30
        while len(kernels()) < 2 and time.monotonic() < until:  # 03_good's is just beginning
            time.sleep(0.005)
        assert len(kernels()) >= 2
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        execute.run(told=interrupted, jobs=2)
    assert time.monotonic() - started < 60
    assert not (made / "01_good.ipynb").exists() and not (made / "03_good.ipynb").exists()
    assert not kernels()


def test_how_many_at_once_follows_cores_memory_and_scale(monkeypatch):
    monkeypatch.setattr(execute.os, "sched_getaffinity", lambda _: range(3), raising=False)
    for gigabytes, jobs in ((1, 1), (9, 2), (64, 3)):
        free = SimpleNamespace(available=gigabytes * 2**30)
        monkeypatch.setattr(execute.psutil, "virtual_memory", lambda free=free: free)
        assert execute.sensible_jobs() == jobs
    assert execute.sensible_jobs("full") == 1
    assert main(["run", "--jobs", "0"]) == 2


def test_unknown_scale_and_missing_photos_are_explained(monkeypatch, capsys, tmp_path):
    from dataclasses import replace

    with pytest.raises(CatDogError, match="must be one of sample, full"):
        config.scale("huge")
    full = replace(config.SCALES["full"], folder=tmp_path / "photos")
    monkeypatch.setitem(config.SCALES, "full", full)
    assert main(["run", "--scale", "full"]) == 1
    assert "catdog data archive PATH" in capsys.readouterr().err
