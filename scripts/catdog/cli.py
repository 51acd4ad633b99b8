"""The ``catdog`` command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from catdog import CatDogError


def _archive(args: argparse.Namespace) -> None:
    from catdog import data

    folder = data.organize(args.path, args.root, args.name, args.n, args.ratio, args.seed)
    made = data.about(folder)
    for split, counts in made["counts"].items():
        print(f"{folder / split}: {counts['cat']:,} cats, {counts['dog']:,} dogs")
    if made["set_aside"]:
        print(f"{len(made['set_aside'])} photos could not be read: see {folder / 'set_aside'}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    top = argparse.ArgumentParser(prog="catdog", description="Cats, Dogs & Convolutions")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    sources = commands.add_parser("data", help="get photos and organize them")
    sources = sources.add_subparsers(required=True, metavar="SOURCE")
    archive = sources.add_parser("archive", help="a zip or folder of cat.N.jpg and dog.N.jpg")
    archive.add_argument("path", type=Path)
    archive.add_argument("--root", type=Path, default=Path("data"), help="default: data")
    archive.add_argument("--name", default="photos", help="the data set's name; default: photos")
    archive.add_argument("-n", type=int, help="how many photos; default: all")
    archive.add_argument("--ratio", type=float, default=0.2, help="validation part; default: 0.2")
    archive.add_argument("--seed", type=int, default=1)
    archive.set_defaults(run=_archive)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; return 0, 1 after an error that the reader can mend, or 130 on Ctrl-C."""
    args = parser().parse_args(argv)
    try:
        args.run(args)
    except CatDogError as error:
        print(f"catdog: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ncatdog: stopped. Run the same command again to go on.", file=sys.stderr)
        return 130
    return 0
