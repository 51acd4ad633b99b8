"""Transfer learning: a head that fits, layers that stay frozen, a temperature that calibrates."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from catdog import CatDogError
from catdog.cli.main import main
from catdog.core import paths
from catdog.data import loading, manifests, organizing
from catdog.evaluation import calibration
from catdog.models import features, provenance, saving
from catdog.training import loop, transfer, transfer_runs

NAME = "efficientnet-lite0"


@pytest.fixture
def folder(photos, make_zip, tmp_path, monkeypatch, few_blocks):
    monkeypatch.setattr(paths, "FEATURES", tmp_path / "features")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    return organizing.organize(make_zip(photos), tmp_path / "data", progress=False)


def test_the_head_recovers_a_linear_rule():
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, (2000, 6)).astype("float32")
    logit = x @ [1, -1, 0.5, 0, 0, 0] - 0.7
    y = (rng.random(2000) < expit(logit)).astype(int)
    weights, bias, penalty = transfer.fit_head(x, y)
    assert np.allclose(weights, [1, -1, 0.5, 0, 0, 0], atol=0.2) and abs(bias + 0.7) < 0.4
    assert 10**-4.6 < penalty <= 1


def test_the_temperature_is_found_and_lowers_the_log_loss():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 4000)
    labels = (rng.random(4000) < expit(logits)).astype(int)
    t = calibration.temperature(labels, 3 * logits)
    assert abs(t - 3) < 0.3
    assert log_loss(labels, expit(3 * logits / t)) < log_loss(labels, expit(3 * logits))


def test_the_classifier_is_backbone_and_head(folder):
    found = features.extract(folder, "train", NAME, 64, weights=None, progress=False)
    rng = np.random.default_rng(0)
    head = rng.normal(size=1280), 0.3
    keras.utils.set_random_seed(0)  # as the features' random weights
    model = transfer.classifier(NAME, 64, head, weights=None)
    images, _, _ = loading.load(folder, "train", 64, progress=False)
    logits = np.asarray(found, "float64") @ head[0] + head[1]
    dog = model.predict(images.astype("float32"), verbose=0)[:, 1]
    assert np.allclose(dog, expit(logits), atol=0.05)
    assert np.allclose(transfer_runs.head_of(model)[0], head[0], atol=1e-5)


def test_only_the_upper_blocks_learn_and_normalization_stays():
    model = transfer.classifier(NAME, 64, from_block=12)
    trained = {w.path.split("/")[0] for w in model.trainable_weights}
    assert {"logits", "head", "block12_project", "block15_expand"} <= trained
    assert not any(name.endswith("bn") for name in trained)
    assert not any(name.startswith(("stem", "block11", "block1_")) for name in trained)
    before = model.get_weights()
    model.compile("sgd", "categorical_crossentropy")
    x = np.random.default_rng(0).uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    model.fit(x, np.eye(2)[[0, 1, 0, 1]], verbose=0)
    changed = [
        w.path
        for w, old, new in zip(model.weights, before, model.get_weights(), strict=True)
        if not np.array_equal(old, new)
    ]
    assert set(changed) <= {w.path for w in model.trainable_weights} and changed


def test_a_block_that_is_not_there_is_said():
    with pytest.raises(CatDogError, match="vgg16 has no block 9"):
        transfer.classifier("vgg16", 32, from_block=9, weights=None)


def test_frozen_and_fine_tuned_runs_leave_models_and_records(folder, tmp_path):
    model, record = transfer_runs.frozen(folder, NAME, 64, weights=None, progress=False)
    assert record["validation"]["n"] == 8 and record["model"]["trained"] == 1281
    images, labels, _ = loading.load(folder, "validation", 64, progress=False)
    dog = model.predict(images.astype("float32"), verbose=0)
    assert dog.shape == (8, 2) and np.allclose(dog.sum(1), 1, atol=1e-5)
    assert record["trained_on"] == 28 and record["calibrated_on"] == 4
    assert 0.1 < record["temperature"] < 10 and record["validation_calibrated"]["n"] == 8
    recipe = replace(transfer.FINE_TUNING, epochs=1, batch_size=8)
    tuned, record = transfer_runs.fine_tune(
        folder, NAME, transfer_runs.head_of(model), 64, recipe, 3, tmp_path / "run"
    )
    assert record["epochs"] == 1 and 0.1 < record["temperature"] < 10
    assert record["trained_on"] == 28 and record["calibrated_on"] == 4
    path = tmp_path / "tuned.keras"
    saving.save_small(tuned, path)
    again = keras.models.load_model(path)
    x = images.astype("float32")
    assert np.allclose(again.predict(x, verbose=0), tuned.predict(x, verbose=0), atol=2e-2)
    tuned.save(tmp_path / "large.keras")
    assert path.stat().st_size < 0.75 * (tmp_path / "large.keras").stat().st_size


def test_the_command_records_what_the_features_cost(folder, capsys):
    how = ["--size", "64", "--no-mirror", "--data", str(folder)]
    assert main(["transfer", "frozen", *how]) == 0
    (path,) = paths.RUNS.glob("*/record.json")
    record = json.loads(path.read_text())
    assert record["model"]["backbone"] == NAME and record["what"].endswith("--no-mirror")
    assert record["extraction"]["n"] == 32 and record["extraction"][
        "way"
    ] == features.compute_precision(NAME)
    assert "validation_flip" not in record
    assert record["file"]["validation"]["n"] == record["validation"]["n"] == 8
    assert len(list(paths.FEATURES.iterdir())) == 2  # no mirror images
    assert "mirror" not in capsys.readouterr().out


def test_calibration_takes_the_best_temperature_then_the_best_clip():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, 3000)
    labels = (rng.random(3000) < expit(logits)).astype(int)
    labels[logits > 9] = 0  # a few answers are sure and wrong
    found = calibration.calibrate(labels, logits)
    assert found["calibrated_on"] == 3000
    assert found["temperature"] == calibration.temperature(labels, logits)
    dog = expit(logits / found["temperature"])
    losses = {c: log_loss(labels, np.clip(dog, c, 1 - c)) for c in calibration.CLIPS}
    assert found["clip"] == min(losses, key=losses.get)
    labels = (rng.random(3000) < expit(logits)).astype(int)
    assert calibration.calibrate(labels, logits)["clip"] < found["clip"]


def test_the_photos_held_back_are_seen_by_the_calibration_and_by_nothing_else(
    folder, tmp_path, monkeypatch, capsys
):
    """Through the command; what is really passed on is looked at."""
    used, held = transfer_runs.split(folder)
    assert len(held) == 4 and sum(photo.label == "cat" for photo in held) == 2
    assert not {p.sha256 for p in used} & {p.sha256 for p in held}
    assert len(used) + len(held) == 32

    def bytes_of(rows):
        return {np.ascontiguousarray(row).tobytes() for row in rows}

    photos, _ = loading.photos_of(folder, "train")
    apart = np.isin([p.file for p in photos], [p.file for p in held])
    rng = np.random.default_rng(0)
    labels = loading.labels_of(photos)
    made = {  # features that name their photo
        (split, flip): rng.normal(size=(32 if split == "train" else 8, 1280)).astype("float32")
        for split in manifests.SPLITS
        for flip in (False, True)
    }

    head = rng.normal(size=1280) / 100

    class Found(np.ndarray):
        pass

    def extract(folder, split, *_, flip, **__):
        found = made[split, flip].view(Found)
        found.labels = loading.photos_of(folder, split)[1]
        return found

    learned, calibrated, asked, networks = [], [], [], []

    def fit_head(values, labels, more):
        learned.extend((values, more))
        return head, 0.0, 1.0

    def train(build, recipe, train_set, validation_set, *_):
        assert validation_set is None
        asked.append(train_set)
        networks.append(build())
        return networks[0], {"seconds": [1.0], "cpu_seconds": [1.0], "history": {}}

    def calibrate(labels, logits, calibrate=calibration.calibrate):
        calibrated.append((labels, logits))
        return calibrate(labels, logits)

    monkeypatch.setattr(transfer_runs.features, "extract", extract)
    monkeypatch.setattr(transfer, "fit_head", fit_head)
    monkeypatch.setattr(calibration, "calibrate", calibrate)
    monkeypatch.setattr(transfer_runs.loop, "train", train)
    run = tmp_path / "run"
    given = ["--backbone", NAME, "--size", "64", "--data", str(folder), "--run", str(run)]
    assert main(["transfer", "fine-tune", *given, "--seed", "5"]) == 0
    for values, flip in zip(learned, (False, True), strict=True):
        assert bytes_of(values) == bytes_of(made["train", flip][~apart])
    images, _, _ = loading.load(folder, "train", 64, progress=False)
    ((fine_tuned, its_labels),) = asked
    assert bytes_of(fine_tuned) == bytes_of(images[~apart])
    assert np.array_equal(its_labels, labels[~apart])
    (head_labels, by_head), (tuned_labels, by_network) = calibrated
    assert np.array_equal(head_labels, labels[apart])
    assert np.array_equal(tuned_labels, labels[apart])
    assert np.allclose(by_head, made["train", False][apart] @ head, atol=1e-5)
    t = calibration.temperature(tuned_labels, by_network)  # it is in the network now
    said = logit(networks[0].predict(images[apart].astype("float32"), verbose=0)[:, 1])
    assert np.allclose(by_network, t * said, rtol=1e-2, atol=1e-2)
    about = provenance.read(run / "model.keras")
    assert about["split"] == "train minus held back"
    assert set(about["trained"]) == set(provenance.hashes(used))
    assert set(about["chosen"]) == set(provenance.hashes(held))
    new = manifests.read(folder, "validation")
    assert provenance.seen(run / "model.keras", new) == {"trained": 0, "chosen": 0, "of": 8}


def test_what_may_learn_tells_runs_apart(folder, tmp_path):
    images, labels, _ = loading.load(folder, "train", 64, progress=False)
    recipe = replace(transfer.FINE_TUNING, epochs=1, batch_size=16)

    def run(block):
        def build():
            return transfer.classifier(NAME, 64, from_block=block)

        return loop.train(build, recipe, (images, labels), None, progress=False)[0]

    a, b = (run(block).get_layer("block2_expand").get_weights()[0] for block in (1, 3))
    assert not np.array_equal(a, b)
    assert len(list(paths.RUNS.iterdir())) == 2


def test_the_study_has_its_parts(folder):
    found = transfer_runs.study(
        folder, NAME, 64, sizes=(8, 16, 31, 32), seeds=2, progress=False, weights=None
    )
    assert [row["n"] for row in found["learning_curve"]] == [8, 16, 32]
    assert [len(row["accuracy"]) for row in found["learning_curve"]] == [2, 2, 1]
    assert len(found["suspects"]) == 20 and found["n"] == 40
    chances = [s["probability"] for s in found["suspects"]]
    assert chances == sorted(chances)


def test_the_command_names_an_unknown_backbone(folder, capsys):
    assert main(["transfer", "frozen", "--backbone", "vgg61", "--data", str(folder)]) == 1
    assert "Known: efficientnet-lite0" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["photos", "settings"])
@pytest.mark.parametrize("how", ["frozen", "fine-tune", "study"])
def test_what_other_photos_or_settings_gave_is_left(how, other, folder, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    of = "another" if other == "photos" else manifests.reference(folder)["manifest_sha256"]
    (run / "record.json").write_text(json.dumps({"what": "", "dataset": {"manifest_sha256": of}}))
    before = (run / "record.json").read_bytes()
    given = ["--backbone", NAME, "--size", "64", "--data", str(folder), "--run", str(run)]
    assert main(["transfer", how, *given]) == 1
    said = capsys.readouterr().err
    assert "is of other photos or settings, and is left as it is" in said and "--run" in said
    assert [p.name for p in run.iterdir()] == ["record.json"]
    assert (run / "record.json").read_bytes() == before
