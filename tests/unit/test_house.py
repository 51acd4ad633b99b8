"""The files at the top agree with each other."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pins(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;]+)", text, re.M))


def test_every_lock_pins_the_same_versions():
    cpu, gpu, dev = pins("cpu"), pins("gpu"), pins("dev")
    assert len(cpu) > 50
    assert cpu.items() <= dev.items()
    shared = cpu.keys() & gpu.keys()
    assert {k: cpu[k] for k in shared} == {k: gpu[k] for k in shared}


@pytest.mark.parametrize("name", ["cpu", "gpu", "dev"])
def test_lock_has_hashes_and_no_host(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text and "--index-url" not in text
    for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        assert "--hash=sha256:" in block, block


def test_no_photo_is_committed():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert "pyproject.toml" in tracked
    assert not [f for f in tracked if re.search(r"(cat|dog)\.\d+\.jpe?g$", f)]
