"""The house has one order: each room imports only what stands left of it, and its own."""

import ast
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
ORDER = ["core", "data", "models", "evaluation", "training", "inference", "studies", "book"]
ORDER += ["cloud", "benchmarks", "cli"]
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
