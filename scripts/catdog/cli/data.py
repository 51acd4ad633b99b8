"""Get photos and organize them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from catdog.cli import options
from catdog.cli.output import say
from catdog.core import paths


@click.group(cls=options.Group)
def data() -> None:
    """Get photos and organize them."""


def _organizing(name: str, n: int | None = None):
    """The options of every source, by whose name and number of photos they differ."""
    return options.options(
        click.option(
            "--root",
            type=options.PATH,
            default=lambda: paths.DATA,
            show_default="data",
            help="the folder of the data sets",
        ),
        click.option("--name", default=name, help="the data set's name"),
        click.option(
            "-n", type=click.IntRange(min=4), default=n, show_default=None if n else "all",
            help="how many",
        ),
        click.option(
            "--ratio",
            type=options.Number(0, 1, min_open=True, max_open=True),
            default=0.2,
            help="validation part",
        ),
        click.option("--seed", type=options.SEED, default=1, help="of the split"),
    )  # fmt: skip


def _get(get: Callable, *given, **how) -> None:
    from catdog.data import manifests

    folder = get(*given, how["root"], how["name"], how["n"], how["ratio"], how["seed"])
    made = manifests.metadata(folder)
    for split, counts in made["counts"].items():
        say(f"{folder / split}: {counts['cat']:,} cats, {counts['dog']:,} dogs")
    if n := len(made["set_aside"]):
        many = "photo" if n == 1 else "photos"
        say(f"{n:,} {many} could not be read: see set_aside in {folder / 'dataset.json'}")


@data.command()
@_organizing("sample", 2000)
def sample(**how) -> None:
    """Drawn cats and dogs, made here in seconds."""
    from catdog.data import synthetic

    _get(synthetic.organize, **how)


@data.command()
@click.argument("path", type=options.PATH)
@_organizing("photos")
def archive(path: Path, **how) -> None:
    """A zip or folder of cat.N.jpg and dog.N.jpg."""
    from catdog.data import organizing

    _get(organizing.organize, path, **how)


@data.command(short_help="Download Microsoft's 25,000 photos (825 MB)")
@_organizing("photos")
def microsoft(**how) -> None:
    """Download Microsoft's archive of 25,000 photos (825 MB)."""
    from catdog.data import download

    _get(download.microsoft, **how)


@data.command(short_help="Download Kaggle's archives with your own token")
@_organizing("photos")
def kaggle(**how) -> None:
    """Download Kaggle's archives with your own token."""
    from catdog.data import download

    _get(download.kaggle, **how)


@data.command()
@options.seed_of_a_secret
@click.option("--out", type=options.FOLDER, required=True, help="folder of the data set")
@click.option("--key", type=options.OUTPUT, required=True, help="file that says what was planted")
@click.option("-n", type=click.IntRange(min=40), default=2000, help="how many")
def shortcut(seed: int, out: Path, key: Path, n: int) -> None:
    """The sample with a planted cue, for a class to find."""
    from catdog.data import shortcuts

    shortcuts.organize(seed, out, key, n)
    say(f"{out}: the data set; in training alone something gives the label away")
    say(f"{key}: what it is, with the seed; keep it to yourself")
