"""Files are written whole or not at all, and errors say what to do."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from catdog import CatDogError
from catdog.core import files


def test_write_replaces_the_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "new" / "note.json"
    files.write(path, "1 × 2")
    files.write(path, b"3")
    with files.atomic_write(path) as part:
        part.write_text("4")
        assert path.read_text() == "3" and part.suffix == ".json"
    assert path.read_text() == "4" and os.listdir(path.parent) == ["note.json"]


def test_new_file_leaves_one_that_came_meanwhile(tmp_path):
    path = tmp_path / "submission.csv"
    other = tmp_path / "submission-new.csv"
    with pytest.raises(CatDogError, match=f"left as it is: this one is {other}"):
        with files.atomic_write(path, new=True) as part:
            part.write_text("mine")
            path.write_text("another's")
    assert (path.read_text(), other.read_text()) == ("another's", "mine")


def test_write_keeps_the_old_file_after_an_error(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="of the block"), files.atomic_write(path) as part:
        part.write_text("half")
        raise ValueError("of the block")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["note.txt"]


@pytest.mark.parametrize(
    "number, advice",
    [
        (errno.ENOSPC, "No space left on device.: make room there"),
        (errno.EROFS, "Read-only file system.: choose a folder that you may write to"),
        (errno.EIO, "Input/output error.: see that its disk has room"),
    ],
)
def test_write_says_what_to_do(tmp_path, monkeypatch, number, advice):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(CatDogError, match=f"note.txt could not be written .{advice}"):
        files.write(tmp_path / "note.txt", "new")
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE")
def test_write_to_a_full_disk(tmp_path):
    """The system itself refuses to let the file grow, as a full disk would."""
    code = (
        "import resource, signal, sys; from catdog import CatDogError\n"
        "from catdog.core import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: files.write(sys.argv[1], bytes(5000))\n"
        "except CatDogError as error: print(error)\n"
    )
    run = [sys.executable, "-c", code, str(tmp_path / "note")]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert "note could not be written (File too large): make room there" in said
    assert not os.listdir(tmp_path)


def test_sha256_and_key_are_those_of_hashlib(tmp_path):
    (tmp_path / "x").write_bytes(b"a photo" * 100_000)
    assert files.sha256(tmp_path / "x") == hashlib.sha256(b"a photo" * 100_000).hexdigest()
    wanted = hashlib.sha256(b'{"a": 1, "b": [2]}').hexdigest()
    assert files.key({"b": (2,), "a": 1}, 10) == wanted[:10]
