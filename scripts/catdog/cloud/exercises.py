"""Checks for the exercises of chapter 9 that ask for prices, beside all others."""

from __future__ import annotations

from catdog.book.exercises import _close, check, exercise
from catdog.cloud import instances

__all__ = ["check"]


@exercise("09.1", "machine, address and disk, each an hour's price, times the hours.")
def _(answer):
    disk = instances.disk_usd_hour(100)
    hour = instances.TYPES["g4dn.xlarge"].usd + instances.ADDRESS_USD_HOUR + disk
    return _close(answer, 60 * hour, 1e-2)


@exercise("09.2", "a stopped machine keeps its disk: 100 GB at 0.08 dollars a month.")
def _(answer):
    return _close(answer, 3 * 100 * instances.DISK_USD_GB_MONTH, 1e-3)
