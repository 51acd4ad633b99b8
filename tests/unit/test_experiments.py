"""Experiments: networks, losses, changes of a batch, intervals, and runs that resume."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy import stats

from catdog import CatDogError
from catdog.cli.main import main
from catdog.core import paths
from catdog.data import organizing
from catdog.evaluation import statistics
from catdog.studies import ablation, ablation_runs, components
from catdog.training import config

N = 12
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(N, dtype=np.int32) % 2
SHORT = components.TrainingBudget(epochs=1, batch_size=N, seeds=1)


@pytest.mark.parametrize("name", ablation.EXPERIMENTS)
def test_every_experiment_builds_its_network_and_changes_one_thing(name):
    one = ablation.EXPERIMENTS[name]
    model = components.build(replace(one.setup, size=32))
    assert model.output.dtype == "float32"
    assert model.output.shape == (None, 1 if name == "one-logit" else 2)
    if one.baseline is None:
        return
    plain = ablation.EXPERIMENTS[one.baseline].setup
    changed = {k for k, v in vars(one.setup).items() if v != getattr(plain, k)}
    allowed = {
        "optimizer": {"optimizer", "learning_rate", "weight_decay"},
        "augmentation": {"augmentation", "colour", "cutout", "mixup"},
    }
    assert changed <= allowed.get(one.section, changed)
    assert len(changed) == 1 or one.section in allowed


# one of every optimizer, schedule, loss, block and change
TRAINED = (
    "all-augmentation batch-norm residual sgd nesterov rmsprop adamw "
    "cosine step one-logit focal no-dense photos-4th"
).split()


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_step_moves_every_weight_and_leaves_numbers(name):
    setup = replace(ablation.EXPERIMENTS[name].setup, size=16, filters=(4, 4, 8))
    images = IMAGES[:, :16, :16]
    keras.utils.set_random_seed(1)
    before = components.build(setup).get_weights()
    model, cost = ablation.fit(setup, (images, LABELS), replace(SHORT, epochs=2))
    after = model.get_weights()
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert np.mean(moved) > 0.8 and all(np.isfinite(w).all() for w in after)
    assert cost["parameters"] == sum(w.size for w in after)
    assert len(cost["history"]["loss"]) == 2 and cost["cpu_seconds"] > 0
    found = ablation.evaluate(model, images, LABELS)
    assert found["n"] == N and len(found["right"]) == 4  # 12 bits in two bytes


def test_the_same_seed_gives_the_same_network_and_another_another():
    setup = replace(components.REFERENCE, size=16, filters=(4,), cutout=0.5, mixup=0.2)
    weights = [
        np.concatenate(
            [
                w.ravel()
                for w in ablation.fit(setup, (IMAGES[:, :16, :16], LABELS), SHORT, s)[
                    0
                ].get_weights()
            ]
        )
        for s in (1, 1, 2)
    ]
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-6)
    assert np.abs(weights[0] - weights[2]).max() > 0.01


def test_a_residual_block_adds_what_comes_in():
    x = keras.Input((8, 8, 6))
    model = keras.Model(x, components.residual_block(x, 6))
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    photo = np.random.default_rng(1).uniform(0, 1, (2, 8, 8, 6)).astype("float32")
    np.testing.assert_allclose(np.array(model(photo)), photo, rtol=1e-6)
    assert len(model.weights) == 4
    wider = keras.Model(x, components.residual_block(x, 7))
    assert len(wider.weights) == 6 and wider.output.shape == (None, 8, 8, 7)


def test_losses_are_those_of_their_definitions():
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 3, (50, 2)).astype("float32")
    y = np.eye(2, dtype="float32")[rng.integers(2, size=50)]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    truth = (p * y).sum(1)
    close = dict(rtol=1e-4, atol=1e-5)
    cross = np.array(components.cross_entropy(y, logits))
    np.testing.assert_allclose(cross, -np.log(truth), **close)
    np.testing.assert_allclose(
        np.array(components.focal(y, logits, 2.0)), -((1 - truth) ** 2) * np.log(truth), **close
    )
    np.testing.assert_allclose(np.array(components.focal(y, logits, 0.0)), cross, **close)
    target = 0.9 * y + 0.05
    np.testing.assert_allclose(
        np.array(components.smoothed(y, logits)), -(target * np.log(p)).sum(1), **close
    )
    # one logit, the difference of the two, says and costs the same
    one = logits[:, 1:] - logits[:, :1]
    np.testing.assert_allclose(np.array(components.one_logit(y, one)), cross, **close)
    np.testing.assert_allclose(components.probability(one), p[:, 1], **close)
    np.testing.assert_allclose(components.probability(logits), p[:, 1], **close)


def test_mixup_mixes_photos_and_labels_by_the_same_share():
    rng = np.random.default_rng(3)
    black_and_white = np.zeros((400, 4, 4, 3), np.uint8)
    labels = np.arange(400) % 2
    black_and_white[labels == 1] = 200
    y = np.eye(2, dtype=np.float32)[labels]
    mixed, targets = components.mixup(black_and_white, y, rng, alpha=0.4)
    assert mixed.dtype == np.uint8 and targets.dtype == np.float32
    np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(mixed[:, 0, 0, 0], 200 * targets[:, 1], atol=0.51)
    between = (targets[:, 1] > 0.01) & (targets[:, 1] < 0.99)
    assert 0.2 < between.mean() < 0.5  # half have a partner of the other class
    share = rng.beta(0.4, 0.4, 100_000)  # and so the spread of the shares is that of Beta
    expected = np.mean((share > 0.01) & (share < 0.99)) / 2
    assert abs(between.mean() - expected) < 0.1


def test_cutout_covers_one_square_and_nothing_else():
    images = np.full((300, 20, 20, 3), 7, np.uint8)
    out = components.cutout(images, np.random.default_rng(4), part=0.4)
    assert (images == 7).all()
    for photo in out:
        covered = np.argwhere((photo == 127).all(-1))
        assert ((photo == 127) | (photo == 7)).all()
        height, width = covered.max(0) - covered.min(0) + 1
        assert len(covered) == height * width and 4 <= height <= 8 and 4 <= width <= 8
    sides = [np.ptp(np.argwhere((p == 127).all(-1))[:, 0]) + 1 for p in out]
    assert max(sides) == 8 and min(sides) == 4  # whole, and half outside


def test_colour_keeps_grey_and_strength_nothing_changes_nothing():
    rng = np.random.default_rng(5)
    same = components.colour(IMAGES, rng, strength=0.0)
    assert np.abs(same.astype(int) - IMAGES).max() <= 1
    grey = np.full((50, 4, 4, 3), 100, np.uint8)
    out = components.colour(grey, rng, strength=0.3)
    assert out.min() >= 69 and out.max() <= 130 and np.ptp(out[:, 0, 0], axis=0).min() > 30


def test_a_part_of_the_photos_is_balanced_and_drawn_by_the_seed():
    labels = np.arange(320) % 2
    part = ablation.some(labels, 1 / 16, seed=1)
    assert len(part) == 20 and labels[part].sum() == 10 and (np.diff(part) > 0).all()
    assert list(part) != list(ablation.some(labels, 1 / 16, seed=2))
    assert len(ablation.some(labels, 1.0, seed=1)) == 320


def test_schedules_start_and_end_where_they_should():
    def at(name, step):
        found = components.SCHEDULES[name](0.1, 100)
        return float(found(step)) if callable(found) else found

    assert at("constant", 0) == at("constant", 99) == 0.1
    assert at("one-cycle", 0) == 0 and at("one-cycle", 10) == pytest.approx(0.1)
    assert at("cosine", 50) == pytest.approx(0.05) and at("cosine", 100) < 1e-6
    values = [at("step", s) for s in (50, 51, 75, 76)]
    assert values == pytest.approx([0.1, 0.01, 0.01, 0.001])


def test_paired_interval_on_known_cases():
    difference, (low, high), p = statistics.paired(30, 10, 1000)
    assert difference == 0.02
    # by hand: 20 / 1002, plus and minus 1.96 sqrt(41 - 20^2 / 1002) / 1002
    half = 1.959964 * np.sqrt(41 - 400 / 1002) / 1002
    assert (low, high) == pytest.approx((20 / 1002 - half, 20 / 1002 + half), rel=1e-6)
    assert p == pytest.approx(2 * stats.binom.cdf(10, 40, 0.5))
    assert statistics.paired(0, 0, 100)[2] == 1.0


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_between_runs_is_students_formula(confidence):
    a, b = np.array([0.80, 0.82, 0.85]), np.array([0.79, 0.80, 0.82])
    spread = np.sqrt(np.sum((a - b - 0.02) ** 2) / 2)
    half = stats.t.ppf((1 + confidence) / 2, 2) * spread / np.sqrt(3)
    difference, (low, high) = statistics.paired_runs(a, b, confidence)
    assert difference == pytest.approx(0.02)
    assert (low, high) == pytest.approx((0.02 - half, 0.02 + half))


def test_separate_runs_are_students_with_one_spread_and_one_run_borrows_it():
    a, b = [0.80, 0.82, 0.85], [0.79, 0.81, 0.80, 0.84]
    low, high = stats.ttest_ind(a, b).confidence_interval()
    difference, interval = statistics.separate_runs(a, b)
    assert difference == pytest.approx(np.mean(a) - np.mean(b))
    assert interval == pytest.approx((low, high))
    half = stats.t.ppf(0.975, 2) * np.std(a, ddof=1) * np.sqrt(1 + 1 / 3)
    difference, (low, high) = statistics.separate_runs([0.7], a)
    assert (high - low) / 2 == pytest.approx(half) and (low + high) / 2 == difference
    assert statistics.separate_runs([0.7], [0.9]) == (pytest.approx(-0.2), (-np.inf, np.inf))


def record_of(**runs):
    """A record of experiments, {name: accuracies, one a seed}; all are compared with the first."""
    first = next(iter(runs))
    return {
        "experiments": {
            name: {
                "baseline": None if name == first else first,
                "runs": [{"seed": i, "accuracy": a, "cpu_seconds": 1} for i, a in enumerate(x)],
            }
            for name, x in runs.items()
        }
    }


LUCKY_FIRST = [0.82, 0.80, 0.78]
UNSURE = "not statistically distinguishable"


@pytest.mark.parametrize(
    "runs, said",
    [
        ([0.79], UNSURE),  # 3 points below the luckiest seed, 1 below the mean of all
        ([0.70], "costs"),
        ([0.90], "helps"),
        ([0.83, 0.812, 0.79], "helps"),  # with the same seeds, each by about a point
        ([0.83, 0.78, 0.79], UNSURE),
        ([0.70, 0.71], "costs"),
    ],
)
def test_a_verdict_compares_with_the_mean_of_all_seeds_of_the_baseline(runs, said):
    record = record_of(reference=LUCKY_FIRST, change=runs)
    difference, (low, high) = ablation.effect(record, "change")
    assert difference == pytest.approx(np.mean(runs) - 0.80) and low <= difference <= high
    assert ablation.verdict((difference, (low, high))) == said


def test_one_run_each_decides_nothing_and_the_table_says_so():
    record = record_of(reference=[0.8], change=[0.5])
    assert ablation.verdict(ablation.effect(record, "change")) == UNSURE
    assert "(one run each)" in ablation_runs.table(record)


def test_the_tables_differences_are_those_of_its_accuracies():
    heading, first, second = ablation_runs.table(
        record_of(reference=LUCKY_FIRST, change=[0.798])
    ).splitlines()
    assert heading.split()[:2] == ["experiment", "accuracy"]
    assert first.split()[:2] == ["reference", "80.0%"]
    assert second.split()[:3] == ["change", "79.8%", "-0.2"] and UNSURE in second


def test_the_paired_interval_covers_the_truth():
    rng = np.random.default_rng(6)
    cells = rng.multinomial(400, (0.7, 0.12, 0.08, 0.1), size=1000)
    inside = [
        low <= 0.04 <= high
        for _, only_a, only_b, _ in cells
        for _, (low, high), _ in [statistics.paired(int(only_a), int(only_b), 400)]
    ]
    assert 0.925 < np.mean(inside) < 0.975


@pytest.fixture
def small(tmp_path, monkeypatch, photos, make_zip):
    """A small organized data set as scale sample, and short experiments on it."""
    folder = organizing.organize(make_zip(photos), tmp_path / "data", "sample")
    monkeypatch.setattr(config.synthetic, "organize", lambda *_: folder)
    monkeypatch.setitem(config.SCALES, "sample", replace(config.SCALES["sample"], folder=folder))
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setitem(components.LENGTHS, "sample", components.TrainingBudget(1, 16, seeds=2))
    quick = replace(components.REFERENCE, size=16, filters=(4,))
    known = {
        "reference": components.Experiment("reference", "the reference", quick, None),
        "cutout": components.Experiment("augmentation", "cutout", replace(quick, cutout=0.4)),
        "other": components.Experiment("dropout", "none", replace(quick, dropout=0.0)),
    }
    monkeypatch.setattr(ablation, "EXPERIMENTS", known)
    return tmp_path / "runs" / "experiments" / "sample"


def test_the_command_runs_an_experiment_and_its_reference_and_skips_what_is_there(
    small, capsys, monkeypatch
):
    assert main(["experiment", "cutout", "--record", str(small / "out.json")]) == 0
    said = capsys.readouterr().out
    assert "cutout" in said and "reference" in said and "other" not in said
    runs = sorted(small.glob("*-*.json"))
    assert [f.name.rsplit("-", 1)[0] for f in runs] == [
        "cutout-1", "cutout-2", "reference-1", "reference-2"
    ]  # fmt: skip
    record = json.loads((small / "out.json").read_text())
    cutout = record["experiments"]["cutout"]
    assert cutout["settings"] == {"cutout": 0.4} and len(cutout["runs"]) == 2
    n = record["n"]["validation"]
    for this, that in zip(cutout["runs"], record["experiments"]["reference"]["runs"], strict=True):
        more = this["only_this"] - this["only_that"]
        assert more == round(n * (this["accuracy"] - that["accuracy"]))
    assert ablation.effect(record, "reference") is None
    difference, (low, high) = ablation.effect(record, "cutout")
    assert low <= difference <= high

    fits, fit = [], ablation.fit

    def counted(*args, **kwargs):
        fits.append(1)
        return fit(*args, **kwargs)

    monkeypatch.setattr(ablation, "fit", counted)
    runs[0].unlink()  # as if it had been killed before it was written down
    assert main(["experiment", "cutout"]) == 0 and len(fits) == 1
    assert main(["experiment", "cutout"]) == 0 and len(fits) == 1
    assert main(["experiment", "reference", "--seeds", "1", "--force"]) == 0 and len(fits) == 2
    longer = ["experiment", "reference", "--seeds", "1", "--epochs", "2"]
    assert main([*longer, "--record", str(small / "longer.json")]) == 0 and len(fits) == 3
    record = json.loads((small / "longer.json").read_text())
    assert record["epochs"] == 2 and record["what"].endswith("--epochs 2")
    assert len(record["experiments"]["reference"]["runs"][0]["loss"]) == 2


def test_an_unknown_name_lists_the_known(capsys):
    assert main(["experiment", "more-magic"]) == 1
    said = capsys.readouterr().err
    assert "'more-magic'" in said and "cutout" in said and "mixup" in said
    assert main(["experiment", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ablation.EXPERIMENTS)


def test_what_has_not_run_is_said(small):
    with pytest.raises(CatDogError, match="catdog experiment reference"):
        ablation_runs.gather("sample")
