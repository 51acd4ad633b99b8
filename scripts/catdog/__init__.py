"""Cats, Dogs & Convolutions: the helper package that the notebooks import.

Data flows one way: data → pipeline → models → training → evaluation → explanation → prediction.
No module imports one to its right.
"""

import os

__version__ = "0.1.0"


class CatDogError(Exception):
    """An error that the reader can mend: its message says what happened and what to do."""


def no_bar(progress: bool) -> bool:
    """Whether to hide a progress bar: the caller wants none, or TQDM_DISABLE is set."""
    return not progress or bool(os.environ.get("TQDM_DISABLE"))
