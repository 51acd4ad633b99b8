"""The best recipe: mixed photos, its schedule, its network, a temperature built in."""

import json
from dataclasses import asdict, replace

import keras
import numpy as np
import pictures
import pytest
import small
from scipy.special import expit
from sklearn.metrics import log_loss

from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import augmentation, batching, imaging, loading
from catdog.evaluation import calibration, metrics
from catdog.models import export, networks, provenance, saving
from catdog.training import loop, optimizers, recipes, variants

SMALL = replace(recipes.BEST, **small.RECIPE, unmixed=0.25)


def small_network(size=None, fused=True):
    how = {"widths": (8, 8, 16), "blocks": (1, 1), "reduction": 2, "drop_path": 0.2}
    return networks.residual_cnn(size, fused=fused, **how)


@pytest.fixture(scope="module")
def photos():
    return pictures.learnable(32, 40)


# ---- photos mixed


def test_cutmix_mixes_labels_by_the_area_that_came_from_another_photo():
    images = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 30, 20, 3), np.uint8)
    labels = np.eye(8, dtype="float32")  # each photo its own class: the label says from where
    areas = []
    for seed in range(400):
        mixed, targets = augmentation.cutmix(images, labels, np.random.default_rng(seed))
        assert np.array_equal(images[:, 0, 0, 0], np.arange(8))  # what was given stays
        for i in range(8):
            pixels = np.bincount(mixed[i, :, :, 0].ravel(), minlength=8) / 600
            assert np.allclose(pixels, targets[i], atol=1e-6)
        foreign = mixed[:, :, :, 0] != images[:, :, :, 0]
        box = foreign.any(0)
        rows, columns = box.any(1), box.any(0)
        assert box.sum() == rows.sum() * columns.sum()  # one rectangle, the same for all
        areas.append(box.mean())
    assert 0.2 < np.mean(areas) < 0.4  # half of the photo on average, less what the edge cuts
    assert min(areas) < 0.05 and max(areas) > 0.75


def test_so_many_batches_are_mixed_and_none_in_the_last_epochs(photos):
    recipe = replace(SMALL, cutmix=0.5, epochs=60, unmixed=1 / 3)
    batches = batching.training_batches(
        *photos, 8, recipe.augmentation, seed=1, also=recipe.mix, sizes=lambda epoch: 24
    )
    mixed = [np.any((y > 0) & (y < 1)) for _, y in batches.take(60 * 4)]
    assert 0.25 < np.mean(mixed[: 40 * 4]) < 0.6  # two of the same animal mix to a whole label
    assert not any(mixed[40 * 4 :])
    never = batching.training_batches(*photos, 8, recipe.augmentation, seed=1, sizes=lambda _: 24)
    for (x, _), (same, _) in zip(batches.skip(160).take(4), never.skip(160).take(4), strict=True):
        assert np.array_equal(x, same)


# ---- the schedule


def test_a_trapezoid_rises_stays_and_falls_to_nothing():
    rate = optimizers.Trapezoid(0.2, 1000, warmup_steps=100, cooldown=0.4)
    at = {0: 0, 50: 0.1, 100: 0.2, 350: 0.2, 600: 0.2, 800: 0.1, 900: 0.05, 1000: 0, 1100: 0}
    for step, expected in at.items():
        assert float(rate(step)) == pytest.approx(expected, abs=1e-6)
    longer = optimizers.Trapezoid(0.2, 5000, warmup_steps=100, cooldown=0.4)
    assert all(float(rate(step)) == float(longer(step)) for step in range(0, 600, 37))
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(rate))
    assert again.get_config() == rate.get_config()
    for epochs, an_epoch, warmup in ((250, 125, 250), (8, 125, 100), (1, 5, 1)):
        optimizer = optimizers._optimizer(replace(recipes.BEST, epochs=epochs), an_epoch)
        found = optimizer._learning_rate
        assert (found.steps, found.warmup_steps) == (epochs * an_epoch, warmup)
        assert np.isfinite([float(found(step)) for step in range(an_epoch + 1)]).all()


# ---- the network


def test_the_network_has_a_gate_a_pair_and_its_plain_twin_says_the_same():
    keras.utils.set_random_seed(2)
    model, plain = small_network(), small_network(32, fused=False)
    gates = [layer for layer in model.layers if isinstance(layer, keras.layers.Multiply)]
    drops = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert len(gates) == 2 and drops == [0.1, 0.2]
    x = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3)).astype("float32")
    plain.set_weights(model.get_weights())
    assert np.allclose(model.predict(x, verbose=0), plain.predict(x, verbose=0), atol=1e-5)
    gate = keras.Model(model.input, gates[0].input)
    maps, factors = (np.array(a) for a in gate(x))
    assert maps.shape == (4, 8, 8, 8) and factors.shape == (4, 1, 1, 8)
    assert 0 < factors.min() < factors.max() < 1


