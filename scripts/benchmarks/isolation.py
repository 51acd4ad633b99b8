"""Processes of their own for what is measured, and the memory that they take."""

from __future__ import annotations

import subprocess
import sys

import psutil

from catdog import CatDogError


def own_memory_gb() -> float:
    """Return this process's resident memory now, in GB, without the pages of mapped files.

    Those the system takes back as soon as anything else needs room. (Only Linux tells them apart.)
    """
    memory = psutil.Process().memory_info()
    return (memory.rss - getattr(memory, "shared", 0)) / 1e9


def run_in_subprocess(code: str, *arguments, what: str, env: dict | None = None) -> str:
    """Run Python code in a process of its own, whose memory is nobody else's; return its last line.

    Args:
        arguments: in its sys.argv[1:], as text.
        what: a few words for the error.
        env: its environment; by default this process's.

    Raises:
        CatDogError: it failed.
    """
    line = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, env=env)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise CatDogError(f"{what} failed: {why}")
    return done.stdout.splitlines()[-1]
