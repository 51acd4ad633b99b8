"""The chapters that train say the same on processors of other kinds, which are emulated here."""

import os
import platform
import subprocess
import sys

import agreement
import pytest
import weights

from catdog.book import execute
from catdog.core import resources
from catdog.models import backbones

# What a processor may lack, and how many threads compute. `make test` tries the first two on a
# chapter each, `make processors` all of them on all chapters that train.
PROCESSORS = {
    "AVX2, four threads": ({"ONEDNN_MAX_CPU_ISA": "AVX2", "TF_NUM_INTRAOP_THREADS": "4"}, 0),
    "SSE4.1, one core": ({"ONEDNN_MAX_CPU_ISA": "SSE41", "OPENBLAS_CORETYPE": "NEHALEM"}, 1),
    "AVX2, without oneDNN": ({"ONEDNN_MAX_CPU_ISA": "AVX2", "TF_ENABLE_ONEDNN_OPTS": "0"}, 0),
}
EVERYWHERE = os.environ.get("CATDOG_PROCESSORS") == "all"
TRAINING = ("02", "03", "06", "07", "09", "10", "11", "12", "13", "14", "18")
SOME = {"AVX2, four threads": ("12",), "SSE4.1, one core": ("06",)}


@pytest.mark.timeout(3600)
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="emulates x86-64 alone")
@pytest.mark.parametrize("processor", PROCESSORS if EVERYWHERE else SOME)
def test_another_processor_says_the_same(processor, tmp_path):
    settings, cores = PROCESSORS[processor]
    asked = TRAINING if EVERYWHERE else SOME[processor]
    mine = resources.allowed_cores()
    environment = {**os.environ, **settings, "CATDOG_RUNS": str(tmp_path)}
    if found := weights.vgg16():
        environment[backbones.WEIGHTS] = str(found)
    done = subprocess.run(
        [sys.executable, "-m", "catdog", "run", "--force", *asked],
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, mine[:cores])) if cores else None,
    )
    assert done.returncode == 0, done.stdout
    for path in execute.chapters(list(asked)):
        agreement.agree(path, tmp_path / "notebooks" / "sample" / path.name)
