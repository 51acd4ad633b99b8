"""How an exercise is checked: its answer is right or not, and then there are hints."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Check = Callable[[Any], Any]

_CHECKS: dict[str, tuple[Check, tuple[str, ...]]] = {}
_SHOWN: dict[str, int] = {}  # how many wrong answers each exercise has had
_NOT_THE_READERS = (
    str(Path(__file__).parents[1]),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
)


def exercise(number: str, *hints: str) -> Callable[[Check], Check]:
    """Register a check: a function of the answer whose result is true if it is right.

    Args:
        number: the chapter's and the exercise's, as in "06.2".
        hints: each a step further; every wrong answer shows one more.
    """

    def add(check: Check) -> Check:
        _CHECKS[number] = (check, hints)
        return check

    return add


def judge(number: str, answer: Any) -> bool:
    """Return whether an answer is right; one that breaks the check, or itself, is wrong."""
    try:
        return bool(_CHECKS[number][0](answer))
    except Exception:
        return False


def check(number: str, answer: Any) -> None:
    """Print whether the answer to an exercise is right, and if not, the next hint.

    If a function that was given as the answer raised an error, its own traceback is shown.
    """
    if answer is ...:
        print(f"Exercise {number}: replace the … with your answer and run this cell again.")
        return
    check, hints = _CHECKS[number]
    broken = ""
    try:
        if check(answer):
            print(f"Exercise {number}: right.")
            return
    except Exception as error:
        broken = _in_the_answer(error)
    if broken:
        print(f"Exercise {number}: your function stops with an error.\n\n{broken}")
    else:
        print(f"Exercise {number}: not yet.")
    shown = min(_SHOWN.get(number, 0) + 1, len(hints))
    _SHOWN[number] = shown
    print(f"Hint {shown} of {len(hints)}: {hints[shown - 1]}")


def _in_the_answer(error: Exception) -> str:
    """The traceback from the reader's first line on; "" if the error is not there."""
    frames = traceback.extract_tb(error.__traceback__)
    for i, frame in enumerate(frames):
        if not frame.filename.startswith(_NOT_THE_READERS):
            lines = traceback.format_list(frames[i:])
            return "".join(lines + traceback.format_exception_only(error))
    return ""


def close(a: ArrayLike, b: ArrayLike, tolerance: float = 1e-6, atol: float = 0) -> bool:
    """Whether two answers have one shape and differ by no more than a share of `b`, and `atol`."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=atol)


def hints(number: str) -> tuple[str, ...]:
    """Return the hints of an exercise, in the order in which they are shown."""
    return _CHECKS[number][1]


def numbers() -> list[str]:
    """Return the numbers of all exercises whose checks are imported, in order."""
    return sorted(_CHECKS, key=lambda number: [int(part) for part in number.split(".")])
