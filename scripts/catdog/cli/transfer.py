"""Stand on a pretrained backbone."""

from __future__ import annotations

from pathlib import Path

import click

from catdog import CatDogError
from catdog.cli import options
from catdog.cli.output import load_keras, note, reports, say
from catdog.core import choices, files, paths

backbone = click.option(
    "--backbone",
    default="efficientnet-lite0",
    metavar="NAME",
    help=f"one of {', '.join(choices.BACKBONES)}",
)
size = options.number("--size", help="of the photos", show_default="the backbone's own")
TUNING, HEADS = ("fine-tune",), ("frozen", "fine-tune", "study")
OF = {"part": ("vgg16",), "no_mirror": ("frozen",), "backbone": HEADS, "size": HEADS}
OF |= dict.fromkeys(("epochs", "from_block", "seed"), TUNING)  # options, and whose they are
PARTS = "; ".join(f"{name}: {what}" for name, what in choices.VGG16_PARTS.items())


@click.command(cls=options.Command, short_help="Compute a backbone's features; resumes")
@backbone
@size
@options.data()
@options.part("of the files; other machines make the rest")
@click.option("--no-mirror", is_flag=True, help="no mirror images")
@reports
def features(
    backbone: str, size: int | None, data: Path, part: tuple[int, int], no_mirror: bool
) -> dict:
    """Compute a backbone's features, which `catdog transfer` begins with; resumes.

    On several machines with the same photos, give each its --part. Then copy what they have
    computed into the folder features/ of one.
    """
    load_keras()
    from catdog.data import manifests
    from catdog.models import features as computing

    folders = []
    for split in manifests.SPLITS:
        if part[0] * computing.SHARD >= len(manifests.read(data, split)):
            note(f"{split}: so few photos that none are left for this part")
            continue
        for flip in (False,) if no_mirror else (False, True):
            found = computing.extract(data, split, backbone, size, flip=flip, part=part)
            folders.append(str(found.shards[0].parent))
            say(f"{folders[-1]}: {len(found):,} photos in {len(found.shards)} files")
    return {"folders": folders}


@click.command(cls=options.Command, short_help="Stand on a pretrained backbone; resumes")
@click.argument("how", type=click.Choice(["frozen", "fine-tune", "study", "vgg16"]))
@click.option(
    "--part",
    type=click.Choice([*choices.VGG16_PARTS, "all"]),
    default="article",
    help=f"of vgg16. {PARTS}",
)
@click.option("--no-mirror", is_flag=True, help="of frozen: no mirror images")
@backbone
@size
@options.data()
@click.option(
    "--run", type=options.PATH, help="folder of the run", show_default="runs/DATA-HOW-BACKBONE"
)
@options.number("--epochs", help="of fine-tuning", show_default="the recipe's")
@click.option(
    "--from-block", type=click.IntRange(min=0), default=9, help="of fine-tuning: first that learns"
)
@click.option("--seed", type=options.SEED, default=1, help="of fine-tuning")
@reports
def transfer(
    how: str,
    part: str,
    no_mirror: bool,
    backbone: str,
    size: int | None,
    data: Path,
    run: Path | None,
    epochs: int | None,
    from_block: int,
    seed: int,
) -> dict:
    """Stand on a pretrained backbone; resumes.

    \b
    frozen     a new head on frozen features
    fine-tune  then the upper blocks, too
    study      how many photos are enough, which labels look wrong
    vgg16      the article's use of VGG16 and what each of its choices cost,
               each part a record in the run's folder
    """
    _must_have_a_meaning(how)
    load_keras()
    from dataclasses import replace

    from benchmarks import throughput
    from catdog.core import recording
    from catdog.models import backbones
    from catdog.training import transfer_runs as runs
    from catdog.training.transfer import FINE_TUNING

    size = size or backbones.spec(backbone).size
    of = "" if how == "vgg16" else f"-{backbone}-{size}"
    run = run or paths.RUNS / f"{data.name}-{how}{of}"
    with files.writing(run):
        run.mkdir(parents=True, exist_ok=True)
    if how == "vgg16":
        return _vgg16(data, run, choices.VGG16_PARTS if part == "all" else [part])
    mirror = how != "frozen" or not no_mirror
    _must_fit(run / "record.json", data, runs.command(how, backbone, size, mirror))
    if how == "study":
        found = recording.write(run / "record.json", runs.study(data, backbone, size))
        say(f"{run / 'record.json'}: the record")
        return found
    if how == "frozen":
        model, record = runs.frozen(data, backbone, size, not no_mirror)
        record["extraction"] = throughput.extraction_rate(data, backbone, size)
    else:
        head = runs.head_of(runs.frozen(data, backbone, size)[0])
        recipe = replace(FINE_TUNING, epochs=epochs or FINE_TUNING.epochs)
        model, record = runs.fine_tune(
            data, backbone, head, size, recipe, from_block, run / "training", seed
        )
    for line in runs.lines(record):
        say(line)
    found = runs.keep(model, record, data, run)
    note(f"{run / 'model.keras'}: the model\n{run / 'record.json'}: the record of the run")
    return found


def _must_have_a_meaning(how: str) -> None:
    """Refuse options that are of another HOW."""
    for option in options.given(click.get_current_context()):
        meant = OF.get(str(option.name), (how,))
        if how not in meant:
            raise click.UsageError(f"{option.opts[0]} is an option of {', '.join(meant)} alone.")


def _must_fit(record: Path, data: Path, what: str) -> None:
    """Make sure that a record that is there is of the same photos and settings."""
    from catdog.data import manifests

    if not record.exists():
        return
    found, dataset = files.read_json(record), manifests.reference(data)
    of = found.get("dataset", {}).get("manifest_sha256"), found.get("what")
    if of != (dataset["manifest_sha256"], what):
        raise CatDogError(
            f"{record} is of other photos or settings, and is left as it is: name another folder "
            "with --run."
        )


def _vgg16(data: Path, run: Path, parts) -> dict:
    from catdog.studies import vgg16

    studies, found = vgg16.Studies(data, run), {}
    for part in parts:
        path = studies.record(part)
        say(f"{path}: {choices.VGG16_PARTS[part]}")
        found[part] = files.read_json(path)
    return found if len(found) > 1 else found[part]
