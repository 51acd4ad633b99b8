import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from pictures import jpeg

from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import imaging, manifests, organizing, sources


def tree(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.mark.parametrize(
    "path, expected",
    [
        ("train/cat.12.jpg", ("cat", "cat.12.jpg")),
        ("my cat photos/dog.7.jpg", ("dog", "dog.7.jpg")),
        ("PetImages/Dog/3.jpg", ("dog", "dog.3.jpg")),
        ("x\\PetImages\\Cat\\3.jpg", ("cat", "cat.3.jpg")),
        ("cats/holiday.jpg", None),
        ("Cat/3.jpg", None),
        ("cat.1.png", None),
    ],
)
def test_label_comes_from_the_files_own_name(path, expected):
    assert sources.label_of(path) == expected


def test_organize_is_stratified_complete_and_idempotent(photos, make_zip, tmp_path):
    source = make_zip(photos)
    folder = organizing.organize(source, tmp_path / "data", ratio=0.25, progress=False)
    assert manifests.metadata(folder)["counts"] == {
        "train": {"cat": 15, "dog": 15},
        "validation": {"cat": 5, "dog": 5},
    }
    for photo in manifests.read(folder):
        blob = manifests.path_of(folder, photo).read_bytes()
        assert blob == photos[f"train/{photo.file}"]
        assert (photo.width, photo.height, photo.bytes) == (32, 24, len(blob))
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert organizing.organize(source, tmp_path / "data", ratio=0.25, progress=False) == folder
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


def test_same_seed_same_split_other_seed_other_split(photos, make_zip, tmp_path):
    source = make_zip(photos)
    made = [
        tree(organizing.organize(source, tmp_path / str(i), n=20, seed=seed, progress=False))
        for i, seed in enumerate((1, 1, 2))
    ]
    assert made[0] == made[1]
    assert made[0].keys() != made[2].keys()


def test_a_folder_whose_path_contains_cat_is_read_by_file_names(photos, tmp_path):
    source = tmp_path / "cat.1.jpg cats"
    for file, blob in photos.items():
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_bytes(blob)
    before = tree(source)
    folder = organizing.organize(source, tmp_path / "data", progress=False)
    assert manifests.metadata(folder)["counts"]["train"] == {"cat": 16, "dog": 16}
    assert tree(source) == before


def test_duplicates_stay_on_one_side(photos, make_zip, tmp_path):
    for i in range(10):
        photos[f"train/cat.{i}.jpg"] = photos["train/cat.0.jpg"]
    photos["train/dog.3.jpg"] = photos["train/cat.11.jpg"]
    source = make_zip(photos)
    for seed in range(8):
        folder = organizing.organize(source, tmp_path / str(seed), seed=seed, progress=False)
        sides = {}
        for photo in manifests.read(folder):
            sides.setdefault(photo.sha256, set()).add(photo.split)
        assert all(len(side) == 1 for side in sides.values())


def test_broken_photos_are_set_aside_and_listed(photos, make_zip, tmp_path):
    photos["train/cat.100.jpg"] = jpeg(1, (200, 200))[:3000]
    photos["train/cat.101.jpg"] = b""
    photos["train/dog.100.jpg"] = b"GIF89a no photo"
    folder = organizing.organize(make_zip(photos), tmp_path / "data", progress=False)
    listed = {b["file"] for b in manifests.metadata(folder)["set_aside"]}
    assert listed == {"cat.100.jpg", "cat.101.jpg", "dog.100.jpg"}
    assert {p.name for p in (folder / "set_aside").iterdir()} == listed
    assert len(manifests.read(folder)) == 40


def test_absurd_image_size_is_set_aside(photos, make_zip, tmp_path, monkeypatch):
    monkeypatch.setattr(imaging, "MAX_PIXELS", 1000)
    photos["train/cat.100.jpg"] = jpeg(1, (100, 100))
    folder = organizing.organize(make_zip(photos), tmp_path / "data", progress=False)
    (item,) = manifests.metadata(folder)["set_aside"]
    assert item["file"] == "cat.100.jpg" and "more than 4,000 pixels" in item["reason"]


@pytest.mark.parametrize(
    "name", ["../cat.1.jpg", "/etc/cat.1.jpg", "a/../../cat.1.jpg", "C:\\cat.1.jpg"]
)
def test_entries_that_leave_the_folder_are_refused(name, photos, make_zip, tmp_path):
    with pytest.raises(CatDogError, match="leave the folder"):
        organizing.organize(make_zip({**photos, name: b"x"}), tmp_path / "data", progress=False)
    assert not (tmp_path / "data" / "photos").exists()


def test_bomb_is_refused(photos, tmp_path):
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/cat.1.jpg", bytes(8 * 2**20))
    with pytest.raises(CatDogError, match="no photo"):
        organizing.organize(path, tmp_path / "data", progress=False)


def test_bad_sources_are_explained(photos, make_zip, tmp_path):
    def fails(source, match, **kwargs):
        with pytest.raises(CatDogError, match=match):
            organizing.organize(source, tmp_path / "data", progress=False, **kwargs)

    whole = make_zip(photos)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[:-1000])
    fails(cut, "not a whole zip")
    fails(tmp_path / "absent.zip", "no such file")
    fails(make_zip({"a/readme.txt": b"x"}, "none.zip"), "no photo named")
    fails(make_zip({"a/cat.1.jpg": b"x", "b/cat.1.jpg": b"y"}, "two.zip"), "two photos")
    fails(make_zip({"a/cat.1.jpg": b"x"}, "bad.zip"), "none of its")
    fails(whole, "only 40", n=41)
    fails(whole, "at least 4", n=3)
    fails(whole, "between 0 and 1", ratio=1.0)
    fails(whole, "cannot name", name="../x")


