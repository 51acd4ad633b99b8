"""What the command prints, and how much of it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from catdog import CatDogError


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
    """Import Keras and its backend without their greetings, which no setting turns off.

    Raises:
        CatDogError: Keras has settings that it, or the project, cannot work with.
    """
    verbose = settings().verbose
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "3")
    quiet = contextlib.nullcontext() if verbose or "keras" in sys.modules else _no_stderr()
    try:
        with quiet:
            import keras
    except (AssertionError, ImportError, ValueError) as error:
        raise CatDogError(f"Keras does not start ({error}). {_advice()}") from error
    wanted = {"image_data_format": "channels_last", "floatx": "float32"}
    for name, value in wanted.items():
        if (found := getattr(keras.config, name)()) != value:
            raise CatDogError(f'Keras is set to "{name}": "{found}". {_advice(name, value)}')


@contextlib.contextmanager
def _no_stderr():
    """Within this context nothing reaches stderr, from libraries in C either."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _advice(name: str = "backend", value: str = "tensorflow") -> str:
    """Say where a setting of Keras is changed."""
    chosen = os.environ.get("KERAS_BACKEND")
    if name == "backend" and chosen and chosen != value:
        return (
            f"The environment variable KERAS_BACKEND is {chosen}: set it to {value}, or unset it."
        )
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    file = os.path.join(home, "keras.json")
    if name == "backend" and not os.path.exists(file):
        return "Install the packages again, as the README says."
    return f'Write "{name}": "{value}" in {file}, or remove that file.'
