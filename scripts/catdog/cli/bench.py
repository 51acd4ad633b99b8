"""Measure speed, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from catdog.cli import options
from catdog.cli.output import load_keras, note, reports, say
from catdog.core import choices, paths

ROUNDS = options.number("--rounds", default=5, help="how often each side is measured")


def _ended(found: dict, record: Path | None, data: Path | None = None) -> dict:
    """Complete a record, with the photos that were measured on, and write it where asked for."""
    from catdog.core import recording
    from catdog.data import manifests

    if data:
        found = {**found, "dataset": manifests.reference(data)}
    return recording.write(record, found) if record else recording.complete(found)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


@click.group(cls=options.Group, invoke_without_command=True)
@options.data("sample")
@ROUNDS
@options.number("--trained", default=1600, help="photos a round")
@click.option(
    "--seeds",
    type=click.IntRange(min=0),
    default=0,
    help="train the fast recipe so often, from the photos to its accuracy, too",
)
@options.record
@reports
@click.pass_context
def bench(ctx: click.Context, **how) -> dict | None:
    """Measure speed, side by side.

    Without COMMAND: the article's way and ours, from end to end.
    """
    word = ctx.invoked_subcommand
    if word is None:
        return _everything(**how)
    for option in options.given(ctx):
        name = option.opts[0]
        raise click.UsageError(f"{name} stands behind {word}: catdog bench {word} {name} …")
    return None


def _everything(data: Path, rounds: int, trained: int, seeds: int, record: Path | None) -> dict:
    load_keras()
    from benchmarks import time_to_accuracy, ways
    from catdog.core import recording

    found = ways.everything(data, rounds, trained)
    say(_table(ways.rows(found)))
    if seeds:
        found["accuracy"] = time_to_accuracy.race(data, seeds)
        say(time_to_accuracy.summary(found["accuracy"], recording.read_all()["article"]))
    return _ended(found, record, data)


@bench.command()
@options.data("sample")
@options.number("-n", show_default="all", help="photos a round")
@ROUNDS
@options.record
@reports
def pipeline(data: Path, n: int | None, rounds: int, record: Path | None) -> dict:
    """The input pipeline beside Keras's legacy generator."""
    load_keras()
    from benchmarks import throughput

    found = throughput.pipeline_speed(data, n, rounds)
    say(throughput.summary_of_pipeline(found))
    return _ended(found, record, data)


@bench.command(short_help="The extraction of features beside the article's way")
@options.data("sample")
@options.number("-n", default=512, help="photos a round")
@options.number("--rounds", default=3, help="how often each side is measured")
@options.record
@reports
def features(data: Path, n: int, rounds: int, record: Path | None) -> dict:
    """The extraction of features beside the article's way."""
    load_keras()
    from benchmarks import throughput

    found = throughput.feature_speed(data, n, rounds)
    say(throughput.summary_of_features(found))
    return _ended(found, record, data)


@bench.command(short_help="Time and memory for more and more photos")
@options.data("sample")
@options.number(
    "--numbers", multiple=True, default=[1000, 5000, 20_000, 200_000], help="of photos: 1000 5000"
)
@click.option(
    "--longest",
    type=options.Number(0, min_open=True),
    default=240,
    help="seconds; what would take longer is left out",
)
@options.record
@reports
def growth(data: Path, numbers, longest: float, record: Path | None) -> dict:
    """Time and memory of organizing, decoding and features, for more and more photos."""
    load_keras()
    from benchmarks import scaling

    found = scaling.growth(data, numbers, longest=longest)
    say(_table(scaling.rows(found)))
    return _ended(found, record, data)


@bench.command(short_help="Time from the photos to the article's accuracy")
@options.data()
@click.option("--recipe", type=click.Choice(list(choices.RECIPES)), metavar="NAME", default="fast")
@options.number("--seeds", default=5, help="how many runs")
@options.number("-n", default=3200, help="photos that the article's way trains on between our runs")
@options.record
@reports
def accuracy(data: Path, recipe: str, seeds: int, n: int, record: Path | None) -> dict:
    """Time from the photos to the article's accuracy, beside the article's recipe."""
    load_keras()
    from benchmarks import time_to_accuracy
    from catdog.core import recording

    found = time_to_accuracy.race(data, seeds, recipe, n)
    say(time_to_accuracy.summary(found, recording.read_all()["article"]))
    return _ended(found, record, data)


