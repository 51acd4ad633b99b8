"""The chapters run on JAX, too."""

import os
import subprocess
import sys

import pytest

from catdog.book import execute


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", execute.chapters(), ids=lambda path: path.stem)
def test_chapter_runs_on_jax(path, tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "CATDOG_RUNS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "catdog", "run", "--force", path.stem],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
