"""`catdog predict`: folders, broken files, CSV, and nothing of the reader's touched."""

import csv
import io

import keras
import numpy as np
import pytest
import skimage.data
from pictures import jpeg
from PIL import Image

from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import imaging
from catdog.inference import prediction
from catdog.models import networks, saving


@pytest.fixture
def model(tmp_path):
    keras.utils.set_random_seed(1)
    path = tmp_path / "small.keras"
    networks.article_cnn(24).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my cat photos"
    (folder / "more").mkdir(parents=True)
    for i in range(70):
        (folder / "more" / f"{i:03d}.jpg").write_bytes(jpeg(i))
    (folder / "broken.jpg").write_bytes(jpeg(1)[:200])
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_a_folder_in_order_with_the_broken_one_set_aside(model, folder):
    found = list(prediction.stream(saving.load_model(model), prediction.photos_in([folder])))
    assert [path.name for path, _ in found[:3]] == ["broken.jpg", "000.jpg", "001.jpg"]
    assert isinstance(found[0][1], CatDogError) and len(found) == 71
    one = prediction.read_photo(found[5][0], 24)
    alone = prediction.predict(saving.load_model(model), [one])[0]
    assert np.isclose(found[5][1], alone, atol=1e-5)


def test_csv_speed_and_exit_status(model, folder, tmp_path, capsys):
    out = tmp_path / "answers.csv"
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    assert main(["predict", str(folder), "--model", str(model), "--csv", str(out)]) == 1
    said = capsys.readouterr()
    assert "70 photos," in said.out and "images/s, 1 could not be read" in said.out
    assert "broken.jpg is no photo" in said.err
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 71 and rows[0]["label"] == "" and "broken.jpg" in rows[0]["error"]
    for row in rows[1:]:
        assert (row["label"] == "dog") == (float(row["probability_of_dog"]) >= 0.5)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert main(["predict", str(folder), "--model", str(model), "--csv", str(out)]) == 1
    assert "is left as it is" in capsys.readouterr().err
    assert len(list(csv.DictReader(out.open()))) == 71


def test_the_shipped_model_knows_the_cat(tmp_path, capsys):
    path = tmp_path / "a dog they said.png"
    Image.fromarray(skimage.data.chelsea()).save(path)
    assert main(["predict", str(path)]) == 0
    assert capsys.readouterr().out.startswith("cat")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "MPO", "TIFF"])
def test_the_formats_that_are_read(kind, tmp_path):
    blob = io.BytesIO()
    Image.fromarray(skimage.data.chelsea()).save(blob, kind)
    photo = prediction.read_photo(blob.getvalue(), 64)
    plain = prediction.read_photo(skimage.data.chelsea(), 64)
    assert np.abs(photo.astype(int) - plain).mean() < 8


def test_other_formats_and_huge_pictures_are_not_decoded():
    blob = io.BytesIO()
    Image.fromarray(skimage.data.chelsea()).save(blob, "PPM")
    with pytest.raises(CatDogError, match="is no photo that can be read"):
        prediction.read_photo(blob.getvalue(), 64)
    for side in (8_000, 20_000):  # a few kB each that claim 64 and 400 million pixels
        blob = io.BytesIO()
        Image.new("1", (side, side)).save(blob, "PNG")
        with pytest.raises(imaging.TooLarge, match="more than 50,000,000 pixels"):
            prediction.read_photo(blob.getvalue(), 64)
