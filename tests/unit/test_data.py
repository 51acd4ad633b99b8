import csv
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from pictures import jpeg

from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import imaging, manifests, organizing, sources


def tree(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def write(files, folder):
    for name, blob in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(blob)
    return folder


@pytest.fixture
def make_inner():
    """Return the bytes of a zip of name → bytes."""

    def make(files, method=zipfile.ZIP_STORED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, blob in files.items():
                archive.writestr(name, blob)
        return out.getvalue()

    return make


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
    source = write(photos, tmp_path / "cat.1.jpg cats")
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
    bad = {f"a/{label}.{i}.jpg": b"x" for label in ("cat", "dog") for i in range(3)}
    fails(make_zip(bad, "bad.zip"), r"none of its 6 .* The first, cat.0.jpg: cannot be decoded")
    fails(whole, "only 40", n=41)
    fails(whole, "at least 4", n=3)
    fails(whole, "between 0 and 1", ratio=1.0)
    fails(whole, "cannot name", name="../x")


def test_download_all_is_read_as_the_train_zip_in_it(photos, make_zip, make_inner, tmp_path):
    inner = make_inner(photos)
    outer = make_zip({"test1.zip": b"not asked for", "train.zip": inner, "sample.csv": b""})
    folder = organizing.organize(outer, tmp_path / "data", progress=False)
    assert len(manifests.read(folder)) == 40
    unpacked = tmp_path / "dogs-vs-cats"
    unpacked.mkdir()
    (unpacked / "train.zip").write_bytes(inner)
    other = organizing.organize(unpacked, tmp_path / "data", "other", progress=False)
    assert manifests.read(other) == manifests.read(folder)
    deeper = make_zip({"train.zip": make_inner({"train.zip": inner})}, "deeper.zip")
    with pytest.raises(CatDogError, match="no photo named"):
        organizing.organize(deeper, tmp_path / "data", "deeper", progress=False)
    cut = make_zip({"train.zip": inner[:-1000]}, "cut.zip")
    with pytest.raises(CatDogError, match="train.zip in .*cut.zip: not a whole zip"):
        organizing.organize(cut, tmp_path / "data", "cut", progress=False)


def test_bomb_in_an_archive_in_an_archive_is_refused(make_zip, make_inner, tmp_path, monkeypatch):
    bomb = make_inner({"cat.1.jpg": bytes(8 * 2**20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(CatDogError, match="'cat.1.jpg' claims 8,388,608 bytes"):
        sources.entries(make_zip({"train.zip": bomb}))
    monkeypatch.setattr(sources, "MAX_ARCHIVE_BYTES", 1000)
    with pytest.raises(CatDogError, match="'train.zip' claims"):
        sources.entries(make_zip({"train.zip": bomb}))


def test_large_files_beside_the_photos_are_left_alone(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_PHOTO_BYTES", 2**20)
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, blob in photos.items():
            archive.writestr(name, blob)
        archive.writestr("train/table.csv", bytes(8 * 2**20))
        archive.writestr("train/video.mp4", os.urandom(2**20 + 1))
    assert len(sources.entries(path)) == 40


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_entry_is_set_aside(method, photos, make_inner, tmp_path):
    blob = bytearray(make_inner(photos, method))
    at = blob.index(b"train/cat.7.jpg") + len("train/cat.7.jpg")
    blob[at : at + 40] = b"\xff" * 40
    path = tmp_path / "train.zip"
    path.write_bytes(blob)
    folder = organizing.organize(path, tmp_path / "data", progress=False)
    (item,) = manifests.metadata(folder)["set_aside"]
    assert item["file"] == "cat.7.jpg"
    assert item["reason"].startswith("train/cat.7.jpg cannot be read (")
    assert item["reason"].endswith("). The archive is damaged: get it again.")
    assert len(manifests.read(folder)) == 39


def test_a_photo_that_may_not_be_read_is_set_aside(photos, tmp_path, monkeypatch):
    source = write(photos, tmp_path / "mine")
    read_bytes = Path.read_bytes

    def forbidden(path):
        if path.name == "cat.7.jpg":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    folder = organizing.organize(source, tmp_path / "data", progress=False)
    reason = "mine/train/cat.7.jpg cannot be read (Permission denied)."
    assert manifests.metadata(folder)["set_aside"] == [{"file": "cat.7.jpg", "reason": reason}]


def test_folders_of_one_name_are_told_apart(photos, tmp_path, capsys):
    def run(source, n=()):
        root = str(tmp_path / "data")
        code = main(["data", "archive", str(source), "--root", root, "--name", "mine", *n])
        said = capsys.readouterr()
        return code, said.out + said.err

    a, b = write(photos, tmp_path / "a"), write(photos, tmp_path / "b")
    assert run(a / "train")[0] == 0
    before = tree(tmp_path / "data")
    assert run(b / "train")[0] == 0  # the same photos, elsewhere
    (b / "train" / "cat.3.jpg").write_bytes(jpeg(3, (64, 64)))
    code, said = run(b / "train")
    assert code == 1 and "made from other photos" in said and "cats" not in said
    write({f"train/dog.{i}.jpg": jpeg(i) for i in range(100, 134)}, a)
    assert run(a / "train")[0] == 1
    assert tree(tmp_path / "data") == before


@pytest.mark.parametrize("n", [None, 20])
def test_a_data_set_from_before_photos_were_noted_is_known_by_its_manifest(n, photos, tmp_path):
    source = write(photos, tmp_path / "a")
    (source / "train" / "cat.50.jpg").write_bytes(b"broken")
    made = (source, tmp_path / "data", "mine", n)
    about = organizing.organize(*made, progress=False) / "dataset.json"
    old = json.loads(about.read_text())
    del old["settings"]["source_photos"]
    about.write_text(json.dumps(old))
    before = tree(tmp_path / "data")
    organizing.organize(*made, progress=False)
    for photo in manifests.read(about.parent)[:1]:
        (source / "train" / photo.file).write_bytes(jpeg(99, (64, 64)))
    with pytest.raises(CatDogError, match="other photos"):
        organizing.organize(*made, progress=False)
    write(photos, source)
    organizing.organize(*made, progress=False)
    if n is None:  # with n, a photo more could be one that was left out
        (source / "train" / "dog.50.jpg").write_bytes(jpeg(50))
        with pytest.raises(CatDogError, match="other photos"):
            organizing.organize(*made, progress=False)
    assert tree(tmp_path / "data") == before


@pytest.mark.parametrize("cats, dogs", [(16, 0), (0, 7)])
def test_one_class_alone_is_refused(cats, dogs, make_zip, tmp_path):
    files = {f"cat.{i}.jpg": jpeg(i) for i in range(cats)}
    files |= {f"dog.{i}.jpg": jpeg(i) for i in range(dogs)}
    if not dogs:
        files |= {f"dog.{i}.jpg": b"broken" for i in range(8)}  # known only once they are read
    with pytest.raises(CatDogError, match=f"{cats} cats and {dogs} dogs.*Name the photos cat.1"):
        organizing.organize(make_zip(files), tmp_path / "data", progress=False)
    assert not (tmp_path / "data" / "photos").exists()


@pytest.mark.parametrize("ratio, fewest", [(0.2, 6), (0.5, 4), (0.9, 10), (0.05, 22)])
def test_too_few_photos_for_both_sides_are_refused(ratio, fewest, photos, make_zip, tmp_path):
    source = make_zip(photos)

    def organize(n):
        return organizing.organize(source, tmp_path, str(n), n, ratio, progress=False)

    if fewest > 4:
        with pytest.raises(CatDogError, match=f"Raise n to at least {fewest},"):
            organize(fewest - 1)
    for counts in manifests.metadata(organize(fewest))["counts"].values():
        assert min(counts.values()) >= 1


def test_a_source_too_small_for_its_ratio_says_how_many_it_takes(make_zip, tmp_path):
    files = {f"{label}.{i}.jpg": jpeg(i) for label in ("cat", "dog") for i in range(2)}
    with pytest.raises(CatDogError, match="at least 6 are needed.* Add photos"):
        organizing.organize(make_zip(files), tmp_path / "data", progress=False)


def test_other_settings_never_overwrite(photos, make_zip, tmp_path):
    source = make_zip(photos)
    folder = organizing.organize(source, tmp_path / "data", progress=False)
    before = tree(folder)
    with pytest.raises(CatDogError, match="other settings"):
        organizing.organize(source, tmp_path / "data", n=20, progress=False)
    assert tree(folder) == before


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
