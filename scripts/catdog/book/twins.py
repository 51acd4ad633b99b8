"""Each chapter's twin in notebooks/text: its prose and code, to read a change in.

python -m catdog.book.twins     writes them all
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nbformat

from catdog import CatDogError
from catdog.core import paths


def require() -> None:
    """Raise a CatDogError if jupytext, which only writing twins needs, is missing."""
    if not importlib.util.find_spec("jupytext"):
        raise CatDogError("a chapter's twin is written by jupytext: 'pip install jupytext' first.")


def text(path: Path) -> str:
    """Return a notebook as MyST Markdown, without outputs, ids and metadata but for tags."""
    import jupytext

    notebook = nbformat.read(path, 4)
    notebook.metadata["jupytext"] = {"notebook_metadata_filter": "-all"}
    return jupytext.writes(notebook, "md:myst")


def write(path: Path) -> Path:
    """Write the twin of a notebook, in the folder `text` beside it, and return where."""
    twin = path.parent / "text" / f"{path.stem}.md"
    twin.parent.mkdir(exist_ok=True)
    twin.write_text(text(path), "utf-8", newline="\n")
    return twin


if __name__ == "__main__":
    require()
    for chapter in sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        write(chapter)
