"""What is handed out to a class, and the files of answers that are kept from it."""

from __future__ import annotations

from pathlib import Path

from catdog import CatDogError
from catdog.core.files import atomic_write


def must_not_exist(path: str | Path) -> None:
    """Raise a CatDogError if a file or folder to be written is there already."""
    if Path(path).exists():
        raise CatDogError(f"{path} exists already and is left as it is: name another.")


def must_be_apart(key: str | Path, folder: str | Path, whose: str) -> None:
    """Raise a CatDogError if a file of answers would lie in the folder that is handed out."""
    if Path(key).resolve().is_relative_to(Path(folder).resolve()):
        raise CatDogError(
            f"{key} would lie in the folder of {whose}: name a place outside {folder}."
        )


def write_private(path: str | Path, text: str) -> None:
    """Write a text file that other users of this machine cannot read; see `atomic_write`."""
    with atomic_write(path) as part:
        part.touch(0o600)
        part.write_text(text + "\n", "utf-8")
