"""The article's head on VGG16: its optimizer, its assumed labels, and studies that resume."""

import json

import keras
import numpy as np
import pytest
from pictures import jpeg

from catdog import CatDogError
from catdog.book import plots
from catdog.cli.main import main
from catdog.data import manifests, organizing
from catdog.evaluation import statistics
from catdog.models import networks
from catdog.studies import vgg16
from catdog.training import block5, bottleneck

Studies = vgg16.Studies


@pytest.fixture
def folder(make_zip, tmp_path, features_elsewhere):
    """80 photos of noise, 16 of them to validate on."""
    files = {
        f"{label}.{i}.jpg": jpeg(i + 100 * (label == "dog"), (40, 36))
        for label in manifests.LABELS
        for i in range(40)
    }
    return organizing.organize(make_zip(files), tmp_path / "data", progress=False)


def studies(folder, tmp_path, **how):
    how = {"weights": None, "size": 32, "large": 64, "seeds": (1, 2), "epochs": 2} | how
    how = {"tuning": 2, "batch_size": 8, "progress": False} | how
    return Studies(folder, tmp_path / "run", **how)


def test_rmsprop_is_that_of_keras_2_0_8():
    """RMSprop.get_updates: a = rho · a + (1 - rho) · g²; p = p - lr · g / (√a + epsilon)."""
    rng = np.random.default_rng(0)
    p, a = rng.normal(size=6), np.zeros(6)
    scale = 10.0 ** np.arange(-7, -1)  # small gradients are where the epsilon's place is seen
    optimizer, today = bottleneck.ArticleRMSprop(), keras.optimizers.RMSprop()
    ours, other = (keras.Variable(p.astype(np.float32)) for _ in range(2))
    start = p.copy()
    for _ in range(30):
        gradient = scale * rng.normal(1, 0.3, 6)
        a = 0.9 * a + (1.0 - 0.9) * np.square(gradient)
        p = p - 0.001 * gradient / (np.sqrt(a) + 1e-8)
        for one, variable in ((optimizer, ours), (today, other)):
            one.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [variable])
        assert np.allclose(keras.ops.convert_to_numpy(ours), p, atol=1e-5)
    moved, moved_today = start - p, start - keras.ops.convert_to_numpy(other)
    assert moved[0] > 0.02 and moved_today[0] < 0.1 * moved[0]
    assert np.allclose(moved_today[-1], moved[-1], rtol=1e-2)
    copy = bottleneck.ArticleRMSprop.from_config(optimizer.get_config())
    assert (copy.rho, copy.epsilon, float(copy.learning_rate)) == (0.9, 1e-8, pytest.approx(1e-3))


def test_the_head_is_the_articles():
    head = networks.article_head(8192)
    rates = [layer.rate for layer in head.layers if "Dropout" in type(layer).__name__]
    units = [layer.units for layer in head.layers if "Dense" in type(layer).__name__]
    assert rates == [0.5, 0.2] and units == [512, 256, 1]
    assert head.count_params() == 8192 * 512 + 512 + 512 * 256 + 256 + 256 + 1


def test_a_head_learns_keeps_its_last_weights_and_is_the_same_for_the_same_seed():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(320, 10)).astype("float32")
    y = (x[:, 0] > 0).astype(np.int32)
    train, test = (x[:256], y[:256]), (x[256:], y[256:])
    history, dog = bottleneck.train_head(train, test, 1, 8, progress=False)
    assert [len(history[k]) for k in ("loss", "accuracy", "val_loss", "val_accuracy")] == [8] * 4
    right = ((dog >= 0.5) == test[1]).mean()
    assert right > 0.85 and right == pytest.approx(history["val_accuracy"][-1], abs=1e-6)
    again, other = (bottleneck.train_head(train, test, k, 8, progress=False)[1] for k in (1, 2))
    assert np.array_equal(dog, again) and not np.array_equal(dog, other)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_assumed_labels_are_wrong_by_as_many_as_the_split_is_uneven(seed):
    labels = np.arange(1000) % 2
    sides = bottleneck.assume(labels, seed)
    assert {split: len(rows) for split, (rows, _) in sides.items()} == {
        "train": 800,
        "validation": 192,  # 8 fill no batch
    }
    rows = np.concatenate([rows for rows, _ in sides.values()])
    assert len(set(rows)) == 992
    cats = int((labels[sides["train"][0]] == 0).sum())
    for split, (chosen, assumed) in sides.items():
        read, half = labels[chosen], {"train": 400, "validation": 100}[split]
        assert (np.diff(read) >= 0).all() and assumed.sum() == len(chosen) - half
        there = cats if split == "train" else 500 - cats
        assert (read != assumed).sum() == abs(there - half)
    assert {s: r.tolist() for s, (r, _) in sides.items()} != {
        s: r.tolist() for s, (r, _) in bottleneck.assume(labels, seed + 1).items()
    }


