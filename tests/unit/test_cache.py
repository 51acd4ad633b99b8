"""Photos decoded once: the same pixels, resumed after a kill, never those of something else."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from catdog import CatDogError
from catdog.data import batching, imaging, loading, manifests, organizing, pixel_cache


@pytest.fixture
def folder(photos, make_zip, tmp_path):
    return organizing.organize(make_zip(photos), tmp_path / "data", progress=False)


def load(folder, root, split="train", size=24):
    return pixel_cache.load(folder, split, size, root, progress=False)


def test_it_gives_what_decoding_gives(folder, tmp_path):
    for split, size in (("train", 24), ("validation", 31), (None, 24)):
        found = load(folder, tmp_path / "c", split, size)
        wanted = loading.load(folder, split, size, progress=False)
        assert np.array_equal(found[0], wanted[0]) and found[0].dtype == np.uint8
        assert np.array_equal(found[1], wanted[1]) and found[2] == wanted[2]
    assert isinstance(found[0].base, np.memmap) and not found[0].flags.writeable
    assert not list((tmp_path / "c").rglob("*.part"))


def test_batches_of_it_are_those_of_photos_in_memory(folder, tmp_path):
    one, other = (
        batching.training_batches(*photos[:2], batch_size=8)
        for photos in (load(folder, tmp_path), loading.load(folder, "train", 24, progress=False))
    )
    for (x, y), (a, b) in zip(
        one.take(3).as_numpy_iterator(), other.take(3).as_numpy_iterator(), strict=True
    ):
        assert np.array_equal(x, a) and np.array_equal(y, b)


def test_nothing_is_decoded_twice(folder, tmp_path, monkeypatch):
    first = load(folder, tmp_path / "c")[0]
    monkeypatch.setattr(batching, "file_batches", None)
    assert np.array_equal(load(folder, tmp_path / "c")[0], first)


def test_a_change_is_noticed(photos, make_zip, folder, tmp_path, monkeypatch):
    root = tmp_path / "c"
    seen = {tuple(load(folder, root)[0].ravel())}
    seen.add(tuple(load(folder, root, "validation")[0].ravel()))
    seen.add(tuple(load(folder, root, size=16)[0].ravel()))
    other = organizing.organize(make_zip(photos), tmp_path / "b", seed=2, progress=False)
    seen.add(tuple(load(other, root)[0].ravel()))
    black = np.zeros((24, 24, 3), np.uint8)
    monkeypatch.setattr(imaging, "resize", lambda pixels, size, nearest: black)
    seen.add(tuple(load(folder, root)[0].ravel()))
    assert len(seen) == len(list(root.iterdir())) == 5


@pytest.mark.parametrize("harm", ["cut", "other shape", "other about", "no about"])
def test_a_damaged_file_is_refused(folder, tmp_path, harm):
    load(folder, tmp_path / "c")
    (path,) = (tmp_path / "c").rglob("pixels.npy")
    about = path.with_name("about.json")
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm == "other shape":
        np.save(path, np.zeros((2, 24, 24, 3), np.uint8))
    elif harm == "other about":
        about.write_text(json.dumps({**json.loads(about.read_text()), "size": 25}))
    else:
        about.unlink()
    with pytest.raises(CatDogError, match="(is damaged|not what was written).*Delete its folder"):
        load(folder, tmp_path / "c")


def test_missing_and_broken_photos_are_named(folder, tmp_path):
    one, two = manifests.read(folder, "train")[3:5]
    manifests.path_of(folder, one).rename(tmp_path / "away.jpg")
    with pytest.raises(CatDogError, match=f"{one.file} is missing"):
        load(folder, tmp_path / "c")
    (tmp_path / "away.jpg").rename(manifests.path_of(folder, one))
    manifests.path_of(folder, two).write_bytes(b"\xff\xd8 no photo")
    with pytest.raises(CatDogError, match=f"{two.file} cannot be decoded"):
        load(folder, tmp_path / "c")
    with pytest.raises(CatDogError, match="no photos in the split"):
        load(folder, tmp_path / "c", "test")


def test_no_room_is_seen_before_it_starts(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    monkeypatch.setattr(batching, "file_batches", None)
    with pytest.raises(CatDogError, match="32 photos at 24×24: 0.06 MB do not fit.*Make room"):
        load(folder, tmp_path / "c")


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE")
def test_a_full_disk_is_explained_and_keeps_what_was_done(folder, tmp_path):
    """The system itself refuses to let the file grow, as a full disk would."""
    code = (
        "import resource, signal, sys; from catdog import CatDogError\n"
        "from catdog.data import batching, pixel_cache\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "pixel_cache.PIECE = 8\n"
        "real = batching.file_batches\n"
        "batching.file_batches = lambda w, b, s, nearest: real(w, 8, s)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))\n"
        "try: pixel_cache.load(sys.argv[1], 'train', 24, sys.argv[2], progress=False)\n"
        "except CatDogError as error: print(error)\n"
    )
    root = tmp_path / "c"
    run = [sys.executable, "-c", code, str(folder), str(root)]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert "could not be written" in said and "make room there, then run again" in said
    (part,) = root.rglob("*.part")
    kept = part.read_bytes()
    two_pieces = 128 + 16 * 24 * 24 * 3
    assert two_pieces < len(kept) <= 40_000
    found = load(folder, root)[0]
    assert np.array_equal(found, loading.load(folder, "train", 24, progress=False)[0])
    (whole,) = root.rglob("pixels.npy")
    assert whole.read_bytes()[:two_pieces] == kept[:two_pieces]


def test_what_is_half_there_is_gone_on_with(folder, tmp_path, monkeypatch):
    """Wherever it broke off, the file is the same, and only the broken piece is made again."""
    monkeypatch.setattr(pixel_cache, "PIECE", 8)
    load(folder, tmp_path / "c")
    (path,) = (tmp_path / "c").rglob("pixels.npy")
    whole, each = path.read_bytes(), 24 * 24 * 3
    real, decoded = batching.file_batches, []

    def counted(where, batch_size, size, nearest):
        decoded.append(len(where))
        return real(where, batch_size, size)

    monkeypatch.setattr(batching, "file_batches", counted)
    for length, left in (
        (0, 32),
        (100, 32),
        (128 + 8 * each - 1, 32),
        (128 + 8 * each, 24),
        (128 + 20 * each, 16),
        (128 + 32 * each, 0),
    ):
        path.with_suffix(".part").write_bytes(whole[:length])
        path.unlink()
        load(folder, tmp_path / "c")
        assert path.read_bytes() == whole and decoded.pop() == left
