"""A backbone and a recipe that take a second, for tests of what is done with any."""

from catdog.models import backbones

# of a recipe whose photos grow
RECIPE = {
    "decode_size": 40,
    "progressive_sizes": ((2, 24), (2, 32)),
    "epochs": 4,
    "batch_size": 8,
    "ema": 0.9,
    "eval_size": None,
}


def stages():
    """One block of each stage of EfficientNet-Lite that halves the photo, and of its first."""
    return tuple((1, *stage[1:]) for stage in backbones._STAGES if stage[2] == 2 or stage[3] == 1)
