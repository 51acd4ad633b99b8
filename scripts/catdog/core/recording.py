"""Write down a result with the command, commit, machine and versions that made it; read it back."""

from __future__ import annotations

import contextlib
import datetime
import json
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import keras

from catdog.core import files, hardware, paths
from catdog.core.resources import peak_memory_gb


def versions() -> dict:
    """Return the versions of Python and of the libraries a result depends on."""
    found = {"python": platform.python_version()}
    packages = ["keras", "tensorflow-cpu", "tensorflow", "numpy", "pillow"]
    packages += ["opencv-python-headless", "onnxruntime", "scikit-learn"]
    for package in packages + ["jax"] * (keras.backend.backend() == "jax"):
        try:
            found[package] = version(package)
        except ModuleNotFoundError:
            continue
    return found


def read_all(folder: str | Path | None = None) -> dict[str, dict]:
    """Read the committed records of the reference runs: {file name without .json: record}."""
    folder = Path(folder or paths.MODELS / "records")
    return {p.stem: files.read_json(p) for p in sorted(folder.glob("*.json"))}


@cache
def origin() -> dict:
    """Return the command line and the git commit of this process, as far as they can be known.

    The commit is that of the first call: a long run calls it when it begins.
    """
    found = {}
    program = Path(sys.argv[0])
    if program.stem == "catdog" or program.parts[-2:] == ("catdog", "__main__.py"):
        found["command"] = shlex.join(["catdog", *sys.argv[1:]])
    elif program.suffix == ".py" and program.resolve().is_relative_to(paths.ROOT / "scripts"):
        mine = program.resolve().relative_to(paths.ROOT).as_posix()
        found["command"] = shlex.join(["python", mine, *sys.argv[1:]])
    git = ("git", "-C", str(paths.ROOT), "describe", "--always", "--dirty", "--abbrev=40")
    with contextlib.suppress(OSError):
        said = subprocess.run([*git, "--exclude=*"], capture_output=True, text=True)
        if said.returncode == 0:
            found["commit"] = said.stdout.strip()
    return found


def complete(record: dict) -> dict:
    """Return a record with its origin, hardware, versions and date added."""
    return {
        **record,
        **origin(),
        "peak_memory_gb": round(peak_memory_gb(), 2),
        "hardware": {**hardware.describe(), "matrix_gflops": hardware.matrix_rates()},
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }


def write(path: str | Path, record: dict) -> dict:
    """Write a record, completed, as JSON in one step; return what was written."""
    full = complete(record)
    files.write(path, json.dumps(full, indent=1) + "\n")
    return full
