"""Find the photos in folders, and say what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from catdog import CatDogError
from catdog.data import imaging
from catdog.inference import web

SYSTEM = ("thumbs.db", "desktop.ini", ".ds_store")
KINDS = {  # what is left out of a folder: one of them, several
    "system": ("system file (._*, Thumbs.db…)", "system files (._*, Thumbs.db…)"),
    "link": ("link that is not followed", "links that are not followed"),
    "other": ("other file", "other files"),
}


def photos_in(named: Iterable[str | Path], left_out: Counter | None = None) -> Iterator[Path | str]:
    """Yield what is named: web addresses, files, and the pictures inside folders, in order.

    Args:
        left_out: counts what in the folders is no picture, see `said_of`.

    Raises:
        CatDogError: a folder has no picture in it.
    """
    left_out = Counter() if left_out is None else left_out
    for name in named:
        path = name if web.is_address(name) else Path(name)
        if not (isinstance(path, Path) and path.is_dir()):
            yield path
            continue
        here: Counter[str] = Counter()
        empty = True
        for inside in sorted(path.rglob("*")):
            kind = _kind(inside, path)
            if kind == "photo":
                empty = False
                yield inside
            elif kind:
                here[kind] += 1
        left_out += here
        if empty:
            kinds = ", ".join(sorted(imaging.SUFFIXES - imaging.HEIC_SUFFIXES))
            raise CatDogError(" ".join([f"{path}: no photo in it ({kinds}).", *said_of(here)]))


def _kind(path: Path, folder: Path) -> str | None:
    """What stands in a folder: "photo", a folder (None), or why it is left out."""
    if path.is_symlink() and not path.is_file():
        return "link"  # to nothing, or to a folder, which could be a circle
    if not path.is_file():
        return None
    name, above = path.name.lower(), path.relative_to(folder).parts
    if name.startswith("._") or name in SYSTEM or "__MACOSX" in above:
        return "system"
    suffix = path.suffix.lower()
    if suffix in imaging.SUFFIXES:
        return "photo"
    return "heic" if suffix in imaging.HEIC_SUFFIXES else "other"


def said_of(left_out: Counter) -> list[str]:
    """Return what to say of the files that `photos_in` left out: at most two sentences."""
    said, heic = [], left_out["heic"]
    if heic:
        files, them = ("file", "it") if heic == 1 else ("files", "them")
        said.append(
            f"{heic:,} HEIC {files} left out: convert {them} to JPEG, or install pillow-heif."
        )
    others = [f"{n:,} {names[n > 1]}" for kind, names in KINDS.items() if (n := left_out[kind])]
    if others:
        said.append(f"Left out: {', '.join(others)}.")
    return said
