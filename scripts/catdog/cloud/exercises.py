"""Checks for the exercises of chapter 18, beside those of all other chapters."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise
from catdog.book.exercises import check, judge, numbers
from catdog.cloud import instances

__all__ = ["check", "judge", "numbers"]


@exercise("18.1", "machine, address and disk, each an hour's price, times the hours.")
def _(answer):
    disk = instances.disk_usd_hour(100)
    hour = instances.TYPES["g4dn.xlarge"].usd + instances.ADDRESS_USD_HOUR + disk
    return close(answer, 60 * hour, 1e-2)


@exercise("18.2", "a stopped machine keeps its disk: 100 GB at 0.08 dollars a month.")
def _(answer):
    return close(answer, 3 * 100 * instances.DISK_USD_GB_MONTH, 1e-3)


@exercise("18.3", "16 times the batch, 16 times the rate.")
def _(answer):
    return len(answer) == 2 and close(answer, (1024, 0.024))


@exercise("18.4", "weigh each mean with the number of its photos.")
def _(answer):
    rng = np.random.default_rng(0)
    every = rng.normal(size=(10, 3, 2))
    parts = np.split(every, [5, 9])
    found = answer([part.mean(0) for part in parts], [len(part) for part in parts])
    return close(found, every.mean(0), 1e-6)


@exercise("18.5", "what the GPUs ask for, divided by what one core gives; a part of a core is one.")
def _(answer):
    return close(answer, 14)


@exercise("18.6", "four bytes for each of the 1,355,938 numbers.")
def _(answer):
    return close(answer, 5.423752, 1e-3)
