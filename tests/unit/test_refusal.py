"""What is neither: distances, thresholds, the small file, and the examination that makes it."""

import json

import keras
import numpy as np
import pytest
import skimage.data
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from catdog import CatDogError
from catdog.cli.main import main
from catdog.core import paths
from catdog.data import manifests, synthetic
from catdog.evaluation import calibration, examination, ood
from catdog.models import networks, provenance
from catdog.training import transfer_runs


def test_distance_is_that_to_the_nearest_neighbour():
    rng = np.random.default_rng(0)
    known, new = rng.gamma(1, 1, (50, 30)), rng.gamma(1, 1, (200, 30))
    refuse = ood.fit(known, new, keep=0.9)
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine").fit(known)
    wanted = nearest.kneighbors(new)[0][:, 0]
    assert np.allclose(refuse.distance(new), wanted, atol=0.01)  # a byte a value
    assert np.isclose(refuse.is_ood(new).mean(), 0.1, atol=0.006)
    assert refuse.is_ood(-new).all()


def test_saved_beside_its_model_and_for_no_other(tmp_path):
    keras.utils.set_random_seed(1)
    path = tmp_path / "small.keras"
    networks.article_cnn(24).save(path)
    assert ood.load(path) is None
    refuse = ood.fit(*np.random.default_rng(0).gamma(1, 1, (2, 40, 64)))
    ood.save(refuse, path)
    assert ood.save(refuse, path, tmp_path / "elsewhere").name == "elsewhere"
    again = ood.load(path)
    assert ood.load(path, "of the file that it was made from").threshold == again.threshold
    assert np.allclose(again.bank, refuse.bank, atol=1e-6) and again.threshold == refuse.threshold
    networks.article_cnn(24).save(path)
    with pytest.raises(CatDogError, match="belongs to another model"):
        ood.load(path)
    ood.detector_path(path).write_bytes(b"nothing")
    with pytest.raises(CatDogError, match="is damaged"):
        ood.load(path)


def test_drawn_strangers_are_the_same_each_time_and_differ():
    for kind in ood.KINDS:
        a, b = ood.draw(kind, 1, 40), ood.draw(kind, 2, 40)
        assert a.shape == (40, 40, 3) and a.dtype == np.uint8
        assert (a == ood.draw(kind, 1, 40)).all() and (a != b).any()


