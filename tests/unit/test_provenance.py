"""A model file knows which photos it was made from."""

import zipfile

import keras
import numpy as np
import pytest

from catdog import CatDogError
from catdog.data import manifests, organizing
from catdog.models import export, networks, provenance, saving


@pytest.fixture
def saved(small_model, tmp_path):
    """A copy of a model file that says nothing."""
    path = tmp_path / "saved.keras"
    path.write_bytes(small_model.read_bytes())
    return path


def test_a_file_says_what_it_was_made_from_and_keras_reads_it_as_before(
    saved, small_model, photos_on_disk
):
    train = manifests.read(photos_on_disk, "train")
    provenance.write(saved, photos_on_disk, "train minus held back", train[:20], train[20:])
    about = provenance.read(saved)
    assert about["split"] == "train minus held back"
    assert about["dataset"]["settings"]["seed"] == 1
    assert (
        about["dataset"]["manifest_sha256"] == manifests.metadata(photos_on_disk)["manifest_sha256"]
    )
    assert set(about["trained"]) == {
        int.from_bytes(bytes.fromhex(photo.sha256)[:8], "little") for photo in train[:20]
    }
    assert len(about["chosen"]) == 12
    a, b = (keras.models.load_model(path).get_weights() for path in (saved, small_model))
    assert all(map(np.array_equal, a, b))
    with zipfile.ZipFile(saved) as new, zipfile.ZipFile(small_model) as old:
        assert all(new.read(name) == old.read(name) for name in old.namelist())
        assert new.namelist() == [*old.namelist(), provenance.MEMBER]


def test_an_exported_file_says_the_same(saved, photos_on_disk, tmp_path):
    train = manifests.read(photos_on_disk, "train")
    provenance.write(saved, photos_on_disk, "train", train[:20], train[20:])
    out = tmp_path / "exported.onnx"
    export.export(saving.load_model(saved), out, of=saved)
    assert provenance.text(out) == provenance.text(saved)
    assert provenance.seen(out, train) == {"trained": 20, "chosen": 12, "of": 32}
    other = tmp_path / "other.onnx"
    export.export(saving.load_model(saved), other)
    assert provenance.read(other) is None


def test_it_counts_the_photos_it_has_seen(saved, photos_on_disk, make_zip, tmp_path):
    train = manifests.read(photos_on_disk, "train")
    new = manifests.read(photos_on_disk, "validation")
    provenance.write(saved, photos_on_disk, "train", train, new[:3])
    assert provenance.seen(saved, train) == {"trained": 32, "chosen": 0, "of": 32}
    assert provenance.seen(saved, new) == {"trained": 0, "chosen": 3, "of": 8}
    # the same photos, divided anew and under other names
    files = {
        f"{photo.label}.{i}.jpg": manifests.path_of(photos_on_disk, photo).read_bytes()
        for i, photo in enumerate(manifests.read(photos_on_disk))
    }
    other = organizing.organize(make_zip(files), tmp_path / "data", "other", seed=3, progress=False)
    asked = manifests.read(other, "validation")
    both = {photo.sha256 for photo in asked} & {photo.sha256 for photo in train}
    assert 0 < len(both) < 8
    assert provenance.seen(saved, asked)["trained"] == len(both)


def test_a_foreign_file_says_nothing_and_a_damaged_one_is_named(saved, tmp_path, photos_on_disk):
    photos = manifests.read(photos_on_disk)
    assert provenance.read(saved) is None and provenance.seen(saved, photos) is None
    assert "does not say" in provenance.sentence(None)
    (tmp_path / "text.keras").write_text("x")
    assert provenance.read(tmp_path / "text.keras") is None
    networks.article_cnn(24).save(saved)
    with zipfile.ZipFile(saved, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(provenance.MEMBER, "0" * 1000)
        at = archive.getinfo(provenance.MEMBER).header_offset + 30 + len(provenance.MEMBER)
    with open(saved, "r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 4)  # no deflated data begins so
    with pytest.raises(CatDogError, match="damaged"):
        provenance.read(saved)
    for text in ("{", "[]", '{"trained": "?"}', '{"trained": "AAAA", "chosen": ""}'):
        networks.article_cnn(24).save(saved)
        with zipfile.ZipFile(saved, "a") as archive:
            archive.writestr(provenance.MEMBER, text)
        with pytest.raises(CatDogError, match="damaged"):
            provenance.read(saved)


@pytest.mark.parametrize(
    "counts, said",
    [
        ((4000, 0, 4000), "trained on 4,000 of these 4,000 photos"),
        ((0, 4000, 4000), "none of these 4,000 photos, but 4,000 of them chose"),
        ((0, 0, 4000), "without any of these 4,000 photos"),
    ],
)
def test_it_says_so_in_a_sentence(counts, said):
    names = (*provenance.PARTS, "of")
    assert said in provenance.sentence(dict(zip(names, counts, strict=True)))
