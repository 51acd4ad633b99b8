"""The measurements of speed: what is counted, what is compared, and what is written down."""

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from pictures import jpeg

from benchmarks import flops, predicting, scaling, tables, throughput, time_to_accuracy, ways
from catdog import CatDogError
from catdog.cli import bench
from catdog.cli.main import main
from catdog.core import distribution, recording
from catdog.data import imaging, manifests, organizing
from catdog.models import networks
from catdog.training import optimizers, recipes

TINY = replace(recipes.ARTICLE, decode_size=24)
WAYS = {
    "the article's way": ways.Way(TINY, legacy=True),
    "ours": ways.Way(replace(TINY, batch_size=16)),
    "several sizes": ways.Way(
        replace(
            TINY,
            network="residual_cnn",
            batch_size=16,
            epochs=3,
            progressive_sizes=((1, 16), (2, 20)),
            precision="fastest",
        )
    ),
}


@pytest.fixture
def folder(photos, make_zip, tmp_path):
    return organizing.organize(make_zip(photos), tmp_path / "data", progress=False)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """The record of one small run of it all, and what it said."""
    root = tmp_path_factory.mktemp("bench")
    (root / "train").mkdir()
    for i in range(40):
        (root / "train" / f"{manifests.LABELS[i % 2]}.{i}.jpg").write_bytes(jpeg(i))
    folder = organizing.organize(root / "train", root / "data", progress=False)
    command = ["bench", "--data", str(folder), "--rounds", "2", "--trained", "32"]
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(ways, "WAYS", WAYS)
        patch.setattr(ways, "_memory_of_training", lambda *_: 1.5)
        assert main([*command, "--record", str(root / "bench.json")]) == 0
    return json.loads((root / "bench.json").read_text()), said.getvalue()


def assert_of_the_same_rounds(ratio, new, old):
    """A ratio is of one round: between the least and the most that two spreads of rates allow."""
    low, high = new["low"] / old["high"], new["high"] / old["low"]
    assert low * 0.999 <= ratio["low"] <= ratio["median"] <= ratio["high"] <= high * 1.001
    for rates in (new, old):
        assert 0 < rates["low"] <= rates["median"] <= rates["high"]


def test_the_committed_ratios_are_those_of_the_committed_rates():
    records = recording.read_all()
    first, *others = records["bench"]["ways"]
    rates = {name: way["images_per_second"] for name, way in records["bench"]["ways"].items()}
    for name in others:
        ratios = records["bench"]["ratios"][name]
        assert set(ratios) == {ways.STEP, ways.TRAIN, ways.PREDICT}
        for what, ratio in ratios.items():
            assert_of_the_same_rounds(ratio, rates[name][what], rates[first][what])
    for way in records["bench"]["ways"].values():
        speed = way["images_per_second"]
        each = records["bench"]["photos"] / speed[ways.TRAIN]["median"]
        assert way["seconds_an_epoch"]["median"] == pytest.approx(each)
        needs = way["flops"]["training"] * speed[ways.STEP]["median"] / 1e9
        share = needs / records["bench"]["gflops"][way["precision"]]
        assert way["roofline"]["training"] == pytest.approx(share) and share < 1
    old, new, old_augmented, new_augmented, later = records["bench-pipeline"][
        "images_per_second"
    ].values()
    for name, a, b in (
        ("plain", new, old),
        ("augmented", new_augmented, old_augmented),
        ("later", later, old_augmented),
    ):
        assert_of_the_same_rounds(records["bench-pipeline"][f"ratio_{name}"], a, b)
    for one in records["bench-features"]["backbones"].values():
        old, new = one["images_per_second"].values()
        assert_of_the_same_rounds(one["ratio"], new, old)


def test_no_two_tables_of_the_readme_give_one_figure():
    lines = [line for line in tables.render("speed").splitlines() if line.startswith("| ")]
    names = [line.split("|")[1].strip() for line in lines]
    names = [name for name in names if name.strip("-")]
    assert len(names) > 20 and len(set(names)) == len(names)


