"""What a teacher needs: slides, an exam, its grades."""

from __future__ import annotations

from pathlib import Path

import click

from catdog.cli import options
from catdog.cli.output import note, say
from catdog.core import handouts, paths


@click.command(cls=options.Command)
@click.argument("chapters", nargs=-1)
@click.option("--out", type=options.FOLDER, help="folder of the slides", show_default="runs/slides")
def slides(chapters, out: Path | None) -> None:
    """Make slides from the chapters, a file each, which needs no network.

    CHAPTERS are such as 01 or 09_a_cnn; default: all.
    """
    from catdog.book import execute
    from catdog.book import slides as making

    for path in execute.chapters(chapters):
        say(making.write(path, out or paths.RUNS / "slides"))


@click.command(cls=options.Command)
@options.seed_of_a_secret
@click.option("--out", type=options.FOLDER, required=True, help="folder for the students")
@click.option("--key", type=options.OUTPUT, required=True, help="file of the key")
def exam(seed: int, out: Path, key: Path) -> None:
    """Draw an exam on the whole series, and its key."""
    from catdog.book import exam as making

    say(f"{making.write(seed, out, key)}: for the students")
    say(f"{key}: the key, with the seed; keep it to yourself")


@click.command(cls=options.Command)
@click.argument("key", type=options.PATH)
@click.argument("submissions", nargs=-1, required=True, type=options.PATH)
@click.option("--csv", type=options.OUTPUT, help="table of points", show_default="KEY's, .csv")
@click.option(
    "--seconds",
    type=options.Number(min=1),
    default=10.0,
    help="of a processor that a cell may take",
)
@click.option(
    "--memory", type=options.Number(min=0.5), default=2.0, help="GB that a submission may take"
)
def grade(key: Path, submissions, csv: Path | None, seconds: float, memory: float) -> None:
    """Grade submissions of an exam: notebooks, or folders of them.

    Their code runs with your rights: grade in an account or container that holds nothing else.
    """
    from catdog.book import grading

    about = grading.read_key(key)
    table = csv or key.with_suffix(".csv")
    handouts.must_not_exist(table)
    named = grading.submissions(submissions)
    wide = max(map(len, named))
    grades = (grading.grade(about, n, path, seconds, memory) for n, path in named.items())
    say(f"{'':{wide}} " + "".join(f"{n:>4}" for n in about["questions"]) + "   total")
    for one in grading.write(about, grades, table):
        points = "".join(f"{p:4}" for p in one.points.values())
        say(f"{one.name:{wide}} {points} {one.total:4} of {grading.most(about)}")
        for remark in one.remarks:
            say(f"{'':{wide}}   {remark}")
    note(f"{table}: the table")
