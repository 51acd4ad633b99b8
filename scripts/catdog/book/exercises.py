"""The exercises of all chapters but the one on machines in the cloud, ready to be checked."""

from catdog.book import checks  # noqa: F401 (registers them)
from catdog.book.checking import check, judge, numbers

__all__ = ["check", "judge", "numbers"]