def test_a_pair_is_left_out_for_some_photos_and_scaled_up_for_the_others():
    keras.utils.set_random_seed(1)
    network = networks.residual_cnn(None, (8, 8), (1,), reduction=4, drop_path=0.5)
    drop = next(layer for layer in network.layers if isinstance(layer, keras.layers.Dropout))
    x = np.ones((400, 4, 4, 8), "float32")
    out = np.array(drop(x, training=True))
    assert all(len(np.unique(one)) == 1 for one in out)  # all of a photo or nothing
    kept = out[:, 0, 0, 0]
    assert set(np.unique(kept)) == {0, 2} and 0.4 < (kept > 0).mean() < 0.6
    assert np.array_equal(np.array(drop(x, training=False)), x)


def test_without_gates_and_drops_the_network_is_that_of_before():
    kinds = {type(layer).__name__ for layer in networks.residual_cnn().layers}
    assert not kinds & {"Multiply", "Dropout"}
    assert networks.residual_cnn().count_params() == 206_210
    assert recipes.BEST.build().count_params() == 5_177_346


# ---- training


def test_broken_off_it_ends_with_the_same_weights(photos, tmp_path, break_off):
    def run(name):
        return loop.train(small_network, SMALL, photos, None, tmp_path / name, progress=False)

    whole, log = run("a")
    break_off(lambda: run("b"), 2)
    resumed, again = run("b")
    assert log["history"] == again["history"]
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_runs_from_before_a_setting_had_a_name_are_those_with_its_default(photos, tmp_path):
    recipe = replace(SMALL, cutmix=0.0, unmixed=0.0, calibrate=False, epochs=1)

    def run(recipe):
        loop.train(small_network, recipe, photos, None, tmp_path, progress=False)

    run(recipe)
    said = json.loads((tmp_path / "settings.json").read_text())
    assert set(loop.LATER) < asdict(recipe).keys() and not set(loop.LATER) & said.keys()
    for changed in ({"cutmix": 0.5}, {"unmixed": 0.1}, {"calibrate": True}):
        with pytest.raises(CatDogError, match="other settings"):
            run(replace(recipe, **changed))


# ---- the temperature


def test_cross_fitted_answers_do_not_depend_on_their_own_labels():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 4000)
    labels = (rng.random(4000) < expit(logits)).astype(int)
    timid = expit(logits / 3)
    sure, mirrored = calibration.cross_fitted(labels, timid, timid[::-1])
    assert log_loss(labels, sure) < 0.9 * log_loss(labels, timid)
    assert np.allclose(sure, expit(logits), atol=0.03)
    assert np.all((mirrored[::-1] > 0.5) == (timid > 0.5))
    other = labels.copy()
    other[::2] = 1 - other[::2]  # of one half
    again, _ = calibration.cross_fitted(other, timid, timid)
    assert np.array_equal(again[::2], sure[::2]) and not np.allclose(again[1::2], sure[1::2])


@pytest.mark.usefixtures("features_elsewhere")
def test_the_temperature_is_built_in_and_the_file_says_by_which_photos(
    photos_on_disk, tmp_path, monkeypatch
):
    monkeypatch.setitem(networks.NETWORKS, "se_residual_cnn", small_network)
    recipe = replace(SMALL, epochs=6, progressive_sizes=((6, 32),))
    for name, calibrate in (("a", True), ("b", False)):
        monkeypatch.setitem(variants.RECIPES, "best", replace(recipe, calibrate=calibrate))
        run = ["--data", str(photos_on_disk), "--run", str(tmp_path / name)]
        assert main(["train", "best", *run]) == 0
    record, without = (
        json.loads((tmp_path / name / "record.json").read_text()) for name in ("a", "b")
    )
    assert record["temperature"] > 0 and "temperature" not in without
    n = record["validation"]["n"]
    assert abs(record["validation"]["accuracy"] - without["validation"]["accuracy"]) <= 1 / n
    model, plain = (saving.load_model(tmp_path / name / "model.keras") for name in ("a", "b"))
    x = np.random.default_rng(1).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    onnx = tmp_path / "a.onnx"
    assert main(["export", str(onnx), "--model", str(tmp_path / "a" / "model.keras")]) == 0
    (given,) = export.session(onnx).run(["probabilities"], {"photo": x.astype(np.float32)})
    assert np.allclose(given, model.predict(x, verbose=0), atol=1e-4)
    told, before = (calibration.logits(m.predict(x, verbose=0)[:, 1]) for m in (model, plain))
    assert np.allclose(told * record["temperature"], before, rtol=5e-3, atol=1e-3)
    chosen = [provenance.read(tmp_path / name / "model.keras")["chosen"] for name in ("a", "b")]
    assert len(chosen[0]) == n and len(chosen[1]) == 0
    images, labels, _ = loading.load(photos_on_disk, "validation", 40, progress=False)
    dog = metrics.probabilities(plain, imaging.resized(images, 32))
    (fitted,) = calibration.cross_fitted(labels, dog)  # a factor of all logits drops out
    assert record["validation"]["log_loss"] == pytest.approx(log_loss(labels, fitted), rel=0.02)
    own = log_loss(labels, expit(calibration.logits(dog) / record["temperature"]))
    assert own < record["validation"]["log_loss"]
