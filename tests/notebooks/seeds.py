"""Measure how far the results of the chapters that train differ from one seed to another.

Two processors round differently, and a training makes such differences grow until the two runs
are as unlike as two seeds. So the seeds tell how far a result may lie from the committed one:
test_notebooks.py takes its bounds from what this writes down.

    python tests/notebooks/seeds.py 03 09     these chapters anew; the others stay (default: all)
"""

import json
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

from catdog.book import execute
from catdog.book.kernels import Kernels
from catdog.core import paths

SEEDS = [2, 3, 4, 5, 6]
RESULTS = Path(__file__).with_name("seeds.json")
PLACE = r"\b(seed=|set_random_seed\()1\b"  # where a chapter names the seed of its training


def trained(notebook) -> bool:
    """Whether a notebook prints the accuracy of a network that it trains."""
    return any("accuracy" in cell.metadata.get("tags", []) for cell in notebook.cells)


def shares(cell) -> list[float]:
    """Return the percentages that a cell printed, as they stand there."""
    printed = "".join(output.get("text", "") for output in cell.outputs)
    return [float(share) for share in re.findall(r"(-?\d+(?:\.\d+)?)%", printed)]


def with_seed(notebook, seed: int):
    """Return the notebook with another seed for its trainings."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(PLACE, rf"\g<1>{seed}", cell.source)
    return notebook


def one(path: Path, seed: int, kernels: Kernels) -> dict[str, list[float]]:
    """Execute a chapter with a seed; return {id of the cell: what it printed}."""
    with tempfile.TemporaryDirectory() as folder:
        changed, out = Path(folder) / path.name, Path(folder) / "out.ipynb"
        nbformat.write(with_seed(nbformat.read(path, 4), seed), changed)
        outcome = execute.execute(changed, "sample", out, kernels=kernels)
        assert outcome.error is None, outcome.error
        cells = nbformat.read(out, 4).cells
    return {cell.id: shares(cell) for cell in cells if "accuracy" in cell.metadata.get("tags", [])}


def main(names: list[str]) -> None:
    """Execute the chapters with each seed, two at a time, and write down what they printed."""
    asked = [p for p in execute.chapters(names) if trained(nbformat.read(p, 4))]
    jobs = [(path, seed) for seed in SEEDS for path in asked]
    kernels = Kernels(2)
    found = json.loads(RESULTS.read_text("utf-8"))["percentages"] if RESULTS.exists() else {}
    found |= {path.stem: {} for path in asked}
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda job: one(*job, kernels), jobs)
        for (path, _), by_cell in zip(jobs, done, strict=True):
            for cell, values in by_cell.items():
                found[path.stem].setdefault(cell, []).append(values)
    record = {"seeds": SEEDS, "percentages": dict(sorted(found.items()))}
    RESULTS.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    print(f"{RESULTS.relative_to(paths.ROOT)}: {len(SEEDS)} seeds of {', '.join(found)}")


if __name__ == "__main__":
    main(sys.argv[1:])