def test_the_shipped_refusal_keeps_the_cat_and_refuses_the_coffee(tmp_path, capsys):
    assert ood.detector_path(paths.DEFAULT_MODEL).stat().st_size < 200_000
    files = []
    for name in ("chelsea", "coffee", "text"):
        files.append(str(tmp_path / f"{name}.png"))
        Image.fromarray(getattr(skimage.data, name)()).save(files[-1])
    assert main(["predict", *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("cat ") and "(probability of dog:" in lines[0]
    assert all(line.startswith("neither, it seems  (if it must be one: ") for line in lines[1:3])
    out = tmp_path / "answers.csv"
    assert main(["predict", *files, "--csv", str(out)]) == 0
    labels = [line.split(",")[1] for line in out.read_text().splitlines()[1:]]
    assert labels == ["cat", "neither", "neither"]
    capsys.readouterr()
    assert main(["predict", "--no-reject", *files]) == 0
    assert "neither" not in capsys.readouterr().out


def test_the_record_and_the_shipped_refusal_belong_together():
    record = json.loads((paths.MODELS / "records" / "evaluate-efficientnet.json").read_text())
    known = ood.load(paths.DEFAULT_MODEL)
    assert record["refusal"]["threshold"] == pytest.approx(known.threshold)
    assert record["refusal"]["bank"] == len(known.bank)
    assert record["refusal"]["kept"] > 0.98


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "FEATURES", tmp_path / "features")
    folder = synthetic.organize(tmp_path / "data", "sample", n=120, progress=False)
    keras.utils.set_random_seed(1)
    path = tmp_path / "small.keras"
    networks.article_cnn(24).save(path)
    return path, folder


def test_evaluate_writes_a_record_and_a_refusal_that_can_be_used(small, tmp_path, monkeypatch):
    path, folder = small
    out = tmp_path / "record.json"
    monkeypatch.setattr(examination, "CHUNK", 10)
    monkeypatch.setattr(examination.examine, "__defaults__", (1, 2, False))
    command = ["evaluate", "--model", str(path), "--data", str(folder), "--record", str(out)]
    assert main([*command, "--refusal", str(ood.detector_path(path))]) == 0
    record = json.loads(out.read_text())
    assert record["validation_flip"]["n"] == 24
    assert sum(row["n"] for row in record["reliability"]) == 24
    assert [row["n"] for row in record["slices"] if row["slice"] in ("cats", "dogs")] == [12, 12]
    assert {row["kind"] for row in record["refusal"]["strangers"]} >= set(ood.KINDS)
    assert ood.load(path).threshold == pytest.approx(record["refusal"]["threshold"])
    asked, ask = [], examination._both
    monkeypatch.setattr(examination, "_both", lambda *args: asked.append(1) or ask(*args))
    chunks = sorted((tmp_path / "features").rglob("0*.npz"))
    chunks[0].unlink()
    again, _ = examination.examine(path, folder)
    assert len(asked) == 1  # for the one chunk that was lost
    assert json.loads(json.dumps(again["validation_flip"])) == record["validation_flip"]


def test_evaluate_refuses_photos_that_the_model_was_trained_on(
    small, tmp_path, monkeypatch, capsys
):
    path, folder = small
    out = tmp_path / "record.json"
    monkeypatch.setattr(examination.examine, "__defaults__", (1, 2, False))
    train, new = (manifests.read(folder, split) for split in manifests.SPLITS)
    command = ["evaluate", "--model", str(path), "--data", str(folder), "--record", str(out)]

    def evaluate(*more):
        code = main([*command, *more])
        said = capsys.readouterr()
        return code, said.out, said.err

    code, said, _ = evaluate()
    assert code == 0 and said.startswith("This file does not say which photos it was trained on.\n")
    assert json.loads(out.read_text())["seen"] == {"validation": None, "chosen_on": None}
    out.unlink()
    saved = path.read_bytes()
    provenance.write(path, folder, "all", [*train, *new[:5]])
    code, said, error = evaluate()
    assert code == 1 and not said and not out.exists()
    assert "was trained on 5 of these 24 validation photos" in error and "--seen" in error
    code, said, _ = evaluate("--seen")
    assert code == 0 and said.startswith("It was trained on 5 of these 24 photos")
    seen = json.loads(out.read_text())["seen"]
    assert seen["validation"] == {"trained": 5, "chosen": 0, "of": 24}
    assert seen["chosen_on"]["trained"] == seen["chosen_on"]["of"] == 10
    path.write_bytes(saved)
    provenance.write(path, folder, "train minus held back", train[7:], train[:7])
    code, said, _ = evaluate()
    assert code == 0 and said.startswith("It was made without any of these 24 photos.")
    record = json.loads(out.read_text())
    assert record["seen"]["chosen_on"] == {"trained": 0, "chosen": 7, "of": 7}
    assert record["temperature"]["chosen_on"] == record["refusal"]["chosen_on"] == 7


def test_what_is_chosen_on_is_what_calibrated_and_is_not_among_the_known(small, monkeypatch):
    path, folder = small
    train = manifests.read(folder, "train")
    monkeypatch.setattr(ood, "BANK", 50)
    held, known = examination._apart(path, train, 1)
    assert len(held) == 10 and len(known) == 50 and not set(held) & set(known)
    assert {train[i].sha256 for i in held} == {p.sha256 for p in transfer_runs.split(folder)[1]}
    provenance.write(path, folder, "train", train, train[20:30])
    held, known = examination._apart(path, train, 1)
    assert list(held) == list(range(20, 30)) and not set(held) & set(known)


def test_clipping_bounds_the_loss_of_a_sure_mistake():
    curve = calibration.clipped_losses([1, 1], [0.0, 1.0], clips=(0.01, 0.1))
    assert curve[0]["log_loss"] == pytest.approx(-(np.log(0.01) + np.log(0.99)) / 2)
    assert curve[1]["log_loss"] < curve[0]["log_loss"]


def test_mistakes_are_listed_by_what_they_cost():
    kinds = (("cat", 0.6), ("dog", 0.01), ("dog", 0.5), ("cat", 0.4), ("cat", 1.0))
    photos = [
        manifests.Photo(f"{label}.{i}.jpg", label, "validation", 9, 9, 9, str(i))
        for i, (label, _) in enumerate(kinds)
    ]
    dog = np.array([p for _, p in kinds])
    rows = examination.mistakes(photos, np.array([0, 1, 1, 0, 0]), dog)
    assert [row["photo"] for row in rows] == ["cat.4.jpg", "dog.1.jpg", "cat.0.jpg"]
    assert rows[1]["loss"] == pytest.approx(4.6052, abs=1e-4)
    assert rows[2]["loss"] == pytest.approx(0.9163, abs=1e-4) and rows[0]["loss"] < 30


def test_reliability_counts_every_answer_once():
    dog = np.array([0.0, 0.04, 0.55, 1.0, 1.0])
    rows = examination.reliability([0, 1, 1, 1, 0], dog)
    assert [(row["low"], row["n"], row["dogs"]) for row in rows] == [
        (0.0, 2, 0.5),
        (0.5, 1, 1.0),
        (0.9, 2, 0.5),
    ]
