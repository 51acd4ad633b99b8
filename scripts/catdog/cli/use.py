"""Use a trained model: predict, submit, evaluate, export, serve."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from pathlib import Path

import click

from catdog import no_bar
from catdog.cli import options, output
from catdog.cli.output import load_keras, note, reports, say
from catdog.core import paths
from catdog.inference import answers


@click.command(cls=options.Command)
@click.argument("photos", nargs=-1, required=True)
@options.model
@click.option(
    "--threshold",
    type=options.Number(0, 1),
    default=0.5,
    help="the probability of dog from which dog is said",
)
@options.mirror
@options.number("--batch-size", default=16, help="photos at a time")
@click.option(
    "--csv",
    type=options.PATH,
    help="write the answers to this new file instead; if interrupted, the same again goes on",
)
@options.part("of the photos; other machines answer the rest")
@options.no_reject
@output.json_option
def predict(photos, model, threshold, mirror, batch_size, csv, part, no_reject, as_json) -> int:
    """Say whether photos show a cat or a dog.

    PHOTOS are photos, folders of photos, or web addresses. With --json a line of JSON for each.
    """
    if csv and as_json:
        raise click.UsageError("--csv and --json exclude each other.")
    from tqdm.auto import tqdm

    from catdog.inference import folders
    from catdog.inference.classifier import Classifier
    from catdog.inference.table import Table

    left_out: Counter[str] = Counter()
    every = list(folders.photos_in(photos, left_out))
    at, parts = part
    files = every[len(every) * at // parts : len(every) * (at + 1) // parts]
    table = Table(csv, files, threshold) if csv else None
    done = table.done if table else []
    classifier = Classifier(model, reject=not no_reject, mirror=mirror, threshold=threshold)
    failed, started = sum(not row[1] for row in done), time.perf_counter()
    shown = len(files) > 1 and sys.stderr.isatty()
    with (
        table or contextlib.nullcontext(),
        tqdm(total=len(files), initial=len(done), unit="photo", disable=no_bar(shown)) as bar,
    ):
        left = files[len(done) :]
        for one in classifier.stream(left, batch_size):
            failed += bool(one.error)
            with tqdm.external_write_mode(sys.stdout):
                if one.error and not as_json:
                    click.echo(f"catdog: {one.error}", err=True)
                if table:
                    table.write(one)
                elif as_json:
                    output.document(one.document(), indent=None)
                elif not one.error:
                    say(click.format_filename(str(one)))  # names that are no Unicode, too
            bar.update()
    seconds, n = time.perf_counter() - started, len(files) - failed
    for sentence in folders.said_of(left_out):
        click.echo(f"catdog: {sentence}", err=True)
    if as_json:
        return int(bool(failed))
    if table:
        note(f"{csv}: {n:,} photos")
    if n > 1 or failed:
        unread = f", {failed:,} could not be read" if failed else ""
        many = "photo" if n == 1 else "photos"
        note(f"{n:,} {many}, {len(left) / seconds:.0f} images/s{unread}")
    return int(bool(failed))


@click.command(cls=options.Command)
@click.argument("source", type=options.PATH)
@click.option("--out", type=options.OUTPUT, default=Path("submission.csv"), help="a new file")
@click.option(
    "--clip",
    type=options.Number(0, 0.5, max_open=True),
    default=answers.CLIP,
    help="be no surer than this, see the model's record",
)
@options.model
@options.mirror
def submit(source: Path, out: Path, clip: float, model: Path | None, mirror: bool) -> int:
    """Write the file that Kaggle's competition asks for.

    SOURCE is Kaggle's test archive, or a folder.
    """
    from catdog.inference import submission
    from catdog.inference.classifier import Classifier

    classifier = Classifier(model, reject=False, mirror=mirror)
    broken = submission.submit(classifier, source, out, clip)
    for _, why in broken:
        click.echo(f"catdog: {why} It got 0.5.", err=True)
    note(f"{out}: ready to be uploaded. It was clipped to {clip:g} … {1 - clip:g}.")
    if broken:
        note(f"{len(broken):,} could not be read")
    return int(bool(broken))


@click.command(
    cls=options.Command, short_help="Examine a model: calibration, slices, what is neither"
)
@options.model
@options.data()
@click.option("--seen", is_flag=True, help="measure even on photos that the model was trained on")
@click.option(
    "--record",
    type=options.RECORD,
    help="write the record to this file",
    show_default="runs/evaluate-MODEL/record.json",
)
@click.option(
    "--refusal",
    type=options.OUTPUT,
    help="write what is refused to this file: MODEL.refusal.npz",
)
@click.option(
    "--seed", type=options.SEED, default=1, help="draws the known photos that the refusal keeps"
)
@reports
def evaluate(model, data: Path, seen: bool, record, refusal, seed: int) -> dict:
    """Examine a model: calibration, slices, what is neither; resumes."""
    load_keras()
    from catdog.core import recording
    from catdog.evaluation import examination, ood

    path = model or paths.DEFAULT_MODEL
    found, refuse = examination.examine(path, data, seed, seen=seen)
    say(examination.summary(found))
    out = record or paths.RUNS / f"evaluate-{Path(path).stem}" / "record.json"
    found = recording.write(out, found)
    note(f"{out}: the record")
    if refusal:
        note(f"{ood.save(refuse, path, refusal)}: the refusal")
    return found


@click.command(cls=options.Command)
@click.argument("out", type=options.OUTPUT)
@options.model
@click.option("--half", is_flag=True, help="keep the weights in 16 bits: half the size")
def export(out: Path, model: Path | None, half: bool) -> None:
    """Write a model as ONNX, for other programs.

    OUT is a new file, such as cat_dog.onnx.
    """
    load_keras()
    from catdog.models import export as onnx
    from catdog.models import saving

    difference = onnx.export(saving.load_model(model), out, half, model or paths.DEFAULT_MODEL)
    say(f"{out}: {out.stat().st_size / 1e6:.1f} MB, equal to {difference:.1g}")


@click.command(cls=options.Command)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="0: any that is free")
@click.option(
    "--host",
    default="127.0.0.1",
    help="listen on this address; with any other, such as a container's 0.0.0.0, other computers "
    "may reach the page, which has no password",
)
@options.model
@options.no_reject
def serve(port: int, host: str, model: Path | None, no_reject: bool) -> None:
    """A page on this computer to drop photos on."""
    from catdog.inference import serve as page
    from catdog.inference.classifier import Classifier

    page.serve(Classifier(model, reject=not no_reject), port, host)
