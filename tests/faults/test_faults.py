"""Each fault of the table is injected, and seen as the table says; the page shows the table."""

import ast
import sys
from pathlib import Path

import pytest

from faults import page, small
from faults.elsewhere import ELSEWHERE
from faults.place import Place, tree
from faults.registry import FAULTS

TESTS = Path(__file__).parents[1]
real = pytest.mark.skipif(sys.platform == "win32", reason="kills, links and fifos")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A saved, untrained network, made in a child: TensorFlow is not imported here."""
    path = tmp_path_factory.mktemp("model")
    assert Place(path, path / "small.keras").call(small.model, str(path / "small.keras")).code == 0
    return path / "small.keras"


@real
@pytest.mark.parametrize("id", FAULTS)
def test_fault_is_seen_as_the_table_says_and_costs_nothing(id, tmp_path, model):
    fault, place = FAULTS[id], Place(tmp_path, model)
    seen = fault.inject(place)
    assert fault.matches(seen.said), seen.said
    assert seen.code == fault.code
    assert tree(place.mine) == place.before


def test_page_is_in_step_with_the_table():
    said = page.shown()
    assert said.keys() == FAULTS.keys()
    assert not [id for id, fault in FAULTS.items() if not fault.matches(said[id])]
    assert page.PAGE.read_text("utf-8") == page.render(said), "PYTHONPATH=tests python -m faults"


@pytest.mark.parametrize("row", ELSEWHERE, ids=lambda row: row.test.split("::")[1])
def test_test_of_another_folder_is_there(row):
    file, name = row.test.split("::")
    parsed = ast.parse((TESTS / file).read_text("utf-8"))
    assert name in {node.name for node in parsed.body if isinstance(node, ast.FunctionDef)}
