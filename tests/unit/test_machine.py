"""The measurements of a machine: they refuse to call a processor a GPU, and they resume."""

import json
from functools import partial

import pytest

from benchmarks import device_check
from catdog import CatDogError
from catdog.cli.main import main
from catdog.cloud import instances
from catdog.core import distribution, paths, recording
from catdog.data import synthetic

no_gpu = pytest.mark.skipif(bool(distribution.gpus()), reason="there is a GPU")


@no_gpu
def test_without_a_gpu_the_measurement_is_refused(capsys):
    assert main(["bench", "gpu"]) == 1
    said = capsys.readouterr().err
    assert "sees no GPU here" in said and "--device cpu" in said


@no_gpu
def test_the_processor_is_named_a_processor():
    about = device_check.describe()
    assert about["gpus"] == [] and all(name.startswith("cpu") for name in about["devices"])
    assert device_check.record_path("cpu").name == "gpu-processor.json"


def test_a_gpu_gives_its_name_to_the_record(monkeypatch):
    monkeypatch.setattr(distribution, "gpus", lambda: ["NVIDIA A10G"])
    assert device_check.record_path() == paths.MODELS / "records" / "gpu-nvidia-a10g.json"


def test_seconds_to_an_accuracy():
    log = {"history": {"val_accuracy": [0.6, 0.9, 0.8, 0.95]}, "seconds": [2.0, 1.0, 1.0, 1.0]}
    assert device_check.seconds_to(0.894, log) == 3.0
    assert device_check.seconds_to(0.95, log) == 5.0
    assert device_check.seconds_to(0.96, log) is None


def test_the_check_measures(tmp_path, capsys):
    record = tmp_path / "check.json"
    assert main(["bench", "check", "--record", str(record)]) == 0
    assert "GFLOP/s" in capsys.readouterr().out
    found = json.loads(record.read_text("utf-8"))
    half = distribution.half_precision()  # what would be emulated is not measured
    for key in ("gflops", "images_per_second"):
        assert set(found[key]) == {"float32", f"mixed_{half}" if half else "float32"}
        assert all(value > 0 for value in found[key].values())
    assert found["hardware"]["processor"] and found["about"]["devices"]


def test_the_gpu_measurement_runs_on_a_processor_and_resumes(tmp_path, monkeypatch, few_blocks):
    folder = synthetic.organize(tmp_path, "tiny", 30, progress=False)
    how = {"device": "cpu", "epochs": 1, "backbone": "efficientnet-lite0", "size": 64}
    how |= {"precisions": ("float32",), "say": lambda *_: None}
    transfer = device_check._transfer

    def killed(*_):
        raise KeyboardInterrupt

    quick = partial(device_check.check, size=256, seconds=0.1)
    monkeypatch.setattr(device_check, "check", quick)
    monkeypatch.setattr(device_check, "_transfer", killed)
    with pytest.raises(KeyboardInterrupt):
        device_check.measure(folder, tmp_path / "run", **how)
    monkeypatch.setattr(device_check, "_transfer", transfer)
    monkeypatch.setattr(device_check, "_scratch", killed)  # done already: must not be called again
    record = device_check.measure(folder, tmp_path / "run", **how)
    assert record["device"] == "cpu" and record["hardware"]["cores"] > 0
    assert record["images_per_second"]["float32"] > 0 and record["check"]["gflops"]["float32"] > 0
    assert record["scratch"]["validation"]["n"] == 6
    assert record["frozen"]["images_per_second"] > 0 and record["fine_tuned"]["epochs"] == 2
    said = device_check.summary(record)
    assert "float32" in said and "89.4%" in said and "99%" in said
    recording.write(tmp_path / "record.json", record)
    with pytest.raises(CatDogError, match="something else"):
        device_check.measure(folder, tmp_path / "run", **{**how, "epochs": 2})


def test_bars_of_the_chapter_and_code_agree_on_what_is_too_old():
    assert {t.gpu for t in instances.TYPES.values() if t.too_old} == {"K80"}
