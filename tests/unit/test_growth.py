"""The measurement of growth: its photos are many, labelled, and no two alike."""

import hashlib
import json
import sys

import numpy as np
import pytest

from benchmarks import isolation, scaling
from catdog import CatDogError
from catdog.core import parallel
from catdog.data import imaging, manifests, organizing, sources


@pytest.fixture
def folder(photos, make_zip, tmp_path):
    return organizing.organize(make_zip(photos), tmp_path / "data", progress=False)


def test_photos_are_repeated_as_different_files_of_the_same_picture(folder):
    entries = scaling.repeated(folder, 100)
    blobs = [entry.read() for entry in entries]
    assert len({hashlib.sha256(blob).hexdigest() for blob in blobs}) == 100
    assert all(sources.check_photo(blob) == (32, 24) for blob in blobs)
    assert {entry.label for entry in scaling.repeated(folder, 4)} == {"cat", "dog"}
    pictures = [imaging.decode(blob, 24) for blob in blobs]
    assert np.array_equal(pictures[3], pictures[43]) and np.array_equal(pictures[3], pictures[83])
    assert not np.array_equal(pictures[3], pictures[4])


def test_what_would_take_too_long_is_left_out():
    rows = [{"n": 10, "seconds": 5.0, "images_per_second": 2.0}]
    assert scaling._expected([], 10) == 0
    assert scaling._expected(rows, 30) == 15
    rows.append({"n": 20, "seconds": 6.0, "images_per_second": 3.3, "more_images_per_second": 10.0})
    assert scaling._expected(rows, 120) == 16
    assert scaling._expected([*rows, {"n": 50, "left_out": 9}], 120) == 16
    rows[-1] |= {"images_per_second": 4.0, "more_images_per_second": None}  # it was no slower
    assert scaling._expected(rows, 120) == 31


def test_the_steps_are_measured_in_processes_of_their_own(folder):
    found = scaling.growth(folder, (8, 60), ("organize",))
    assert (found["numbers"], found["longest"]) == ([8, 60], 240)
    found = found["steps"] | scaling.growth(folder, (60,), ("cache", "batches"))["steps"]
    assert {step: [row["n"] for row in rows] for step, rows in found.items()} == {
        "organize": [8, 60],
        "cache": [60],
        "batches": [60],
    }
    for rows in found.values():
        for row in rows:
            assert row["images_per_second"] == pytest.approx(row["n"] / row["seconds"], rel=0.01)
            assert 0.01 < row["peak_memory_gb"] < 4
    # organizing needs no Keras, and a process that is new has not what another has taken
    assert found["organize"][1]["peak_memory_gb"] < 0.2 < found["cache"][0]["peak_memory_gb"]


def test_left_out_steps_stand_in_the_record(folder, monkeypatch):
    measured = []

    def measure(step, *_):
        measured.append(step)
        return {"n": 10, "seconds": 5.0, "images_per_second": 2.0, "peak_memory_gb": 0.1}

    monkeypatch.setattr(scaling, "_measured", measure)
    found = scaling.growth(folder, (10, 1000), longest=100)
    assert measured == ["organize", "cache", "batches", "features"]
    assert found["steps"]["organize"][1] == {"n": 1000, "left_out": 500}


def test_a_step_that_fails_says_why(folder, tmp_path, capsys):
    with pytest.raises(CatDogError, match="cache of 5 photos failed.*no organized data set"):
        scaling._measured("cache", folder, str(tmp_path / "nothing"), 5, [])
    scaling.run("organize", str(folder), str(tmp_path / "o"), "9")
    said = json.loads(capsys.readouterr().out)
    assert said["seconds"] > 0
    assert len(manifests.read(tmp_path / "o" / "photos")) == 9


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the two apart")
def test_pages_of_a_mapped_file_are_not_a_process_own(tmp_path):
    """In a process of its own: a large one has room inside for what is allocated here."""
    np.save(tmp_path / "large.npy", np.ones(50_000_000, np.uint8))
    code = """
import json, sys
import numpy as np
from benchmarks import isolation
before = isolation.own_memory_gb()
mapped = np.load(sys.argv[1], mmap_mode="r")
assert mapped[::1000].sum() == 50_000
after_mapping = isolation.own_memory_gb()
own = np.ones(50_000_000, np.uint8)
print(json.dumps([after_mapping - before, isolation.own_memory_gb() - after_mapping]))
"""
    said = isolation.run_in_subprocess(code, tmp_path / "large.npy", what="the measurement")
    by_mapping, by_allocating = json.loads(said)
    assert by_mapping < 0.02
    assert by_allocating == pytest.approx(0.05, abs=0.01)  # 50 MB, and what Python needs


def test_only_a_few_are_made_ahead_and_in_their_order():
    begun = []

    def square(x):
        begun.append(x)
        return x * x

    numbers = iter(range(10_000))
    found = parallel.parallel_map(square, numbers)
    assert [next(found) for _ in range(5)] == [0, 1, 4, 9, 16]
    found.close()
    assert len(begun) < 5 + 3 * (organizing.os.cpu_count() or 1) + 2
    with pytest.raises(ZeroDivisionError):
        list(parallel.parallel_map(lambda x: 1 / x, [1, 0, 2]))
