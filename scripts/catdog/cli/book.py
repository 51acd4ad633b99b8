"""Execute the chapters; render the tables of the README."""

from __future__ import annotations

import time
from pathlib import Path

import click

from catdog.cli import options
from catdog.cli.output import load_keras, note, say
from catdog.core import paths


@click.command(cls=options.Command)
@click.argument("chapters", nargs=-1)
@options.scale
@click.option("--force", is_flag=True, help="also those that are up to date")
@click.option("--in-place", is_flag=True, help="write the outputs into notebooks/ itself")
@options.number(
    "--jobs", help="how many at once", show_default="by this machine's cores and memory"
)
@click.option(
    "--stall",
    type=options.Number(min=0),
    default=300.0,
    metavar="SECONDS",
    help="give a chapter up that makes no progress for so long; 0: never",
)
@click.option(
    "--record", type=options.RECORD, help="write down what each chapter took in this file"
)
def run(chapters, scale, force, in_place, jobs, stall, record: Path | None) -> int:
    """Execute the chapters.

    CHAPTERS are such as 01 or 09_a_cnn; default: all.
    """
    load_keras()
    from catdog.book import execute, forecast

    force = force or record is not None  # it says what each chapter takes

    started = time.perf_counter()
    if scale != "sample":
        from catdog.training import config

        config.scale(scale)  # says at once what is missing
    asked, made = execute.outdated(chapters, scale, force or in_place)
    left = [path for path in asked if path not in made]
    jobs = 1 if in_place else jobs or execute.sensible_jobs(scale)
    if left:
        reads_photos = any("config.scale(" in path.read_text("utf-8") for path in left)
        note(forecast.needs(left, scale, jobs, paths.photos(scale) if reads_photos else None))
        if scale == "sample" and reads_photos:  # draws them, where they are missing
            from catdog.training import config

            config.scale("sample")
    outcomes = execute.run(chapters, scale, force, in_place, jobs=jobs, stall=stall)
    seconds = time.perf_counter() - started
    say("\n" + execute.summary(outcomes))
    note(f"\n{forecast.longest(outcomes)}; everything {seconds:.0f} s")
    if not in_place:
        note(f"The executed chapters: {paths.RUNS / 'notebooks' / scale}")
    note("Read on in the browser: make lab")
    if record:
        forecast.write(record, outcomes, seconds, jobs)
        note(f"{record}: the record of this run")
    return int(any(outcome.error for outcome in outcomes))


@click.command(cls=options.Command)
def readme() -> None:
    """Render the README's tables from the records."""
    load_keras()
    from benchmarks import tables

    tables.update()