def test_operations_are_counted():
    """By hand: 3×3 convolutions at 24, 12 and 6 pixels, then 576 numbers to 64, and to 2."""
    first = 2 * 27 * 32 * 24 * 24
    others = 2 * 288 * 32 * 12 * 12 + 2 * 288 * 64 * 6 * 6 + 2 * (3 * 3 * 64 * 64 + 64 * 2)
    network = networks.article_cnn(24)
    assert flops.flops_of(network) == first + others
    assert flops.flops_of(network, training=True) == 2 * first + 3 * others
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.DepthwiseConv2D(3, padding="same")])
    nested = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            inner,
            layers.SeparableConv2D(5, 3),
            layers.Flatten(),
            layers.Dense(7, use_bias=False),
        ]
    )
    depthwise, separable, dense = 9 * 3 * 64, (9 * 3 + 3 * 5) * 36, 36 * 5 * 7
    assert flops.flops_of(nested) == 2 * (depthwise + separable + dense)


def test_operations_of_a_network_that_takes_any_size():
    network = networks.residual_cnn(widths=(8, 16, 32), blocks=(0, 1))
    assert flops.flops_of(network, 32) == flops.flops_of(
        networks.residual_cnn(32, (8, 16, 32), (0, 1))
    )
    ratio = flops.flops_of(network, 64) / flops.flops_of(network, 32)
    assert 3.9 < ratio < 4.1


def test_waiting_for_data_is_seen():
    network = networks.article_cnn(64)  # its steps are long beside what a busy machine adds
    optimizers.compile_model(network, TINY, 1)
    x, y = np.zeros((32, 64, 64, 3), np.uint8), np.eye(2, dtype=np.float32)[np.arange(32) % 2]

    def batches(seconds):
        while True:
            time.sleep(seconds)
            yield x, y

    slow = throughput.data_wait(network, batches(0.2), 8)
    quick = min(  # beside other tests it may wait for a core: the quietest of three
        (throughput.data_wait(network, batches(0), 8) for _ in range(3)), key=lambda x: x["waiting"]
    )
    assert slow["waiting"] > 0.4 and quick["waiting"] < 0.1 and slow["steps"] == 8
    assert slow["seconds_a_step"] > 0.2 + 0.5 * slow["seconds_a_repeated_step"]


def test_one_thread_is_ten_batches_ahead_and_no_more():
    made, threads = [], set()

    def batches():
        for i in itertools.count():
            made.append(i)
            threads.add(threading.current_thread())
            yield i

    with throughput.ahead(batches()) as taken:
        assert next(taken) == 0
        for _ in range(200):  # until it has made all that it may
            if len(made) == 11:
                break
            time.sleep(0.05)
        time.sleep(0.2)
        assert made == list(range(11)) and len(threads) == 1
        assert [next(taken) for _ in range(30)] == list(range(1, 31))
    stopped = len(made)
    time.sleep(0.2)
    assert len(made) == stopped and not threads.pop().is_alive()
    assert threading.current_thread() not in threads


def test_an_error_in_a_batch_that_is_made_ahead_is_not_lost():
    def batches():
        yield 1
        raise OSError("gone")

    with throughput.ahead(batches()) as taken, pytest.raises(OSError, match="gone"):
        assert [next(taken), next(taken)] == [1]


