"""What a machine can do is named and measured, and nothing is computed that it has to emulate."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from catdog.core import distribution, hardware, paths, recording, resources
from catdog.training import optimizers, recipes


@pytest.mark.parametrize(
    "limit, native",
    [
        ("ALL", True),
        ("DEFAULT", True),
        ("AVX512_CORE_BF16", True),
        ("avx512_core_amx", True),
        ("AVX10_1_512", True),
        ("AVX512_CORE", False),
        ("AVX512_CORE_VNNI", False),
        ("AVX2", False),
        ("SSE41", False),
    ],
)
def test_native_bfloat16_is_what_onednn_may_use(monkeypatch, limit, native):
    monkeypatch.setattr(resources, "instruction_sets", lambda: ["avx2", "avx512f", "avx512_bf16"])
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert resources.native_bfloat16() == native
    monkeypatch.setattr(resources, "instruction_sets", lambda: ["avx2", "fma"])
    assert not resources.native_bfloat16()


def test_fastest_precision_without_native_bfloat16_is_float32(monkeypatch):
    monkeypatch.setattr(distribution, "gpus", lambda: [])
    monkeypatch.setattr(resources, "native_bfloat16", lambda: False)
    assert distribution.half_precision() is None
    assert recipes.with_native_precision(recipes.FAST).precision == "float32"
    monkeypatch.setattr(resources, "native_bfloat16", lambda: True)
    assert recipes.with_native_precision(recipes.FAST).precision == "mixed_bfloat16"


@pytest.mark.parametrize("half", ["bfloat16", None] if resources.native_bfloat16() else [None])
def test_muon_turns_a_gradient_into_a_step_of_equal_singular_values(monkeypatch, half):
    monkeypatch.setattr(distribution, "half_precision", lambda: half)
    variable = keras.Variable(np.zeros((3, 3, 4, 8), "float32"))
    gradient = np.random.default_rng(0).normal(size=(3, 3, 4, 8)).astype("float32")
    optimizers.Muon(1.0, ns_steps=3, weight_decay=0.0).apply([gradient], [variable])
    step = np.linalg.svd(keras.ops.convert_to_numpy(variable).reshape(36, 8), compute_uv=False)
    before = np.linalg.svd(gradient.reshape(36, 8), compute_uv=False)
    assert step.max() / step.min() < 0.75 * before.max() / before.min()
    assert step.min() > 0


def test_describe_names_instruction_sets_and_threads(monkeypatch):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    found = hardware.describe()
    assert found["cores"] == resources.cores() > 0 and found["memory_gb"] > 0.5
    assert found["bfloat16"] == resources.native_bfloat16()
    assert found["instruction_sets"] and "onednn_max_cpu_isa" not in found
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx2")
    assert hardware.describe()["onednn_max_cpu_isa"] == "AVX2"


def test_record_says_what_the_machine_computes(tmp_path):
    recording.write(tmp_path / "record.json", {"what": "a test"})
    found = json.loads((tmp_path / "record.json").read_text())["hardware"]
    rates = found["matrix_gflops"]
    assert set(rates) == set(filter(None, ("float32", distribution.half_precision())))
    assert all(rate > 1 for rate in rates.values())
    assert found["threads"]["inter_op"] >= 0 and found["threads"]["intra_op"] >= 0


@pytest.mark.parametrize(
    "found, said",
    [
        ({}, "A with 2 cores"),
        ({"instruction_sets": ["avx2"], "bfloat16": False}, "A with 2 cores, AVX2"),
        (
            {"instruction_sets": ["avx2", "avx512f"], "bfloat16": True},
            "A with 2 cores, AVX-512 and bfloat16",
        ),
        (
            {"instruction_sets": ["avx512f"], "onednn_max_cpu_isa": "AVX2"},
            "A with 2 cores that was made to compute with AVX2 alone",
        ),
    ],
)
def test_label_names_the_kind_of_processor(found, said):
    assert hardware.label({"processor": "A", "cores": 2, **found}) == said


@pytest.mark.parametrize("given, there", [(None, "1"), ("0", "0")])
def test_package_switches_onednn_on_unless_told_otherwise(given, there):
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    if given is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = given
    code = (
        "import platform; platform.machine = lambda: 'x86_64'\n"
        "import catdog, os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    )
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert said.stdout.decode().strip() == there


def test_where_the_system_tells_no_peak_there_is_one_all_the_same(monkeypatch):
    monkeypatch.setattr(resources.Path, "read_text", lambda *_, **__: "VmRSS:\t12 kB\n")
    assert resources.peak_memory_gb() > 0.01


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("/some/bin/catdog", "catdog --record 'a b.json'"),
        ("scripts/benchmarks/soak.py", "python scripts/benchmarks/soak.py --record 'a b.json'"),
        ("scripts/catdog/__main__.py", "catdog --record 'a b.json'"),
        ("/some/bin/pytest", None),
        ("/some/pytest/__main__.py", None),
    ],
)
def test_a_record_says_the_command_of_its_process(program, command, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(paths.ROOT / program), "--record", "a b.json"])
    recording.origin.cache_clear()
    assert recording.origin().get("command") == command
    recording.origin.cache_clear()
