"""What the options of several commands have in common."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
from pathlib import Path

import click
from click.core import ParameterSource

from catdog import CatDogError
from catdog.core import files, paths


class Output(click.Path):
    """A file or folder that is written at the end of the work: whether it can be is seen before."""

    def convert(self, value, param, ctx) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        files.must_be_writable(path)
        return path


class Record(Output):
    """A record's file: it replaces an older record, and nothing else."""

    def convert(self, value, param, ctx) -> Path:
        path = super().convert(value, param, ctx)
        if path.is_file() and path.stat().st_size:
            with contextlib.suppress(CatDogError, AttributeError):
                if files.read_json(path).keys() & {"hardware", "accuracy"}:
                    return path
            self.fail(
                f"{path} is there already, and is no record: choose another name.", param, ctx
            )
        return path


PATH = click.Path(path_type=Path)
OUTPUT, FOLDER = Output(dir_okay=False, path_type=Path), Output(path_type=Path)
RECORD = Record(dir_okay=False, path_type=Path)
COUNT = click.IntRange(min=1)
SEED = click.IntRange(0, 2**32 - 1)


def given(context: click.Context) -> list[click.Parameter]:
    """Return the options and arguments of a command that stand on its command line."""
    return [
        one
        for one in context.command.params
        if context.get_parameter_source(str(one.name)) is ParameterSource.COMMANDLINE
    ]


class Number(click.FloatRange):
    """A number in a range, which "nan" is not."""

    def convert(self, value, param, ctx) -> float:
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is no number.", param, ctx)
        return found


class Devices(click.ParamType):
    """A number of devices, or "all"."""

    name = "number|all"

    def convert(self, value, param, ctx) -> int | str:
        return value if value == "all" else COUNT.convert(value, param, ctx)


class Part(click.ParamType):
    """A part of a whole, such as "2/4"."""

    name = "part/parts"

    def convert(self, value, param, ctx) -> tuple[int, int]:
        i, _, n = str(value).partition("/")
        if not (i.isdigit() and n.isdigit() and 1 <= int(i) <= int(n)):
            self.fail(f"{value!r} is no part: the second of four is 2/4.", param, ctx)
        return int(i) - 1, int(n)


class Command(click.Command):
    """A command whose `multiple` options take several values after one name: --seed 1 2 3."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        several = {
            name: option for option in self.params if getattr(option, "multiple", False)
            for name in option.opts
        }  # fmt: skip
        spread, left = [], list(args)
        while left:
            spread.append(left.pop(0))
            option = several.get(spread[-1])
            if spread[-1] == "--":
                break
            if option is None or not left:
                continue
            name = spread[-1]
            spread.append(left.pop(0))
            while left and not left[0].startswith("-") and _is(option.type, left[0]):
                spread += [name, left.pop(0)]
        return super().parse_args(ctx, spread + left)


def _is(kind: click.ParamType, text: str) -> bool:
    try:
        kind.convert(text, None, None)
    except click.BadParameter:
        return False
    return True


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


def options(*some):
    """Put several options on a command, in this order."""

    def add(function):
        for one in reversed(some):
            function = one(function)
        return function

    return add


def data(name: str = "photos"):
    """The option --data: a folder of organized photos, by default data/NAME."""
    return click.option(
        "--data",
        type=PATH,
        default=lambda: paths.DATA / name,
        show_default=f"data/{name}",
        help="organized photos",
    )


def number(*names: str, **how):
    """An option that is a whole number of 1 or more."""
    return click.option(*names, type=how.pop("type", COUNT), **how)


def part(what: str):
    """The option --part, such as 2/4: the (index, number) of a part, by default (0, 1)."""
    return click.option("--part", type=Part(), default="1/1", help=what)


seed_of_a_secret = click.option(
    "--seed",
    type=SEED,
    default=lambda: secrets.randbits(32),
    show_default="by chance",
    help="who guesses it can draw the key, so that a small one is no secret",
)
scale = click.option("--scale", type=click.Choice(["sample", "full"]), default="sample")
scale_or_environment = click.option(
    "--scale",
    type=click.Choice(["sample", "full"]),
    show_default="the environment variable SCALE, or sample",
)
model = click.option(
    "--model", type=PATH, help="a .keras or .onnx file", show_default="the one that ships"
)
mirror = click.option(
    "--mirror",
    is_flag=True,
    help="average the answers to a photo and to its mirror image: twice the work",
)
record = click.option("--record", type=RECORD, help="write a record to this file")


def _renamed(old: str, new: str):
    def refuse(ctx, param, value):
        if value:
            raise click.UsageError(f"{old} is now called {new}.", ctx)

    return click.option(old, is_flag=True, hidden=True, expose_value=False, callback=refuse)


no_reject = options(
    click.option(
        "--no-reject",
        is_flag=True,
        help="answer cat or dog even to pictures that look like neither",
    ),
    _renamed("--always", "--no-reject"),
)
