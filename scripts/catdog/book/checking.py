"""How an exercise is checked: its answer is right or not, and then there is a hint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Check = Callable[[Any], Any]

_CHECKS: dict[str, tuple[Check, str]] = {}


def exercise(number: str, hint: str) -> Callable[[Check], Check]:
    """Register a check: a function of the answer whose result is true if it is right."""

    def add(check: Check) -> Check:
        _CHECKS[number] = (check, hint)
        return check

    return add


def judge(number: str, answer: Any) -> bool:
    """Return whether an answer is right; one of a wrong type or shape is wrong, not an error."""
    try:
        return bool(_CHECKS[number][0](answer))
    except (TypeError, ValueError, AttributeError, IndexError, KeyError):
        return False


def check(number: str, answer: Any) -> None:
    """Print whether the answer to an exercise is right, and a hint if it is not."""
    if answer is ...:
        print(f"Exercise {number}: replace the … with your answer and run this cell again.")
    elif judge(number, answer):
        print(f"Exercise {number}: right.")
    else:
        print(f"Exercise {number}: not yet. Hint: {_CHECKS[number][1]}")


def close(a: ArrayLike, b: ArrayLike, tolerance: float = 1e-6) -> bool:
    """Whether two answers have one shape and differ by no more than a share of `b`."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=0)


def numbers() -> list[str]:
    """Return the numbers of all exercises whose checks are imported."""
    return sorted(_CHECKS)
