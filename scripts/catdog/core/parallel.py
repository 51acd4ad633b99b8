"""Call a function on many items at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from catdog.core import resources


def parallel_map(function: Callable, items: Iterable, ahead_by: int | None = None) -> Iterator:
    """Call a function on each item, in threads; yield what it returns in the order of the items.

    It is a few items ahead of what is used, not more, so that memory does not grow with them.

    Args:
        ahead_by: how many; by default two a core.
    """
    workers = resources.cores()
    most = ahead_by or 2 * workers
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                if len(ahead) > most:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
