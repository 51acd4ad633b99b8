"""Inject every fault and write the page:  PYTHONPATH=tests python -m faults"""

import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

from faults import page, small
from faults.place import Place, tree
from faults.registry import FAULTS


def said_of_all(folder: Path) -> dict[str, str]:
    """Inject every fault; what cannot be injected here keeps what the page shows."""
    model, said = folder / "small.keras", page.shown() if page.PAGE.exists() else {}
    (folder / "model").mkdir()
    Place(folder / "model", model).call(small.model, str(model))
    for fault in FAULTS.values():
        (folder / fault.id).mkdir()
        place = Place(folder / fault.id, model)
        try:
            seen = fault.inject(place)
        except SkipTest as reason:
            print(f"{fault.id}: left as it is ({reason})")
            continue
        if (
            not fault.matches(seen.said)
            or seen.code != fault.code
            or tree(place.mine) != place.before
        ):
            sys.exit(f"{fault.id} is not seen as it should be: {seen}")
        said[fault.id] = seen.said
    return said


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        page.PAGE.write_text(page.render(said_of_all(Path(folder))), "utf-8")
