"""Name the machine that a result was made on, and measure how fast it computes."""

from __future__ import annotations

import os
import platform
import time
from functools import lru_cache
from pathlib import Path

import keras
import numpy as np
import psutil

from catdog.core import distribution, resources


def matrix_rate(n: int = 1024, dtype: str = "float32", seconds: float = 0.5) -> float:
    """Return how many 10⁹ operations a second a product of two n×n matrices does (2n³ each)."""
    a = keras.ops.cast(np.random.default_rng(0).normal(size=(n, n)), dtype)

    def once():
        started = time.perf_counter()
        product = keras.ops.matmul(a, a)
        float(keras.ops.cast(product[0, 0], "float32"))  # waits until it is there
        return time.perf_counter() - started

    once()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        times.append(once())
    return 2 * n**3 / float(np.median(times)) / 1e9


def _threads() -> dict:
    if keras.backend.backend() != "tensorflow":
        return {}
    import tensorflow as tf

    threading = tf.config.threading
    return {
        "intra_op": threading.get_intra_op_parallelism_threads()
        or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)),
        "inter_op": threading.get_inter_op_parallelism_threads()
        or int(os.environ.get("TF_NUM_INTEROP_THREADS", 0)),
    }


def describe() -> dict:
    """Name the machine.

    Returns:
        processor, architecture, cores (those this process may use), instruction_sets, bfloat16
        (whether the processor computes in it natively), threads (of TensorFlow, on it alone: in an
        operation, and of operations at once; 0 for as many as it likes), memory_gb, gpus; and,
        where oneDNN is told to use less than the processor has, onednn_max_cpu_isa.
    """
    name = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    found = {
        "processor": name,
        "architecture": platform.machine(),
        "cores": resources.cores(),
        "instruction_sets": resources.instruction_sets(),
        "bfloat16": resources.native_bfloat16(),
        "threads": _threads(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": distribution.gpus(),
    }
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if limit not in ("ALL", "DEFAULT"):
        found["onednn_max_cpu_isa"] = limit
    return found


@lru_cache(maxsize=1)
def matrix_rates() -> dict[str, float]:
    """Return the rate of a matrix product in 10⁹ operations a second, for each type in use here.

    That is float32, and the 16-bit type where the machine computes in one natively. Measured once
    a process, in half a second; other work at the same time makes it less.
    """
    types = filter(None, ("float32", distribution.half_precision()))
    return {dtype: round(matrix_rate(dtype=dtype, seconds=0.2), 1) for dtype in types}


def label(found: dict) -> str:
    """Say in a few words what a record's "hardware" was: "AMD EPYC with 2 cores, AVX2"."""
    sets = found.get("instruction_sets")
    limit = found.get("onednn_max_cpu_isa")
    kind = ""
    if limit:
        kind = f" that was made to compute with {limit} alone"
    elif sets is not None:
        best = next((s for s in ("avx512f", "avx2", "asimd") if s in sets), None)
        names = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "Neon"}
        kind = f", {names[best]}" if best else ""
        kind += " and bfloat16" if found.get("bfloat16") else ""
    return f"{found['processor']} with {found['cores']} cores{kind}"
