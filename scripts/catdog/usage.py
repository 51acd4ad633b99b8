"""What this process has taken of the machine."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_memory_gb() -> float:
    """Return this process's largest resident memory so far, in GB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent had when it started this process
        (line,) = [row for row in status.read_text().splitlines() if row.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e9
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