SLOW = """
import contextlib, time
import keras
import numpy as np
from benchmarks import throughput

class Slow(throughput._Clock):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.3)
        super().on_train_batch_end(batch, logs)

def batches():
    while True:
        time.sleep(0.3)
        yield np.zeros((32, 4), np.float32), np.zeros((32, 1), np.float32)

throughput.WARM, throughput._Clock = 4, Slow
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
for way in (contextlib.nullcontext, throughput.ahead):
    with way(batches()) as made:
        print(throughput.fit_rate(model, made, 32, 8))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_batches_are_made_while_the_network_trains(backend):
    """Batches and steps of 0.3 s: one beside the other in half of the time, on every backend.

    TensorFlow works ahead by itself; on JAX, Keras makes each batch when it is asked for.
    """
    done = subprocess.run(
        [sys.executable, "-c", SLOW],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    by_itself, ahead = map(float, done.stdout.split()[-2:])
    in_turn = 32 / 0.6  # at most
    assert ahead > 1.4 * in_turn
    if backend == "jax":
        assert by_itself <= in_turn


def test_the_articles_way_is_timed_with_its_batches_made_ahead(folder, monkeypatch):
    asked = []

    def ahead(batches):
        asked.append(batches)
        return contextlib.nullcontext(batches)

    def fit_rate(model, batches, batch_size, steps):
        assert batches is asked[-1] and batch_size == 32
        return 32.0 * steps

    monkeypatch.setattr(throughput, "ahead", ahead)
    monkeypatch.setattr(throughput, "fit_rate", fit_rate)
    assert time_to_accuracy.baseline_throughput(folder, 100)() == 128  # photos, in full batches
    assert asked[0].interpolation == "nearest"
    del asked[:]
    with ways._Rig(WAYS["the article's way"], folder, 320) as rig:
        assert rig.measures[ways.TRAIN]() == 320
    assert len(asked) == 2  # and one for the batch that is repeated


def test_the_articles_generator_computes_as_its_keras_did(folder):
    """Photos of 24 rows and 32 columns, resized and sheared by the nearest pixel."""
    photos = manifests.read(folder, "train")[:10]
    pixels = next(throughput.legacy(folder, 20, photos))[0]
    ours = {
        imaging.decode(manifests.path_of(folder, p).read_bytes(), 20, True).tobytes()
        for p in photos
    }
    theirs = {np.round(255 * photo).astype(np.uint8).tobytes() for photo in pixels}
    assert theirs == ours
    changed, labels = next(throughput.legacy(folder, 20, photos, **throughput.ARTICLES))
    for photo in np.round(255 * changed).astype(np.uint8):  # no pixel is a mean of others
        colours = set(map(tuple, photo.reshape(-1, 3)))
        assert any(
            colours <= set(map(tuple, np.frombuffer(one, np.uint8).reshape(-1, 3))) for one in ours
        )
    assert labels.sum(0).tolist() == [
        sum(p.label == label for p in photos) for label in manifests.LABELS
    ]


def test_one_run_compares_the_ways_from_end_to_end(record):
    found, said = record
    assert list(found["ways"]) == list(WAYS) and found["photos"] == 32
    stages = {ways.STEP, ways.TRAIN, ways.PREDICT}
    for name, way in found["ways"].items():
        rates = way["images_per_second"]
        assert set(rates) == stages | ({ways.DECODE} if name != "the article's way" else set())
        assert all(0 < r["low"] <= r["median"] <= r["high"] for r in rates.values())
        seconds = 32 / rates[ways.TRAIN]["high"]
        assert way["seconds_an_epoch"]["low"] == pytest.approx(seconds)
        reached = way["flops"]["training"] * rates[ways.STEP]["median"] / 1e9
        assert way["roofline"]["training"] == pytest.approx(
            reached / found["gflops"][way["precision"]]
        )
        assert 0 <= way["waiting"]["waiting"] < 1
    assert set(found["ratios"]) == {"ours", "several sizes"}
    old, new = (found["ways"][name]["images_per_second"] for name in list(WAYS)[:2])
    assert set(found["ratios"]["ours"]) == stages
    for what, ratio in found["ratios"]["ours"].items():
        assert_of_the_same_rounds(ratio, new[what], old[what])
    assert [found["ways"]["several sizes"][what] for what in ("size", "decode_size")] == [20, 24]
    assert set(found["gflops"]) == {"float32", distribution.half_precision() or "float32"}
    for what in (ways.DECODE, "peak memory", "article_cnn", "residual_cnn", "waiting"):
        assert what in said
    assert found["dataset"]["counts"]["train"] == {"cat": 16, "dog": 16}
    assert found["dataset"]["photo_size"] == [32, 24]
    assert (found["rounds"], found["trained"]) == (2, 32)


def test_the_readme_shows_the_records(record, monkeypatch):
    found, _ = record
    one = {"n": 1000, "seconds": 2.0, "images_per_second": 500.0, "peak_memory_gb": 0.1}
    more = {"n": 3000, "seconds": 4.0, "images_per_second": 750.0, "peak_memory_gb": 0.104}
    rows = [one, more, {"n": 9000, "left_out": 9}]
    grown = {
        "size": 64,
        "backbone": "b",
        "steps": {"organize": rows, "cache": [one, {**more, "peak_memory_gb": 0.1}]},
        **{k: found[k] for k in ("hardware", "date")},
    }
    records = tables.recording.read_all()
    found = {**found, "accuracy": records["bench"]["accuracy"]}
    records |= {"bench": found, "bench-growth": grown}
    monkeypatch.setattr(tables.recording, "read_all", lambda: records)
    text = tables.render("speed")
    assert (
        "| images/s | the article's way | ours | several sizes |\n| --- | --- | --- | --- |" in text
    )
    assert "| 1,000 | 2.0 s, 500 images/s, 0.10 GB | 2.0 s, 500 images/s, 0.10 GB |" in text
    assert "| 9,000 | left out | left out |" in text
    assert (
        "each further photo takes: organize 2.0 kB, cache 0.0 kB. Its pixels would be 12.3" in text
    )
    for table in text.split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_input_pipeline_is_compared(folder, tmp_path, capsys):
    to = tmp_path / "pipeline.json"
    command = ["bench", "pipeline", "--data", str(folder), "-n", "32", "--rounds", "2"]
    assert main([*command, "--record", str(to)]) == 0
    found = json.loads(to.read_text())
    rates = found["images_per_second"]
    assert found["n"] == 32 and len(rates) == 5
    old, new = (
        rates[f"{who}: decode, resize, augment"] for who in ("legacy generator", "this pipeline")
    )
    assert_of_the_same_rounds(found["ratio_augmented"], new, old)
    assert "ratio, later" in capsys.readouterr().out


def test_bench_alone_and_with_a_word(capsys):
    alone = bench.bench.make_context("bench", [], resilient_parsing=True).params
    assert (alone["trained"], alone["rounds"]) == (1600, 5)
    with bench.growth.make_context("growth", []) as growing:
        assert growing.params["numbers"] == scaling.NUMBERS
    with bench.growth.make_context("growth", "--numbers 10 20 --longest 1".split()) as growing:
        assert growing.params["numbers"] == (10, 20) and growing.params["longest"] == 1
    assert main(["bench", "--rounds", "3", "pipeline"]) == 2
    assert "catdog bench pipeline --rounds" in capsys.readouterr().err


def test_the_memory_is_that_of_a_process_of_its_own(folder):
    assert 0.3 < ways._memory_of_training(folder, "ours, the same network", 32) < 4


def test_predict_is_compared_with_an_earlier_commit(folder, monkeypatch):
    monkeypatch.setattr(predicting, "_right", lambda out, truth: rows.append(out.read_text()))
    rows = []
    found = predicting.measure(folder, "HEAD", rounds=1, n=6, progress=False)
    for way in predicting.WAYS:
        rate = 6 / found[way]["folder seconds"]["median"]
        assert found["images_per_second"][way]["median"] == pytest.approx(rate)
        assert (
            0 < found[way]["one cpu_seconds"]["median"] < found[way]["folder cpu_seconds"]["high"]
        )
    one = [found[way]["one seconds"]["median"] for way in predicting.WAYS]
    assert found["ratio"]["one"]["median"] == pytest.approx(one[0] / one[1])
    validation = manifests.read(folder, "validation")
    assert [text.count("\n") for text in rows] == [len(validation) + 1] * 2
    with pytest.raises(CatDogError, match="no commit nonsense here"):
        predicting.measure(folder, "nonsense")


def test_the_accuracy_of_a_table_of_answers_is_counted(tmp_path):
    out = tmp_path / "answers.csv"
    out.write_text(
        "photo,label,probability_of_dog,error\na,cat,0.2,\nb,neither,0.9,\nc,dog,0.6,\nd,cat,0.1,\n"
    )
    found = predicting._right(out, {"a": "cat", "b": "dog", "c": "cat", "d": "cat"})
    assert (found["n"], found["accuracy"], found["neither"]) == (4, 0.75, 1)


def test_the_memory_of_predict_does_not_grow_with_the_photos():
    few, many = predicting.memory((200, 6_200)).values()
    assert many - few < 6_000 * 3e-6  # 3 kB a photo: its name, in two lists
