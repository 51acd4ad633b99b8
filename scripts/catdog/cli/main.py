"""The ``catdog`` command."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback

import click

from catdog import CatDogError, __version__
from catdog.cli import aws, bench, book, data, studies, teach, train, transfer, use
from catdog.cli.options import Group
from catdog.cli.output import Output, settings
from catdog.core import files

EPILOG = """\b
Exit codes: 0 it worked; 1 something that you can mend, said on stderr, or
the reader of a pipe has left; 2 wrong usage; 130 stopped with Ctrl-C.

\b
Shell completion, for bash (zsh and fish likewise):
eval "$(_CATDOG_COMPLETE=bash_source catdog)"

\b
Environment variables: CATDOG_HOME, the project's folder; CATDOG_RUNS and
CATDOG_FEATURES, folders instead of its runs/ and features/; CATDOG_WEIGHTS, a
file of VGG16's weights, or its folder; SCALE, sample or full, of a chapter;
KERAS_BACKEND, tensorflow or jax.
"""


class _Catdog(Group):
    """The group of all commands, which turns errors that the reader can mend into a sentence."""

    def invoke(self, ctx: click.Context):
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()  # here click sees it if a pipe is closed
            return code
        except (CatDogError, OSError) as error:
            text = _sentence(error)
            if settings().verbose:
                _traceback(error)
            click.echo(f"catdog: {text}", err=True)
            ctx.exit(1)


def _sentence(error: CatDogError | OSError) -> str:
    """Return what to say of an error; one that is none of the reader's goes on as it is."""
    if isinstance(error, CatDogError):
        return str(error)
    if error.errno in files.FULL and not error.filename:  # stdout's, too
        return f"a disk is full ({error.strerror}): make room on it, then run again."
    if error.errno not in files.FULL | files.FORBIDDEN or not error.filename:
        raise error
    return (
        f"{error.filename}: {error.strerror}. See that you may read and write there and that the "
        "disk has room, then run again."
    )


def _traceback(error: BaseException) -> None:
    """Print where an error comes from, with its causes, also those that it hides."""
    one: BaseException | None = error
    while one is not None:
        one.__suppress_context__ = False
        one = one.__cause__ or one.__context__
    traceback.print_exception(error)


@contextlib.contextmanager
def _no_bars():
    """Within this context no progress bar is shown."""
    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        del os.environ["TQDM_DISABLE"]
        if before is not None:
            os.environ["TQDM_DISABLE"] = before


@click.group(
    cls=_Catdog,
    epilog=EPILOG,
    context_settings={"show_default": True, "help_option_names": ["-h", "--help"]},
)
@click.option("-v", "--verbose", is_flag=True, help="show tracebacks and TensorFlow's log")
@click.option("-q", "--quiet", is_flag=True, help="print results only, and no progress bars")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def catdog(ctx: click.Context, verbose: bool, quiet: bool) -> None:
    """Cats, Dogs & Convolutions"""
    ctx.obj = Output(quiet, verbose)
    if quiet:
        ctx.with_resource(_no_bars())


for command in (
    *(data.data, train.train, transfer.features, transfer.transfer, book.run),
    *(use.predict, use.submit, use.evaluate, use.export, use.serve),
    *(bench.bench, studies.experiment, studies.search, aws.aws, book.readme),
    *(teach.slides, teach.exam, teach.grade),
):
    catdog.add_command(command)


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit code, which the help explains."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names and signs that it has no letters for
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return catdog.main(argv, prog_name="catdog", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        ctx = getattr(error, "ctx", None)
        where = ctx.command_path if ctx else "catdog"
        click.echo(f"{where}: {error.format_message()}", err=True)
        return error.exit_code
    except OSError as error:  # of the help, which is printed before a command begins
        click.echo(f"catdog: {_sentence(error)}", err=True)
        return 1
    except click.Abort:
        click.echo("catdog: stopped. Run the same command again to go on.", err=True)
        return 130
    finally:
        _empty_stdout()


def _empty_stdout() -> None:
    """Let what stdout could not take go nowhere: else Python tries it again, and complains."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
