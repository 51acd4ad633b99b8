"""Change one thing and measure it; search for good settings."""

from __future__ import annotations

from pathlib import Path

import click

from catdog.cli import options
from catdog.cli.output import keep_record, load_keras, say
from catdog.core import choices


@click.command(cls=options.Command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "listing", is_flag=True, help="the experiments, and stop")
@options.scale_or_environment
@options.number("--seeds", help="runs of each", show_default="3 at sample scale, 1 at full")
@options.number("--epochs", help="of each run", show_default="6 at sample scale, 4 at full")
@click.option("--force", is_flag=True, help="also those that are recorded already")
@click.option("--record", type=options.RECORD, help="write the record of them all to this file")
def experiment(names, listing, scale, seeds, epochs, force, record: Path | None) -> None:
    """Change one thing, and measure it; resumes.

    NAME is an experiment's, see --list; default: all.
    """
    load_keras()
    from catdog.studies import ablation, ablation_runs

    if listing:
        for name, one in ablation.EXPERIMENTS.items():
            say(f"{name:20} {one.section}: {one.change}")
        return
    found = ablation_runs.run(names, scale, seeds, force=force, epochs=epochs)
    say(ablation_runs.table(found))
    keep_record(record, found)


@click.command(cls=options.Command)
@options.scale_or_environment
@click.option(
    "--minutes",
    type=options.Number(0, min_open=True),
    help="of the processor, all cores added up, for each search",
    show_default="0.5 at sample scale, 3 at full",
)
@click.option(
    "--ways",
    type=click.Choice(choices.SEARCHES),
    multiple=True,
    default=choices.SEARCHES,
    help="one or both",
)
@options.number("--seeds", default=1, help="searches in each way")
@click.option("--seed", type=options.SEED, default=1, help="of the first of them")
@options.record
def search(scale, minutes, ways, seeds, seed, record: Path | None) -> None:
    """Search for good settings, with a budget; resumes."""
    load_keras()
    from catdog.studies import search_runs as studies

    found = studies.run(scale, ways, minutes, seeds, first=seed)
    say(studies.table(found))
    keep_record(record, found)
