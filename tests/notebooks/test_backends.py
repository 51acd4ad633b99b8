"""The chapters run on JAX: the first that trains in every test, the others in the slow ones."""

import os
import subprocess
import sys

import pytest

from catdog.book import execute

CHAPTERS = [
    pytest.param(path, marks=[] if path.stem.startswith("02") else pytest.mark.slow, id=path.stem)
    for path in execute.chapters()
]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", CHAPTERS)
def test_chapter_runs_on_jax(path, tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "CATDOG_RUNS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "catdog", "run", "--force", path.stem],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
