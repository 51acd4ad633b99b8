"""Checks for the exercises of chapter 18, beside those of all other chapters."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise
from catdog.book.exercises import check, judge, numbers
from catdog.cloud import instances

__all__ = ["check", "judge", "numbers"]


@exercise(
    "18.1",
    "What is paid for while a machine runs? Three things.",
    "Add machine, disk and address: that is the price of one hour.",
    "Multiply the sum by 60 hours: 60 * (0.526 + 0.011 + 0.005).",
)
def _(answer):
    disk = instances.disk_usd_hour(100)
    hour = instances.TYPES["g4dn.xlarge"].usd + instances.ADDRESS_USD_HOUR + disk
    return close(answer, 60 * hour, 2e-3)


@exercise(
    "18.2",
    "A stopped machine costs nothing, nor does its address: only the disk is left.",
    "One month of it is 100 GB times 0.08 dollars.",
    "Three months are three times as much: 3 * 100 * 0.08.",
)
def _(answer):
    return close(answer, 3 * 100 * instances.DISK_USD_GB_MONTH, 1e-3)


@exercise(
    "18.4",
    "The batch: how many photos do 16 GPUs take together, if each takes 64?",
    "The batch is 16 times as large; the rate grows by the same factor.",
    "A tuple of the two, the batch first: (16 * 64, 16 * 0.0015).",
)
def _(answer):
    return len(answer) == 2 and close(answer, (1024, 0.024))


@exercise(
    "18.5",
    "A mean over 9 photos says more about all of them than a mean over 1: it weighs more.",
    "A device's weight is its count divided by the sum of all counts.",
    "Sum the products of weight and gradient, for instance with zip(weights, gradients).",
)
def _(answer):
    rng = np.random.default_rng(0)
    every = rng.normal(size=(10, 3, 2))
    parts = np.split(every, [5, 9])
    found = answer([part.mean(0) for part in parts], [len(part) for part in parts])
    return close(found, every.mean(0), 1e-6)


@exercise(
    "18.6",
    "How many photos a second do all eight GPUs ask for together?",
    "Divide that by what one core prepares.",
    "A part of a core cannot be had: round up, int(np.ceil(...)).",
)
def _(answer):
    return close(answer, 27)


@exercise(
    "18.7",
    "float32: how many bits, and so how many bytes, has one number?",
    "Four bytes each: how many bytes are 1,355,938 numbers?",
    "Divide the bytes by 10⁶ to get megabytes: 1_355_938 * 4 / 1e6.",
)
def _(answer):
    return close(answer, 5.423752, 1e-3)
