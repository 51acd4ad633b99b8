"""Train the network from scratch."""

from __future__ import annotations

from pathlib import Path

import click

from catdog import CatDogError
from catdog.cli import options
from catdog.cli.output import load_keras, note, reports, say
from catdog.core import choices, files, paths

RECIPES = "\n".join(f"{name:28}{what}" for name, what in choices.RECIPES.items())


@click.command(
    cls=options.Command,
    short_help="Train the CNN from scratch; run again to resume",
    help="Train the CNN from scratch; run again to resume.\n\n"
    f"\b\nRECIPE is one of these; default: improved\n{RECIPES}",
)
@click.argument("recipe", default="improved")
@options.data()
@click.option(
    "--run",
    type=options.PATH,
    help="folder of the run",
    show_default="runs/DATA-RECIPE-SEED",
)
@options.number("--epochs", show_default="the recipe's")
@options.number("--batch-size", show_default="the recipe's")
@click.option(
    "--lr",
    type=options.Number(0, min_open=True),
    help="learning rate",
    show_default="the recipe's",
)
@options.number(
    "--patience",
    type=click.IntRange(min=0),
    help="stop after so many epochs in a row that are no better, and one more",
    show_default="the recipe's",
)
@click.option("--precision", type=click.Choice(choices.PRECISIONS), show_default="the recipe's")
@click.option(
    "--seed", type=options.SEED, multiple=True, default=[1], help="one, or several runs: 1 2 3"
)
@click.option(
    "--devices", type=options.Devices(), help="how many GPUs share each batch", show_default="1"
)
@options.number(
    "--processes",
    help="train with so many processes, each with a share of the photos: here, or where a launcher "
    "starts them",
    show_default="1, or what a launcher sets",
)
@click.option("--all", "everything", is_flag=True, help="train on the validation photos too")
@options.number(
    "--choose",
    metavar="N",
    help="leave the validation photos alone and judge by N training photos that are held back",
)
@reports
def train(
    recipe: str,
    data: Path,
    run: Path | None,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    patience: int | None,
    precision: str | None,
    seed: tuple[int, ...],
    devices: int | str | None,
    processes: int | None,
    everything: bool,
    choose: int | None,
) -> dict:
    if recipe not in choices.RECIPES:
        known = ", ".join(choices.RECIPES)
        raise CatDogError(f"no recipe is called {recipe!r}. The recipes: {known}.")
    seed = tuple(dict.fromkeys(seed))
    if everything and choose:
        raise click.UsageError("--all and --choose exclude each other.")
    if everything and patience is not None:
        raise click.UsageError("--patience needs photos to judge by: leave out --all.")
    if run and len(seed) > 1:
        raise CatDogError("--run names the folder of one run: leave it out, or give one --seed.")
    load_keras()
    from catdog.core import launching

    if devices and (processes or launching.asked_for()) > 1:
        raise click.UsageError("--processes takes all devices of each: leave out --devices.")
    launching.start(processes)
    with launching.joined():
        return _train(
            recipe,
            data,
            run,
            seed,
            everything,
            {"held_back": choose or 0, "devices": devices},
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=lr,
            patience=patience,
            precision=precision,
        )


def _train(recipe, data, run, seed, everything, how, **changes) -> dict:
    """Train once a seed; return the record of it, or of all."""
    from catdog.core import processes, recording
    from catdog.training import reference_runs, variants

    changed = variants.changed(recipe, **changes)
    if everything and changed.calibrate:
        note("no photos are left to find a temperature by: the probabilities stay as they come out")
    records = []
    for one, record in reference_runs.runs(recipe, changed, data, seed, run, everything, **how):
        records.append(record)
        if "validation" in record:
            say(reference_runs.line(record))
        path = one / "record.json"
        note(f"{one / 'model.keras'}: the model\n{path}: the record of the run")
    if len(records) == 1:
        return files.read_json(path)
    if everything:
        return {"runs": records}
    path = processes.folder(paths.RUNS / f"{data.name}-{recipe}") / "record.json"
    joint = recording.write(path, {"what": records[0]["what"], **reference_runs.joint(records)})
    note(f"{path}: the record of all of them")
    return joint
