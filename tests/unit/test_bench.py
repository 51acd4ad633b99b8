"""The measurements of speed: what is counted, what is compared, and what is written down."""

import contextlib
import io
import json
import time
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from pictures import jpeg

from catdog import bench, data, distribution, growth, models, readme, training
from catdog.cli import main, parser

TINY = replace(training.ARTICLE, decoded=24)
WAYS = {
    "the article's way": bench.Way(TINY, legacy=True),
    "ours": bench.Way(replace(TINY, batch_size=16)),
    "several sizes": bench.Way(
        replace(
            TINY,
            network="residual_cnn",
            batch_size=16,
            epochs=3,
            sizes=((1, 16), (2, 20)),
            precision="fastest",
        )
    ),
}


@pytest.fixture
def folder(photos, make_zip, tmp_path):
    return data.organize(make_zip(photos), tmp_path / "data", progress=False)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """The record of one small run of it all, and what it said."""
    root = tmp_path_factory.mktemp("bench")
    (root / "train").mkdir()
    for i in range(40):
        (root / "train" / f"{data.LABELS[i % 2]}.{i}.jpg").write_bytes(jpeg(i))
    folder = data.organize(root / "train", root / "data", progress=False)
    command = ["bench", "--data", str(folder), "-n", "32", "--rounds", "2", "--trained", "32"]
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(bench, "WAYS", WAYS)
        patch.setattr(bench, "_memory_of_training", lambda *_: 1.5)
        assert main([*command, "--record", str(root / "bench.json")]) == 0
    return json.loads((root / "bench.json").read_text()), said.getvalue()


def test_operations_are_counted():
    """By hand: 3×3 convolutions at 24, 12 and 6 pixels, then 576 numbers to 64, and to 2."""
    first = 2 * 27 * 32 * 24 * 24
    others = 2 * 288 * 32 * 12 * 12 + 2 * 288 * 64 * 6 * 6 + 2 * (3 * 3 * 64 * 64 + 64 * 2)
    network = models.article_cnn(24)
    assert bench.flops_of(network) == first + others
    assert bench.flops_of(network, training=True) == 2 * first + 3 * others
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
    assert bench.flops_of(nested) == 2 * (depthwise + separable + dense)


def test_operations_of_a_network_that_takes_any_size():
    network = models.residual_cnn(widths=(8, 16, 32))
    assert bench.flops_of(network, 32) == bench.flops_of(models.residual_cnn(32, (8, 16, 32)))
    ratio = bench.flops_of(network, 64) / bench.flops_of(network, 32)
    assert 3.9 < ratio < 4.1


def test_waiting_for_data_is_seen():
    network = models.article_cnn(64)  # its steps are long beside what a busy machine adds
    training.compile_model(network, TINY, 1)
    x, y = np.zeros((32, 64, 64, 3), np.uint8), np.eye(2, dtype=np.float32)[np.arange(32) % 2]

    def batches(seconds):
        while True:
            time.sleep(seconds)
            yield x, y

    slow = bench.data_wait(network, batches(0.2), 8)
    quick = min(  # beside other tests it may wait for a core: the quietest of three
        (bench.data_wait(network, batches(0), 8) for _ in range(3)), key=lambda x: x["waiting"]
    )
    assert slow["waiting"] > 0.4 and quick["waiting"] < 0.1 and slow["steps"] == 8
    assert slow["seconds_a_step"] > 0.2 + 0.5 * slow["seconds_a_repeated_step"]


def test_one_run_compares_the_ways_from_end_to_end(record):
    found, said = record
    assert list(found["ways"]) == list(WAYS) and found["photos"] == 32
    stages = {bench.DECODE, bench.FIRST, bench.STEP, bench.TRAIN, bench.PREDICT}
    for name, way in found["ways"].items():
        rates = way["images_per_second"]
        assert set(rates) == stages | ({bench.LATER} if name != "the article's way" else set())
        assert all(0 < r["low"] <= r["median"] <= r["high"] for r in rates.values())
        seconds = 32 / rates[bench.TRAIN]["high"]
        assert way["seconds_an_epoch"]["low"] == pytest.approx(seconds)
        reached = way["flops"]["training"] * rates[bench.STEP]["median"] / 1e9
        assert way["roofline"]["training"] == pytest.approx(
            reached / found["gflops"][way["precision"]]
        )
        assert 0 <= way["waiting"]["waiting"] < 1
    assert set(found["ratios"]) == {"ours", "several sizes"}
    old, new = (found["ways"][name]["images_per_second"] for name in list(WAYS)[:2])
    for what, ratio in found["ratios"]["ours"].items():  # each is of one round
        before = old.get(what, old[bench.FIRST])
        low, high = new[what]["low"] / before["high"], new[what]["high"] / before["low"]
        assert low * 0.999 < ratio["low"] <= ratio["median"] <= ratio["high"] < high * 1.001
    assert found["ways"]["several sizes"]["size"] == 20
    assert set(found["gflops"]) == {"float32", distribution.half_precision() or "float32"}
    for what in (bench.LATER, "peak memory", "article_cnn", "residual_cnn", "waiting"):
        assert what in said
    assert found["dataset"]["counts"]["train"] == {"cat": 16, "dog": 16}


def test_the_readme_shows_the_records(record, monkeypatch):
    found, _ = record
    rows = {"n": 1000, "seconds": 2.0, "images_per_second": 500.0, "peak_memory_gb": 0.1}
    grown = {
        "size": 64,
        "backbone": "b",
        "steps": {"organize": [rows, {"n": 9000, "left_out": 9}], "cache": [rows]},
        **{k: found[k] for k in ("hardware", "date")},
    }
    records = readme.evaluation.records()
    found = {**found, "accuracy": records["bench"]["accuracy"]}
    records |= {"bench": found, "bench-growth": grown}
    monkeypatch.setattr(readme.evaluation, "records", lambda: records)
    text = readme.speed()
    assert (
        "| images/s | the article's way | ours | several sizes |\n| --- | --- | --- | --- |" in text
    )
    assert "| 1,000 | 2.0 s, 500 images/s, 0.10 GB | 2.0 s, 500 images/s, 0.10 GB |" in text
    assert "| 9,000 | left out | left out |" in text
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
    ratio = found["ratio_augmented"]
    assert new["low"] / old["high"] <= ratio["low"] <= ratio["high"] <= new["high"] / old["low"]
    assert "ratio, later" in capsys.readouterr().out


def test_bench_alone_and_with_a_word():
    alone, growing = (parser().parse_args(words.split()) for words in ("bench", "bench growth"))
    assert alone.what is None and (alone.n, alone.rounds) == (1500, 5)
    assert growing.what == "growth" and growing.numbers == list(growth.NUMBERS)
    assert alone.run_command is growing.run_command
    assert parser().parse_args("bench pipeline -n 5".split()).run_command is not alone.run_command


@pytest.mark.slow
def test_the_memory_is_that_of_a_process_of_its_own(folder):
    assert 0.3 < bench._memory_of_training(folder, "ours, the same network", 32) < 4
