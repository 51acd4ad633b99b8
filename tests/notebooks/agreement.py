"""Hold an executed chapter against the committed one."""

import json
import re

import nbformat
import numpy as np
import seeds
import weights
from scipy.stats import t as student

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
SEEDS = json.loads(seeds.RESULTS.read_text("utf-8"))["percentages"]


def text(cell):
    """What a cell printed or returned as text, without addresses of objects."""
    out = []
    for output in cell.outputs:
        if output.output_type == "stream":
            out.append(output.text)
        else:  # of a picture this says how large it was drawn
            out.append(output.data.get("text/plain", ""))
    return re.sub(r"0x[0-9a-f]+", "0x", "".join(out))


def bounds(measured, confidence=0.999) -> tuple[float, float]:
    """Where one more run with another seed falls, with this confidence.

    Student's prediction interval: from n runs with standard deviation s it reaches t s √(1 + 1/n)
    to both sides of their mean. Two processors make no larger difference than two seeds, see
    seeds.py. Added are one of the 400 drawings, which rounding may turn, and half of the last digit
    that is printed, 1% in chapter 3.
    """
    n, middle = len(measured), np.mean(measured)
    reach = student.ppf((1 + confidence) / 2, n - 1) * np.std(measured, ddof=1)
    reach = reach * (1 + 1 / n) ** 0.5 + 100 / 400 + 0.5
    return middle - reach, middle + reach


def agree(path, executed):
    """Hold a chapter as it was executed here against the committed one, cell by cell.

    What no rounding changes must be equal to the letter. Where it `varies` the words must be,
    unless they name the `hardware`, and the `accuracy` of what was trained lies within its bounds.
    Chapter 10 was committed as VGG16 has it: without its weights another network runs there.
    """
    if path.stem.startswith("10") and not weights.vgg16():
        return
    for committed, fresh in zip(
        nbformat.read(path, 4).cells, nbformat.read(executed, 4).cells, strict=True
    ):
        assert fresh.id == committed.id
        tags = committed.metadata.get("tags", [])
        if committed.cell_type != "code" or "hardware" in tags:
            continue
        if "varies" in tags or "accuracy" in tags:
            words = [NUMBER.sub("#", text(cell)).split() for cell in (committed, fresh)]
            assert words[0] == words[1], committed.source
        else:
            assert text(fresh) == text(committed), committed.source
        if "accuracy" in tags:
            measured = np.array(SEEDS[path.stem][committed.id])  # a row a seed
            for share, column in zip(seeds.shares(fresh), measured.T, strict=True):
                low, high = bounds(column)
                assert low <= share <= high, (path.stem, committed.id, share, column)
