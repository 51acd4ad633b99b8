import hashlib
import threading
import time
import zipfile

import pytest
from servers import Server

from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import download, manifests


@pytest.fixture
def server():
    with Server() as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield one
        one.shutdown()


@pytest.fixture
def pet_images(photos, make_zip):
    """Microsoft's archive in small: 40 photos, two of them broken, and its other files."""
    files = {"readme[1].txt": b"text", "PetImages/Cat/Thumbs.db": b"x"}
    for name, blob in photos.items():
        label, number = name.removeprefix("train/").split(".")[:2]
        files[f"PetImages/{label.title()}/{number}.jpg"] = blob
    files["PetImages/Cat/0.jpg"] = b""
    files["PetImages/Dog/7.jpg"] = files["PetImages/Dog/7.jpg"][:200]
    return make_zip(files, "pets.zip").read_bytes()


def test_microsoft_archive_is_downloaded_checked_and_organized(server, pet_images, tmp_path):
    server.files["pets.zip"] = pet_images
    given = dict(
        url=server.url + "/pets.zip",
        sha256=hashlib.sha256(pet_images).hexdigest(),
        ratio=0.5,
        progress=False,
    )
    folder = download.microsoft(tmp_path, **given)
    assert {f["file"] for f in manifests.metadata(folder)["set_aside"]} == {
        "cat.0.jpg",
        "dog.7.jpg",
    }
    assert len(manifests.read(folder)) == 38
    assert download.microsoft(tmp_path, **given) == folder
    assert len(server.requests) == 1  # nothing is downloaded twice


@pytest.fixture
def kaggle(server, photos, make_zip, monkeypatch, tmp_path):
    """Kaggle's client talks to the local server, in an empty home directory."""
    import kagglesdk.kaggle_env as env

    monkeypatch.setitem(env._env_to_endpoint, env.KaggleEnv.PROD, server.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    photos["train/padding.bin"] = bytes(range(256)) * 16000
    server.files["train.zip"] = make_zip(photos).read_bytes()
    server.files["test1.zip"] = make_zip({"test1/1.jpg": b"1"}, "test1.zip").read_bytes()
    return server


def test_kaggle_with_a_token(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    folder = download.kaggle(tmp_path / "data", progress=False)
    assert len(manifests.read(folder)) == 40
    assert zipfile.is_zipfile(tmp_path / "data/downloads/kaggle/test1.zip")
    before = len(kaggle.requests)
    monkeypatch.delenv("KAGGLE_API_TOKEN")  # all is there: Kaggle is not asked again
    download.kaggle(tmp_path / "data", progress=False)
    assert len(kaggle.requests) == before


def test_kaggle_resumes_a_broken_connection(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the client waits between its attempts
    kaggle.break_after = 2_500_000  # the client writes whole mebibytes
    assert len(manifests.read(download.kaggle(tmp_path / "data", progress=False))) == 40
    assert [start for name, start in kaggle.requests if name == "train.zip"][-1] > 0


@pytest.mark.parametrize("token", [None, "a wrong token"])
def test_kaggle_without_a_valid_token_explains_how_to_get_one(
    kaggle, tmp_path, monkeypatch, capsys, token
):
    if token:
        monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    assert main(["data", "kaggle", "--root", str(tmp_path / "data")]) == 1
    said = capsys.readouterr().err
    assert "Generate New Token" in said and "access_token" in said
    assert token is None or token not in said
    assert not (tmp_path / "data").exists()


def test_kaggle_rules_not_accepted(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    kaggle.accepted = False
    with pytest.raises(CatDogError, match="accept the rules"):
        download.kaggle(tmp_path / "data", progress=False)