def test_what_was_left_out_bounds_the_accuracy():
    labels = np.array([0] * 50 + [1] * 50)
    dog = np.where(np.arange(100) < 90, labels, 0.0)  # the last ten are wrong
    assert bottleneck.left_out(labels, dog, 8) == {
        "n": 8,
        "on_all": 0.9,
        "without_them": 90 / 92,
        "possible": (0.9, 0.98),
    }


def test_a_study_resumes_by_the_seed_and_writes_its_record_once(folder, tmp_path, monkeypatch):
    trained = []
    real = bottleneck.train_head

    def train_head(train, test, seed, *more):
        trained.append(seed)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return real(train, test, seed, *more)

    monkeypatch.setattr(bottleneck, "train_head", train_head)
    study = studies(folder, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        study.record("article")
    assert not list((tmp_path / "run").glob("*.json"))
    path = study.record("article")
    assert trained == [1, 2, 2] and path.name == "vgg16-article.json"
    found = json.loads(path.read_text())
    assert found["model"]["trained"] == networks.article_head(512).count_params()
    assert [run["seed"] for run in found["runs"]] == [1, 2]
    values = [run["validation"]["accuracy"] for run in found["runs"]]
    for run, value in zip(found["runs"], values, strict=True):
        assert run["history"]["val_accuracy"][-1] == pytest.approx(value, abs=1e-6)
        assert run["validation"]["interval"] == list(statistics.wilson(round(16 * value), 16))
    assert found["accuracy"]["mean"] == pytest.approx(np.mean(values))
    assert found["best_epoch"]["accuracy"]["mean"] >= found["accuracy"]["mean"]
    of = [f["split"] for f in found["features"]]
    assert (
        of == ["train", "validation"] and found["features"][0]["preprocessing"] == "x * 0.00392157"
    )
    assert all(f["nearest"] and not f["pool"] and "precision" not in f for f in found["features"])
    before = path.read_bytes()
    assert study.record("article").read_bytes() == before and trained == [1, 2, 2]
    path.unlink()
    with pytest.raises(CatDogError, match="seed-1.json is of a run with other settings"):
        studies(folder, tmp_path, epochs=3).record("article")


def test_records_of_other_photos_are_not_overwritten(folder, tmp_path):
    path = tmp_path / "run" / "vgg16-article.json"
    path.parent.mkdir()
    path.write_text('{"dataset": {"name": "another"}}')
    with pytest.raises(CatDogError, match="is of other photos"):
        studies(folder, tmp_path).record("article")
    assert "another" in path.read_text()


def test_assumed_labels_are_compared_with_the_same_splits_read(folder, tmp_path):
    found = studies(folder, tmp_path).assumed_labels()
    assert found["runs"][0]["n"] == {"train": 64, "validation": 16}
    for run in found["runs"]:
        wrong = run["wrong_labels"]
        assert wrong["train"] == wrong["validation"]
        stated, true = (run[k]["accuracy"] * 16 for k in ("as_stated", "validation"))
        assert abs(stated - true) <= wrong["validation"]
        assert run["left_out"]["on_all"] == run["validation"]["accuracy"]
    assert any(run["wrong_labels"]["train"] for run in found["runs"])
    accuracy = found["accuracy"]
    gap = accuracy["of_labels_assumed"]["mean"] - accuracy["of_labels_read"]["mean"]
    assert found["assumed_minus_read"]["mean"] == pytest.approx(gap)


def test_averages_are_judged_at_both_sizes(folder, tmp_path):
    found = studies(folder, tmp_path).averaged()
    assert [run["size"] for run in found["runs"]] == [32, 64]
    assert all(run["validation"]["n"] == 16 for run in found["runs"])
    small, large = (run["features"] for run in found["runs"])
    assert small[0]["nearest"] and "nearest" not in large[0] and large[0]["pool"]
    assert small[0]["preprocessing"].startswith("blue, green, red")


def test_block_5_is_tuned_chosen_on_held_out_photos_and_resumes(folder, tmp_path, monkeypatch):
    study = studies(folder, tmp_path)
    found = study.block5()
    which = [(run["optimizer"], run["epoch"]) for run in found["runs"]]
    assert which == [("none", 0), ("sgd", 1), ("sgd", 2), ("adam", 1), ("adam", 2)]
    best = min(found["runs"], key=lambda run: run["val_loss"])
    assert found["chosen"] == {"optimizer": best["optimizer"], "epoch": best["epoch"]}
    assert found["chosen_by"].endswith("on 7 training photos, held out")
    run = tmp_path / "run" / "block5"
    start, first, second = (
        keras.models.load_model(run / f"{name}.keras", compile=False)
        for name in ("start", "adam-1", "adam-2")
    )
    for a, b in ((start, first), (first, second)):
        kernels = [m.get_layer("block5_conv1").get_weights()[0] for m in (a, b)]
        assert 0 < np.abs(kernels[1] - kernels[0]).max() < 1e-3
    (run / "adam-2.keras").unlink()
    again = study.block5()
    assert again["runs"][:4] == found["runs"][:4]  # read, not computed
    for key in ("loss", "val_loss"):  # the optimizer went on from where it was
        assert again["runs"][4][key] == pytest.approx(found["runs"][4][key], rel=1e-4)
    assert again["validation"]["n"] == 16


def test_block_5_begins_as_the_frozen_network(folder, tmp_path):
    study = studies(folder, tmp_path, size=64)
    below = study._features(64, pool=False, layer=block5.LAYER)[0]
    last = study._features(64, pool=True)[0]
    model = block5.upper(64, None)
    averages = keras.Model(model.inputs, model.get_layer("average").output)
    found = averages.predict(
        block5.Batches(np.asarray(below), below.labels, np.arange(64)), verbose=0
    )
    last = np.asarray(last, "float32")
    assert np.allclose(found, last, rtol=0.05, atol=0.02 * last.max()) and last.max() > 0


def test_the_command_offers_the_parts_that_there_are(capsys):
    assert all(hasattr(Studies, part.replace("-", "_")) for part in vgg16.PARTS)
    assert main(["transfer", "vgg16", "--part", "none"]) == 2
    assert "assumed-labels" in capsys.readouterr().err


def test_accuracy_is_drawn_against_cost():
    def record(backbone, size, rate, accuracy):
        return {
            "model": {"backbone": backbone, "size": size},
            "extraction": {
                "images_per_second": {"median": rate, "low": rate / 2, "high": rate * 2}
            },
            "validation": {"accuracy": accuracy, "interval": (accuracy - 0.01, accuracy + 0.01)},
        }

    records = {"a": record("vgg16", 150, 20, 0.95), "b": record("vgg16", 224, 10, 0.97)}
    records["c"] = record("efficientnet-lite0", 224, 200, 0.98)
    figure = plots.accuracy_against_cost({**records, "old": {"model": {}}})
    bars, names = figure.axes[0].get_legend_handles_labels()
    points = {name: bar[0].get_xydata().tolist() for name, bar in zip(names, bars, strict=True)}
    assert points["vgg16, 150 pixels"] == [[50, 0.95]] and len(points) == 3
    assert points["efficientnet-lite0, 224 pixels"] == [[5, 0.98]]
    assert len({bar[0].get_color() for bar in bars}) == 3
    plots.plt.close(figure)
    with pytest.raises(CatDogError, match="no record says how fast"):
        plots.accuracy_against_cost({"old": {"model": {}}})
