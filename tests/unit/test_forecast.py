"""What a run of chapters says before it starts, and after it."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from catdog.book import execute, forecast
from catdog.core import paths, resources


@pytest.fixture
def record(tmp_path, monkeypatch):
    """A recorded run: 600 processor seconds on two cores at 100 GFLOP/s."""
    (tmp_path / "records").mkdir()
    cost = {"01_a": 100, "02_b": 500}
    found = {
        "cores": 2,
        "matrix_gflops": 100,
        "chapters": {k: {"cpu_seconds": v, "peak_memory_gb": v / 100} for k, v in cost.items()},
    }
    for name in forecast.RECORDS.values():
        (tmp_path / "records" / f"{name}.json").write_text(json.dumps(found))
    monkeypatch.setattr(paths, "MODELS", tmp_path)
    monkeypatch.setattr(resources, "cores", lambda: 2)
    return [Path("01_a.ipynb"), Path("02_b.ipynb")]


def test_needs_scales_the_recorded_time_with_the_speed_of_the_machine(
    record, monkeypatch, tmp_path
):
    monkeypatch.setattr(forecast, "speed", lambda: 100.0)
    assert "2 chapters, 2 at a time, about 5 min" in forecast.needs(record, "sample", 2, tmp_path)
    monkeypatch.setattr(forecast, "speed", lambda: 50.0)
    assert "about 10 min" in forecast.needs(record, "sample", 2, tmp_path)


def test_needs_says_which_full_scale_takes_hours(record, tmp_path):
    assert "minutes each" in forecast.needs(record, "full", 1, tmp_path)
    hours = paths.NOTEBOOKS / f"{forecast.HOURS}.ipynb"
    assert hours.exists()
    assert "hours without a GPU" in forecast.needs([hours], "full", 1, tmp_path)


def test_needs_says_memory_disk_and_what_is_drawn(record, monkeypatch, tmp_path):
    monkeypatch.setattr(forecast, "speed", lambda: 100.0)
    said = forecast.needs(record, "sample", 2, tmp_path / "missing")
    assert "2,000 are drawn first" in said and "6.0 GB of memory" in said
    assert re.search(r"0\.3 GB of disk \([\d.]+ free\)", said)
    assert "Photos" not in forecast.needs(record, "sample", 2, None)
    nothing = SimpleNamespace(available=1e9, free=1e7)
    monkeypatch.setattr(forecast.psutil, "virtual_memory", lambda: nothing)
    monkeypatch.setattr(forecast.shutil, "disk_usage", lambda _: nothing)
    said = forecast.needs(record, "sample", 2, tmp_path)
    assert "close other programs" in said and "make some" in said


def test_longest_first_puts_unknown_chapters_before_all(record):
    new = Path("03_new.ipynb")
    assert forecast.longest_first([*record, new]) == [new, record[1], record[0]]


def test_longest_names_what_took_longest():
    ran = [execute.Outcome("01_a", 1.0, ""), execute.Outcome("02_b", 9.0, "")]
    cached = execute.Outcome("03_c", 99.0, "", cached=True)
    assert forecast.longest([*ran, cached]) == "Longest: 02_b 9 s, 01_a 1 s"
    assert forecast.longest([cached]) == "Nothing had to be executed."


def test_speed_is_that_of_this_machine():
    assert 1 < forecast.speed(0.2) < 1e5


def test_committed_records_know_every_chapter():
    for name in forecast.RECORDS.values():
        found = json.loads((paths.MODELS / "records" / f"{name}.json").read_text())
        assert set(found["chapters"]) == {path.stem for path in execute.chapters()}
        assert all(one["peak_memory_gb"] > 0.1 for one in found["chapters"].values())