@bench.command(short_help="This machine in a few seconds")
@options.record
@reports
def check(record: Path | None) -> dict:
    """This machine in a few seconds: matrix products and training steps."""
    load_keras()
    from benchmarks import device_check

    found = device_check.check()
    say(device_check.summary_of_check(found))
    return _ended({"what": "catdog bench check", **found}, record)


@bench.command(short_help="The same training on one and on several devices")
@options.data("sample")
@options.number("--numbers", multiple=True, default=[1, 2, 4], help="of devices: 1 2 4")
@click.option(
    "--backends",
    type=click.Choice(["tensorflow", "jax"]),
    multiple=True,
    default=["tensorflow", "jax"],
    help="one or both",
)
@options.record
@reports
def devices(data: Path, numbers, backends, record: Path | None) -> dict:
    """The same training on one and on several devices, which are logical ones without GPUs."""
    load_keras()
    from benchmarks import device_check

    found = device_check.compare_devices(data, numbers, backends)
    say(device_check.summary_of_devices(found))
    return _ended(found, record)


@bench.command("processes", short_help="The same training by one and by several processes")
@options.data("sample")
@options.number("--numbers", multiple=True, default=[1, 2], help="of processes: 1 2")
@options.number("--share", default=32, help="photos of a batch that each process has")
@options.number("--rounds", default=3, help="how often each number is measured")
@options.record
@reports
def processes_command(data: Path, numbers, share: int, rounds: int, record: Path | None) -> dict:
    """The same training by one and by several processes, each with a GPU or a core of its own.

    On JAX: set KERAS_BACKEND=jax.
    """
    load_keras()
    from benchmarks import several_machines

    found = several_machines.scaling(data, numbers, share, rounds)
    say(several_machines.summary(found))
    return _ended(found, record)


@bench.command(short_help="The work of chapters 9 to 11 on a GPU; resumes")
@options.data()
@click.option("--device", type=click.Choice(["gpu", "cpu"]), default="gpu")
@click.option(
    "--devices", type=options.Devices(), help="how many GPUs share each batch", show_default="1"
)
@options.number("--epochs", help="of the training from scratch", show_default="60")
@click.option(
    "--backbone",
    default="efficientnet-lite2",
    metavar="NAME",
    help=f"one of {', '.join(choices.BACKBONES)}",
)
@options.number("--size", help="of its photos", show_default="the backbone's own")
@click.option(
    "--run", type=options.PATH, help="folder of the run", show_default="runs/bench-DEVICE-DATA"
)
@click.option(
    "--record",
    type=options.RECORD,
    help="write the record to this file",
    show_default="models/records/gpu-NAME.json",
)
@reports
def gpu(data: Path, device: str, run, record, **how) -> dict:
    """The work of chapters 9 to 11 on a GPU, at full scale; run again to resume."""
    load_keras()
    from benchmarks import device_check

    device_check.need_gpu(device)
    run = run or paths.RUNS / f"bench-{device}-{data.name}"
    found = device_check.measure(data, run, device, say=note, **how)
    say(device_check.summary(found))
    if device == "cpu" and not record:
        record = run / "record.json"  # no reference
    record = record or device_check.record_path(device)
    found = _ended(found, record)
    note(f"{record}: the record")
    return found


@bench.command()
@options.model
@options.number("--rounds", default=7, help="how often each side is measured")
@options.record
@reports
def export(model: Path | None, rounds: int, record: Path | None) -> dict:
    """The ONNX file in onnxruntime beside Keras."""
    load_keras()
    from benchmarks import onnx_speed as onnx

    found = onnx.speed(model, rounds)
    say(onnx.summary(found))
    return _ended(found, record)


@bench.command("predict")
@options.data()
@click.option("--before", default="7657cd3", help="the commit to compare with")
@options.number("-n", default=400, help="photos of the folder")
@ROUNDS
@options.record
@reports
def predict_command(data: Path, before: str, n: int, rounds: int, record: Path | None) -> dict:
    """`catdog predict` of an earlier commit and of today: one photo, and a folder."""
    from benchmarks import predicting
    from catdog.core import recording

    recording.origin()  # the commit of now, not of the end of long work
    found = predicting.measure(data, before, rounds, n)
    say(predicting.summary(found))
    found["memory_gb"] = predicting.memory()
    for photos, used in found["memory_gb"].items():
        say(f"peak memory for {photos:,} photos: {used:.2f} GB")
    return _ended(found, record, data)
