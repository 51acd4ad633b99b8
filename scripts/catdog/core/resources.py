"""What this process may take of the machine, and has taken."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

# of all that processors can do, what decides how fast a network trains on them
SETS = ("sse4_1", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")


def allowed_cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(allowed_cores())


def instruction_sets() -> list[str]:
    """Return those of SETS that the processor has, as Linux calls them.

    Where there is no /proc/cpuinfo it is what NumPy finds, in NumPy's words.
    """
    info = Path("/proc/cpuinfo")
    if info.exists():
        flags = {
            flag
            for line in info.read_text().splitlines()
            if line.startswith(("flags", "Features"))
            for flag in line.split(":", 1)[1].split()
        }
        return [name for name in SETS if name in flags]
    import numpy as np

    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return [*simd.get("baseline", []), *simd.get("found", [])]


def native_bfloat16() -> bool:
    """Whether the processor computes in bfloat16 natively (AVX512_BF16), not emulated.

    oneDNN, which computes it, can be told by ONEDNN_MAX_CPU_ISA to use less than there is; then
    what it may use decides.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    allowed = limit in ("ALL", "DEFAULT") or limit.startswith(("AVX512_CORE_BF16", "AVX10"))
    allowed = allowed or limit.startswith(("AVX512_CORE_AMX", "AVX512_CORE_FP16"))
    return allowed and "avx512_bf16" in instruction_sets()


def has_gpu() -> bool:
    """Whether there is a graphics card of NVIDIA's, as Linux says without a library."""
    return Path("/proc/driver/nvidia/version").exists()


def peak_memory_gb(pid: int | None = None) -> float:
    """Return the largest resident memory so far of this process, or of another, in GB.

    Of another process, on systems other than Linux and Windows, what it has now.
    """
    status = Path(f"/proc/{pid or 'self'}/status")
    rows = status.read_text().splitlines() if status.exists() else []
    # ru_maxrss would count what the parent had when it started this process
    if peak := [row for row in rows if row.startswith("VmHWM")]:
        return int(peak[0].split()[1]) * 1024 / 1e9
    if sys.platform == "win32":
        return psutil.Process(pid).memory_info().peak_wset / 1e9
    if pid is not None:
        return psutil.Process(pid).memory_info().rss / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
