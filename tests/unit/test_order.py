"""The house has one order: each room imports only what stands left of it, and its own.

And every file can be read in one sitting, every function on one screen.
"""

import ast
from pathlib import Path

import pytest

import catdog

SCRIPTS = Path(__file__).parents[2] / "scripts"
ORDER = ["core", "data", "models", "evaluation", "training", "inference", "studies", "book"]
ORDER += ["cloud", "benchmarks", "cli"]
# Longer than a file or a function should be, in lines. These numbers only fall, and what is short
# enough leaves the list.
LONG = {
    "benchmarks/ways.py: everything": 61,
    "catdog/book/execute.py: execute": 64,
    "catdog/book/execute.py: run": 84,
    "catdog/inference/serve.py: app": 71,
    "catdog/models/features.py: extract": 91,
    "catdog/training/loop.py: train": 100,
    "catdog/training/transfer_runs.py: frozen": 67,
    "catdog/training/transfer_runs.py: study": 66,
}
FILES = [*(SCRIPTS / "catdog").glob("*/*.py"), *(SCRIPTS / "benchmarks").glob("*.py")]


def room_of(module: str) -> str | None:
    parts = module.removeprefix("catdog.").split(".")
    return parts[0] if parts[0] in ORDER else None


def imported(path: Path):
    """Every module that a file imports, at its top or inside its functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_every_room_of_the_order_is_there():
    assert {path.parent.name for path in FILES} == set(ORDER)
    assert not [p for p in (SCRIPTS / "catdog").glob("*.py") if p.stem.strip("_") == p.stem]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_imports_nothing_to_its_right(path):
    own = ORDER.index(path.parent.name)
    rooms = {room_of(module) for module in imported(path) if module} - {None}
    assert not [room for room in rooms if ORDER.index(room) > own]


def functions(path: Path):
    """The name and length of each function of a file that gives no reason for being long."""
    lines = path.read_text("utf-8").splitlines()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node, *node.decorator_list], key=lambda n: n.lineno).lineno
            inside = (line.strip() for line in lines[node.lineno : node.end_lineno])
            comments = [lines[first - 2].strip(), *(s for s in inside if s.startswith("#"))][:2]
            if not any(comment.startswith("# long because ") for comment in comments):
                yield node.name, node.end_lineno - node.lineno + 1


def test_files_and_functions_are_short():
    found = {}
    ours = [path for path in SCRIPTS.rglob("*.py") if "node_modules" not in path.parts]
    for path in sorted(ours):
        name = path.relative_to(SCRIPTS).as_posix()
        if (lines := len(path.read_text("utf-8").splitlines())) > 400:
            found[name] = lines
        found |= {f"{name}: {f}": n for f, n in functions(path) if n > 60}
    assert not [name for name, n in found.items() if n > LONG.get(name, 0)]
    assert found.keys() == LONG.keys(), "short enough now: leaves the list"


def test_what_chapters_import_is_listed_and_there():
    assert len(set(catdog.__all__)) == len(catdog.__all__) > 20
    for name in catdog.__all__:
        assert getattr(catdog, name).__name__.split(".")[-1] == name
