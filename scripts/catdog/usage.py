"""What this process has taken of the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from catdog import CatDogError


def peak_memory_gb() -> float:
    """Return this process's largest resident memory so far, in GB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent had when it started this process
        (line,) = [row for row in status.read_text().splitlines() if row.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e9
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def own_memory_gb() -> float:
    """Return this process's resident memory now, in GB, without the pages of mapped files.

    Those the system takes back as soon as anything else needs room. (Only Linux tells them apart.)
    """
    memory = psutil.Process().memory_info()
    return (memory.rss - getattr(memory, "shared", 0)) / 1e9


def said_by(code: str, *arguments, what: str) -> str:
    """Run Python code in a process of its own, whose memory is nobody else's; return its last line.

    Args:
        arguments: in its sys.argv[1:], as text.
        what: a few words for the error.

    Raises:
        CatDogError: it failed.
    """
    line = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise CatDogError(f"{what} failed: {why}")
    return done.stdout.splitlines()[-1]
