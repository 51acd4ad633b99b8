"""The page of the table: `README.md` beside this file, written by `python -m faults`."""

import importlib
import re
from pathlib import Path

from faults.elsewhere import ELSEWHERE
from faults.registry import FAULTS, KINDS

for _kind in KINDS:
    importlib.import_module(f"faults.{_kind}")

PAGE = Path(__file__).with_name("README.md")
HEAD = """\
# Faults

Each of these faults is brought about for real, and held to what a reader sees of it: one clear
sentence, no traceback, no warning of a library; to the exit code (for `catdog serve` the HTTP
status); to nothing of the reader's being lost or changed; and, after an interruption, to a next run
that completes. The sentences are those of the last rendering. The moments to kill a program at are
drawn with a seed, `CATDOG_FAULT_SEED`, by default 20.

```
.venv/bin/python -m pytest tests/faults                 # all of them
PYTHONPATH=tests .venv/bin/python -m faults             # this page anew
```

To add a fault, write a function with the decorator `fault` in the file of its kind, then render
the page.
"""
ROW = re.compile(r"\| `(?P<id>[a-z0-9-]+)` \| .+ \| (?P<said>.*) \| \d+ \|")


def _cell(text: str) -> str:
    """A text as code in a table; line ends become " ⏎ "."""
    text, mark = text.replace("|", "\\|").replace("\n", " ⏎ "), "``" if "`" in text else "`"
    return f"{mark}{text}{mark}" if text else "nothing"


def render(said: dict[str, str]) -> str:
    """Return the page with what was said for each fault."""
    parts = [HEAD]
    for kind, title in KINDS.items():
        parts.append(
            f"\n## {title}\n\n| id | injected | seen | code |\n| --- | --- | --- | ---: |\n"
        )
        for fault in FAULTS.values():
            if fault.kind == kind:
                what, seen = fault.what.replace("|", "\\|"), _cell(said[fault.id])
                parts.append(f"| `{fault.id}` | {what} | {seen} | {fault.code} |\n")
    parts.append("\n## Tested elsewhere\n\n| injected | seen | test |\n| --- | --- | --- |\n")
    for row in ELSEWHERE:
        file, name = row.test.split("::")
        test = f"[{name}](../{file})"
        parts.append(f"| {row.what} | {_cell(row.seen)} | {test} |\n")
    return "".join(parts)


def shown() -> dict[str, str]:
    """Return what the page shows as said for each fault."""
    found = {}
    for row in ROW.finditer(PAGE.read_text("utf-8")):
        said = "" if row["said"] == "nothing" else re.sub("^(`+)(.*)\\1$", r"\2", row["said"])
        found[row["id"]] = said.replace(" ⏎ ", "\n").replace("\\|", "|")
    return found
