"""A CSV file of answers that can be resumed."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from catdog import CatDogError
from catdog.core.files import key, must_be_new, writing
from catdog.inference import web
from catdog.inference.answers import FIELDS, Answer


class Table:
    """A CSV file of answers: written row by row to NAME.part, which gets its name when complete.

    If it is interrupted, the part stays, and a `Table` of the same name goes on with it. Its last
    row, which may be cut off, is answered again.

    Attributes:
        done: the rows that were there already.

    Raises:
        CatDogError: the file exists already, another program is writing it, or the part is of other
            photos or another threshold.
    """

    def __init__(self, out: Path, files: list[str | Path], threshold: float = 0.5):
        self.out, self.part, self.done = out, out.with_name(out.name + ".part"), []
        must_be_new(out)
        # of this user: another one's file could not be opened
        name = f"catdog-{getattr(os, 'getuid', int)()}-{key(str(out.resolve()), 16)}"
        self._lock = FileLock(Path(tempfile.gettempdir(), name))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise CatDogError(
                f"another program is writing {out}: wait for it, or name another file."
            ) from None
        begun = self.part.read_bytes() if self.part.exists() else b""
        text = begun.decode("utf-8", "surrogateescape")
        # the last row may be cut off, even where it looks whole
        *kept, self._last = [*map(tuple, csv.reader(io.StringIO(text, newline="")))] or [()]
        self.done, whole = kept[1:], _text(kept).encode("utf-8", "surrogateescape")
        names = [web.shown(str(file)) for file in files]
        if (
            not begun.startswith(whole)
            or (kept and kept[0] != FIELDS)
            or (begun and not kept and not _text([FIELDS]).encode().startswith(begun))
            or [row[0] for row in self.done] != names[: len(self.done)]
            or not all(_fits(row, threshold) for row in self.done)
        ):
            raise self._other()
        self._size = len(whole)

    def _other(self) -> CatDogError:
        return CatDogError(
            f"{self.part} was begun with other photos, another model or another threshold: move it "
            "away to begin anew, or name another file."
        )

    def __enter__(self) -> Table:
        with writing(self.part):
            with open(self.part, "ab") as stream:
                stream.truncate(self._size)
            self._stream = open(  # a row at a time
                self.part, "a", 1, encoding="utf-8", errors="surrogateescape", newline=""
            )
            self._writer = csv.writer(self._stream)
            if not self._size:
                self._writer.writerow(FIELDS)
        return self

    def write(self, answer: Answer) -> None:
        """Add the row of a photo.

        Raises:
            CatDogError: the part says something else of it, as another model began it; or it cannot
                be written.
        """
        row, last, self._last = answer.row(), self._last, ()
        if last[:1] == row[:1] and len(last) == len(row) and last[2] and row[2]:
            if last[1] != row[1] or abs(float(last[2]) - float(row[2])) > 0.01:
                raise self._other()
        with writing(self.part):
            self._writer.writerow(row)

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is not None:
                with contextlib.suppress(OSError):  # the row that could not be written
                    self._stream.close()
                return
            with writing(self.part):
                self._stream.close()
                if self.out.exists():
                    raise CatDogError(f"{self.out} has appeared meanwhile: answers: {self.part}.")
                os.replace(self.part, self.out)
        finally:
            self._lock.release()


def _text(rows: Iterable) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(rows)
    return stream.getvalue()


def _fits(row: tuple, threshold: float) -> bool:
    """Whether a row of a part may have been written with this threshold."""
    if len(row) != len(FIELDS):
        return False
    _, label, dog, error = row
    if label not in ("cat", "dog"):
        return label == "neither" or bool(error)
    slack = 1e-6 if label == "dog" else -1e-6  # of its rounding
    return (float(dog) + slack >= threshold) == (label == "dog")
