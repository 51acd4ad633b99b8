"""What the command prints, and how much of it."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from catdog.core import starting


@dataclass
class Output:
    """How much is printed: set by -q, -v and --json."""

    quiet: bool = False
    verbose: bool = False
    json: bool = False


def settings() -> Output:
    """Return how much the command that runs is to print."""
    return click.get_current_context().find_root().ensure_object(Output)


def say(text: object) -> None:
    """Print a result."""
    if not settings().json:
        click.echo(text)


def note(text: object) -> None:
    """Print what is no result: -q leaves it out."""
    if not settings().quiet:
        say(text)


def keep_record(path: Path | None, found: dict) -> None:
    """Write what was found as a record, where one is asked for."""
    from catdog.core import recording

    if path:
        recording.write(path, found)
        note(f"{path}: the record")


def document(found: object, indent: int | None = 1) -> None:
    """Print a JSON document."""
    click.echo(json.dumps(found, indent=indent, default=str))


json_option = click.option("--json", "as_json", is_flag=True, help="print JSON and nothing else")


@contextlib.contextmanager
def only_json():
    """Within this context results are not printed as text, and what others print goes to stderr."""
    settings().json = True
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        settings().json = False


def reports(command):
    """Give a command the option --json: what it returns is then printed as one document."""

    @json_option
    @functools.wraps(command)
    def either(*args, as_json: bool, **how) -> None:
        if not as_json:
            command(*args, **how)
            return
        with only_json():
            found = command(*args, **how)
        document(found)

    return either


def load_keras() -> None:
    """Import Keras, see `starting.load_keras`; with -v TensorFlow says what it does."""
    starting.load_keras(settings().verbose)
    from catdog.core import recording

    recording.origin()  # the commit of now, not of the end of long work
