"""The chapters' pictures in words, for who cannot see them: notebooks/alternatives.

python -m catdog.book.alternatives                     lists what is missing or stale
python -m catdog.book.alternatives --confirm 04 CELL   after another look: a cell's texts still hold
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter
from pathlib import Path

import nbformat

from catdog import CatDogError
from catdog.book import execute

SHORTEST, LONGEST = 20, 300  # characters of a text
UNNAMED = re.compile(r"!\[\s*\][(\[][^)\]]*[)\]]|<img\b(?![^>]*\balt\s*=\s*[\"']?[^\"'\s>])[^>]*>")


def file_of(chapter: Path) -> Path:
    """Return where the texts of a chapter stand."""
    return chapter.parent / "alternatives" / f"{chapter.stem}.yaml"


def source_hash(cell) -> str:
    """Return the hash by which a text knows the code that its picture comes from."""
    return hashlib.sha256(cell.source.encode()).hexdigest()[:12]


def pictures(cell) -> int:
    """Return how many of a code cell's outputs are pictures."""
    data = [output.get("data", {}) for output in cell.outputs]
    return sum(any(kind.startswith("image/") for kind in one) for one in data)


def read(chapter: Path) -> dict[str, dict]:
    """Return {cell id: {"source": hash, "pictures": texts}} of a chapter; {} where none is written.

    Raises:
        CatDogError: the file is not of this shape.
    """
    import yaml  # of the development tools

    file = file_of(chapter)
    if not file.exists():
        return {}
    try:
        # BaseLoader: a hash of digits alone stays a string
        found = yaml.load(file.read_text("utf-8"), yaml.BaseLoader) or {}
        for entry in found.values():
            if entry.keys() != {"source", "pictures"} or not isinstance(entry["pictures"], list):
                raise AttributeError
    except (yaml.YAMLError, AttributeError) as error:
        raise CatDogError(
            f"{file}: write under each cell's id its 'source:' (a hash) and 'pictures:' (a list)."
        ) from error
    return found


def give(notebook, chapter: Path) -> None:
    """Write a chapter's texts into the metadata of its pictures, where nbconvert looks for them."""
    entries = read(chapter)
    for cell in notebook.cells:
        texts = iter(entries.get(cell.get("id"), {"pictures": ()})["pictures"])
        for output in cell.get("outputs", ()):
            for kind in [k for k in output.get("data", {}) if k.startswith("image/")][:1]:
                output.metadata[kind] = {"alt": next(texts, "")}


def unnamed(text: str) -> list[str]:
    """Return the pictures of a page, in Markdown or HTML, that have no text."""
    return [match.group() for match in UNNAMED.finditer(text)]


def _of_code(cell, entry: dict | None):
    """Yield what is wrong with the texts of a code cell."""
    count, source = pictures(cell), source_hash(cell)
    texts = entry["pictures"] if entry else []
    if len(texts) < count:
        yield f"{count} pictures, {len(texts)} texts: write what is missing (source: '{source}')."
    if len(texts) > count:
        yield f"{count} pictures, {len(texts)} texts: take out what is too many."
    if entry and entry["source"] != source:
        yield "its code has changed: look at its pictures again, mend the texts, then --confirm."
    for text in texts:
        if not SHORTEST <= len(text) <= LONGEST:
            yield f"{len(text)} characters, not {SHORTEST} to {LONGEST}: {text!r}"
    for output in cell.outputs:
        for picture in unnamed(output.get("data", {}).get("text/html", "")):
            yield f"give it an alt text: {picture[:80]}"


def faults(chapter: Path) -> list[str]:
    """Return a sentence for each picture without a text, and for each text without its picture."""
    entries = read(chapter)
    found, cells = [], {}
    for cell in nbformat.read(chapter, 4).cells:
        cells[cell.id] = cell
        if cell.cell_type == "code":
            said = list(_of_code(cell, entries.get(cell.id)))
        else:
            said = [f"give it an alt text: {picture}" for picture in unnamed(cell.source)]
        found += [f"{chapter.stem}, {cell.id}: {sentence}" for sentence in said]
    gone = [cell for cell in entries if cells.get(cell, {}).get("cell_type") != "code"]
    found += [f"{chapter.stem}, {cell}: no such code cell. Take its texts out." for cell in gone]
    return found


def repeated(chapters: list[Path]) -> list[str]:
    """Return the texts that stand for more than one picture."""
    entries = [entry for chapter in chapters for entry in read(chapter).values()]
    counts = Counter(text for entry in entries for text in entry["pictures"])
    return [f"a text of its own for each picture: {text!r}" for text, n in counts.items() if n > 1]


def confirm(chapter: Path, cell: str) -> None:
    """Write the hash of a cell's code as it stands now; all else in the file stays.

    Raises:
        CatDogError: the chapter has no such code cell, or the file no texts of it.
    """
    cells = {c.id: c for c in nbformat.read(chapter, 4).cells if c.cell_type == "code"}
    if cell not in cells:
        raise CatDogError(f"{chapter.stem} has no code cell {cell!r}. Name one by its id.")
    file = file_of(chapter)
    if cell not in read(chapter):
        raise CatDogError(f"{file} has no texts of {cell!r}. Write them first.")
    line = re.compile(rf"^({re.escape(cell)}:\n\s+source:).*$", re.M)
    text, n = line.subn(rf"\g<1> '{source_hash(cells[cell])}'", file.read_text("utf-8"))
    if n != 1:
        raise CatDogError(f"{file}: write 'source:' on the line after '{cell}:'.")
    file.write_text(text, "utf-8", newline="\n")


def main(words: list[str] | None = None) -> int:
    """List what is missing or stale, or confirm a cell; 1 where something is."""
    parser = argparse.ArgumentParser(prog="python -m catdog.book.alternatives")
    parser.add_argument("--confirm", nargs=2, metavar=("NN", "CELL"))
    chosen = parser.parse_args(words).confirm
    try:
        if chosen:
            (chapter,) = execute.chapters(chosen[:1])
            confirm(chapter, chosen[1])
            return 0
        chapters = execute.chapters()
        found = [sentence for chapter in chapters for sentence in faults(chapter)]
        found += repeated(chapters)
    except CatDogError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(found) or "Every picture has its text.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
