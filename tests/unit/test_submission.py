"""`catdog submit`: Kaggle's test archive to its submission.csv."""

import csv
import zipfile

import pytest
from pictures import jpeg

from catdog import CatDogError
from catdog.cli.main import main
from catdog.inference import prediction, submission
from catdog.inference.classifier import Classifier
from catdog.models import saving


def test_rows_by_number_with_broken_ones_at_a_half(small_model, make_zip, tmp_path, capsys):
    files = {f"test1/{i}.jpg": jpeg(i) for i in (10, 9, 100, 1, 2)}
    files |= {"test1/3.jpg": jpeg(3)[:150], "__MACOSX/test1/1.jpg": b"", "test1/notes.txt": b"x"}
    archive, out = make_zip(files, "test1.zip"), tmp_path / "submission.csv"
    command = ["submit", str(archive), "--out", str(out), "--model", str(small_model)]
    assert main([*command, "--clip", "0.45"]) == 1
    said = capsys.readouterr()
    assert "test1/3.jpg is no photo" in said.err and "It got 0.5" in said.err
    assert "1 could not be read" in said.out
    assert out.read_text().splitlines()[0] == "id,label"
    rows = list(csv.DictReader(out.open()))
    assert [int(row["id"]) for row in rows] == [1, 2, 3, 9, 10, 100]
    assert float(rows[2]["label"]) == 0.5
    assert all(0.45 <= float(row["label"]) <= 0.55 for row in rows)
    before = out.read_bytes()
    assert main(command) == 1 and "is left as it is" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"test1.zip", "submission.csv"}


def test_without_one_photo_that_can_be_read_there_is_no_file(
    small_model, make_zip, tmp_path, capsys
):
    archive, out = make_zip({f"{i}.jpg": jpeg(i)[:150] for i in (1, 2)}), tmp_path / "out.csv"
    assert main(["submit", str(archive), "--out", str(out), "--model", str(small_model)]) == 1
    said = capsys.readouterr()
    assert "not one photo could be read" in said.err and "1.jpg is no photo" in said.err
    assert said.err.splitlines()[-1].startswith("catdog: not one photo") and not said.out
    assert [p.name for p in tmp_path.iterdir()] == [archive.name]


def test_a_folder_gives_the_probabilities_of_the_photos_themselves(small_model, tmp_path):
    folder = tmp_path / "test"
    folder.mkdir()
    for i in range(1, 6):
        (folder / f"{i}.jpg").write_bytes(jpeg(i))
    out = tmp_path / "out.csv"
    assert submission.submit(Classifier(small_model), folder, out, clip=0, progress=False) == []
    photos = [prediction.read_photo(folder / f"{i}.jpg", 24) for i in range(1, 6)]
    wanted = prediction.predict(saving.load_model(small_model), photos)
    given = [float(row["label"]) for row in csv.DictReader(out.open())]
    assert given == pytest.approx(wanted.tolist(), abs=2e-5)
    assert len(set(given)) == 5


def test_download_all_and_backslashes_are_read(make_zip, tmp_path):
    inner = make_zip({f"test1\\{i}.jpg": jpeg(i) for i in (10, 9, 1)}, "test1.zip")
    listed = submission.test_photos(inner)
    assert [name for _, name, _ in listed] == ["test1/1.jpg", "test1/9.jpg", "test1/10.jpg"]
    outer = make_zip({"train.zip": b"not asked for", "test1.zip": inner.read_bytes()}, "all.zip")
    again = submission.test_photos(outer)
    assert [number for number, *_ in again] == [1, 9, 10]
    assert [read() for *_, read in again] == [jpeg(i) for i in (1, 9, 10)]


def test_an_entry_that_is_damaged_gets_a_half(small_model, tmp_path):
    path = tmp_path / "test1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for i in (1, 2):
            archive.writestr(f"test1/{i}.jpg", jpeg(i))
        archive.writestr("video.mp4", bytes(8 * 2**20))  # beside the photos: of no concern
    blob = bytearray(path.read_bytes())
    at = blob.index(b"test1/2.jpg") + len("test1/2.jpg")
    blob[at : at + 40] = b"\xff" * 40
    path.write_bytes(blob)
    loaded, out = Classifier(small_model, reject=False), tmp_path / "out.csv"
    ((number, why),) = submission.submit(loaded, path, out, progress=False)
    assert number == 2 and why.startswith("test1/2.jpg cannot be read (")
    assert why.endswith("The archive is damaged: get it again.")
    assert out.read_text().splitlines()[2] == "2,0.5"


def test_what_cannot_be_used(small_model, make_zip, tmp_path):
    loaded, out = Classifier(small_model, reject=False), tmp_path / "out.csv"
    with pytest.raises(CatDogError, match="no photo named by a number"):
        submission.submit(loaded, make_zip({"train/cat.1.jpg": jpeg(1)}), out)
    with pytest.raises(CatDogError, match="two photos have the number 1"):
        submission.submit(loaded, make_zip({"a/1.jpg": jpeg(1), "b/1.jpg": jpeg(2)}), out)
    with pytest.raises(CatDogError, match="would leave the folder"):
        submission.submit(loaded, make_zip({"../1.jpg": jpeg(1)}), out)
    with pytest.raises(CatDogError, match="no such file"):
        submission.submit(loaded, tmp_path / "none.zip", out)
    (tmp_path / "half.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(CatDogError, match="not a whole zip"):
        submission.submit(loaded, tmp_path / "half.zip", out)
    with pytest.raises(CatDogError, match="below 0.5"):
        submission.submit(loaded, make_zip({"1.jpg": jpeg(1)}), out, clip=0.7)
    with pytest.raises(CatDogError, match="no such folder"):
        submission.submit(loaded, make_zip({"1.jpg": jpeg(1)}), tmp_path / "no" / "out.csv")
    assert not out.exists()
