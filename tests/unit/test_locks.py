"""Two programs at work in one folder: the second waits, or says so in one sentence."""

import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from catdog import CatDogError
from catdog.core import files
from catdog.data import loading, organizing
from catdog.models import features
from catdog.studies import search_runs

SMALL = dict(backbone="efficientnet-lite0", size=64, weights=None, shard=8, progress=False)


@pytest.fixture
def other(tmp_path):
    """Another program that has a lock, for some seconds or until the test ends."""
    started = []

    def start(path, seconds=600):
        code = (
            "import sys, time; from catdog.core import files\n"
            "with files.lock(sys.argv[1], 'holding'):\n"
            "    print('has it', flush=True); time.sleep(float(sys.argv[2]))\n"
        )
        line = [sys.executable, "-c", code, str(path), str(seconds)]
        started.append(subprocess.Popen(line, stdout=subprocess.PIPE))
        assert started[-1].stdout.readline() == b"has it\n"
        return started[-1]

    yield start
    for program in started:
        program.kill()
        program.wait()


def test_lock_of_another_program_is_named_then_free_when_it_is_killed(other, tmp_path):
    program = other(tmp_path / "run" / ".lock")
    wanted = "another program is training in .*run: wait for it, or choose another folder"
    with pytest.raises(CatDogError, match=wanted), files.lock(tmp_path / "run/.lock", "training"):
        pass
    program.kill()
    with files.lock(tmp_path / "run" / ".lock", "training"):
        pass


def test_lock_waits_as_long_as_it_takes_and_says_so(other, tmp_path, capsys):
    other(tmp_path / ".lock", 4)
    started = time.monotonic()
    with files.lock(tmp_path / ".lock", "decoding photos", wait=None):
        assert time.monotonic() - started > 2
    assert capsys.readouterr().err.endswith(f"decoding photos in {tmp_path}: waiting for it …\n")


def both(code, *arguments):
    """Run code in two programs at once; return the last line of each."""
    line = [sys.executable, "-c", code, *map(str, arguments)]
    pair = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [program.communicate(timeout=200)[0] for program in pair]
    assert [program.returncode for program in pair] == [0, 0]
    return [text.splitlines()[-1] for text in said]


SLOWLY = (
    "import sys, time; from catdog.data import {0}, {1}\n"
    "made, real = [], {0}.{2}\n"
    "def slow(*all, **how): made.append(1); time.sleep({3}); return real(*all, **how)\n"
    "{0}.{2} = slow\n"
)


def test_pixel_cache_twice_at_once_decodes_once(photos, make_zip, tmp_path):
    folder = organizing.organize(make_zip(photos), tmp_path / "data", progress=False)
    code = SLOWLY.format("batching", "pixel_cache", "file_batches", 2) + (
        "found = pixel_cache.load(sys.argv[1], 'train', 24, sys.argv[2], progress=False)\n"
        "print(len(made), int(found[0].sum()))"
    )
    total = loading.load(folder, "train", 24, progress=False)[0].sum()
    said = sorted(both(code, folder, tmp_path / "c"))
    assert said == [f"0 {total}", f"1 {total}"]


def test_features_wait_for_another_program(photos, make_zip, tmp_path, other, capsys, few_blocks):
    folder = organizing.organize(make_zip(photos), tmp_path / "data", progress=False)
    found = features.extract(folder, "train", root=tmp_path / "f", **SMALL)
    before = np.asarray(found)
    found.shards[2].unlink()
    other(found.shards[0].with_name(".lock"), 4)
    again = features.extract(folder, "train", root=tmp_path / "f", **SMALL)
    assert "another program is computing features" in capsys.readouterr().err
    assert found.shards[2].exists() and np.array_equal(np.asarray(again), before)


def test_search_in_the_database_of_another_program_is_refused(other, tmp_path, monkeypatch):
    class Begun(Exception):
        pass

    def begin(way, photos, plan, file, *more):
        raise Begun(file)

    scale = SimpleNamespace(name="sample", folder=tmp_path)
    monkeypatch.setattr(search_runs.config, "scale", lambda _: scale)
    monkeypatch.setattr(search_runs.manifests, "reference", lambda _: {"manifest_sha256": "0"})
    monkeypatch.setattr(search_runs.loading, "load", lambda *_: (None, None))
    monkeypatch.setattr(search_runs, "search", begin)
    with pytest.raises(Begun) as begun:
        search_runs.run(folder=tmp_path)
    other(begun.value.args[0].with_suffix(".lock"))
    with pytest.raises(CatDogError, match="another program is searching in .*: wait for it"):
        search_runs.run(folder=tmp_path)