def test_other_settings_never_overwrite(photos, make_zip, tmp_path):
    source = make_zip(photos)
    folder = organizing.organize(source, tmp_path / "data", progress=False)
    before = tree(folder)
    with pytest.raises(CatDogError, match="other settings"):
        organizing.organize(source, tmp_path / "data", n=20, progress=False)
    assert tree(folder) == before


def test_a_full_disk_is_explained_and_loses_nothing(photos, make_zip, tmp_path, monkeypatch):
    source = make_zip(photos)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(organizing.Path, "write_bytes", full)
        with pytest.raises(CatDogError, match="No space left.*make room there"):
            organizing.organize(source, tmp_path / "data", progress=False)
    assert not (tmp_path / "data" / "photos").exists()
    organizing.organize(source, tmp_path / "data", progress=False)


@pytest.mark.parametrize("photos_before_kill", [0, 1, 150, 399])
def test_killed_organize_completes_on_the_next_run(photos_before_kill, make_zip, tmp_path):
    source = make_zip({f"{lb}.{i}.jpg": jpeg(i) for lb in ("cat", "dog") for i in range(200)})
    script = (
        "import time, sys; from catdog.data import organizing, sources\n"
        "real = sources.check_photo; count = [0]\n"
        "def slow(blob):\n"
        "    count[0] += 1\n"
        "    if count[0] > int(sys.argv[3]): print('here', flush=True); time.sleep(60)\n"
        "    return real(blob)\n"
        "sources.check_photo = slow\n"
        "organizing.organize(sys.argv[1], sys.argv[2], progress=False)"
    )
    root = tmp_path / "data"
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(source), str(root), str(photos_before_kill)],
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline().startswith(b"here")
    time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (root / "photos").exists()
    folder = organizing.organize(source, root, progress=False)
    assert len(manifests.read(folder)) == 400
    assert {p.name for p in root.iterdir()} == {"photos", ".photos.lock"}


def test_command_reports_counts_and_errors(photos, make_zip, tmp_path, capsys):
    source = make_zip(photos)
    assert main(["data", "archive", str(source), "--root", str(tmp_path / "d")]) == 0
    assert "16 cats, 16 dogs" in capsys.readouterr().out
    assert main(["data", "archive", str(tmp_path / "no.zip"), "--root", str(tmp_path / "d")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_manifest_has_the_documented_columns(photos, make_zip, tmp_path):
    folder = organizing.organize(make_zip(photos), tmp_path / "data", progress=False)
    with open(folder / "manifest.csv", newline="") as stream:
        assert next(csv.reader(stream)) == "file label split width height bytes sha256".split()
    assert set(json.loads((folder / "dataset.json").read_text())) == {
        "settings",
        "manifest_sha256",
        "counts",
        "set_aside",
    }
    with pytest.raises(CatDogError, match="no organized data set"):
        manifests.read(tmp_path)
