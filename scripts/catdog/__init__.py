"""Cats, Dogs & Convolutions: the helper package that the notebooks import.

Data flows one way: data → pipeline → models → training → evaluation → prediction. No module
imports one to its right.
"""

__version__ = "0.1.0"


class CatDogError(Exception):
    """An error that the reader can mend: its message says what happened and what to do."""
