"""The table of faults: what is injected, and what must be seen."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from faults.place import Place, Seen

KINDS = {
    "photos": "Photos",
    "archives": "Archives",
    "disks": "Disks and folders",
    "interruptions": "Interruptions, and two at once",
    "damage": "Damaged files of the project's own",
    "network": "The network",
    "serving": "Requests to `catdog serve`",
    "surroundings": "Names, letters and surroundings",
}


@dataclass(frozen=True)
class Fault:
    """One line of the table.

    Attributes:
        id: stays as it is.
        kind: one of KINDS.
        what: is injected.
        seen: all that is printed, stderr if there is any, else the last line of stdout. "…" is for
            any text, such as a library's words.
        code: the command's exit code, or the HTTP status; of a function 1 for a `CatDogError`.
    """

    id: str
    kind: str
    what: str
    seen: str
    code: int
    inject: Callable[[Place], Seen]

    def matches(self, said: str) -> bool:
        """Whether this was to be seen."""
        wanted = re.escape(self.seen).replace("…", ".+?")
        return re.fullmatch(wanted, said, re.DOTALL) is not None


@dataclass(frozen=True)
class Elsewhere:
    """A fault that a test in another folder injects: `test` is its file and name."""

    what: str
    seen: str
    test: str


FAULTS: dict[str, Fault] = {}


def fault(id: str, what: str, seen: str, code: int = 1):
    """Enter a function into the table, under the kind that its module is named for."""

    def add(inject):
        kind = inject.__module__.rpartition(".")[2]
        assert id not in FAULTS and kind in KINDS
        FAULTS[id] = Fault(id, kind, what, seen, code, inject)
        return inject

    return add
