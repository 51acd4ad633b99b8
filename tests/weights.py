"""Where VGG16's ImageNet weights are, which are not part of the project."""

import os
from pathlib import Path

from catdog.models import backbones

SHARED = Path(__file__).parents[2] / "shared" / "vgg16"


def vgg16() -> Path | None:
    """Return the file that CATDOG_WEIGHTS names, else one beside the project; None for none."""
    mine = os.environ.get(backbones.WEIGHTS)
    path = backbones._in(Path(mine) if mine else SHARED, "vgg16", backbones.spec("vgg16"))
    return path.resolve() if path.is_file() else None
