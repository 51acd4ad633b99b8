"""Answers to chapter 8's exercises: other right ones, and wrong ones that people give."""

BY_LABEL = """
def answer(labels, ratio):
    labels = np.array(labels)
    validation = []
    for label in np.unique(labels):
        places = np.random.default_rng(1).permutation(np.flatnonzero(labels == label))
        validation.extend(places[: round(ratio * len(places))])
    return np.setdiff1d(np.arange(len(labels)), validation), validation
"""
FIRST = """
def answer(labels, ratio):
    cut = round(ratio * len(labels))
    return list(range(cut, len(labels))), list(range(cut))
"""
EVERY_FOURTH = """
def answer(labels, ratio):
    step = round(1 / ratio)
    places = range(len(labels))
    return [i for i in places if i % step], [i for i in places if not i % step]
"""
SHUFFLED = """
def answer(labels, ratio):
    order = list(np.random.default_rng(0).permutation(len(labels)))
    cut = round(ratio * len(labels))
    return order[cut:], order[:cut]
"""
SWAPPED = """
def answer(labels, ratio):
    train, validation = [], []
    for label in sorted(set(labels)):
        places = [i for i, one in enumerate(labels) if one == label]
        cut = round(len(places) * ratio)
        validation += places[cut:]
        train += places[:cut]
    return train, validation
"""
ON_BOTH_SIDES = """
def answer(labels, ratio):
    validation = []
    for label in sorted(set(labels)):
        places = [i for i, one in enumerate(labels) if one == label]
        validation += places[: round(len(places) * ratio)]
    return list(range(len(labels))), validation
"""
NAMES = """
def answer(labels, ratio):
    cats, dogs = ([one for one in labels if one == kind] for kind in ("cat", "dog"))
    a, b = round(ratio * len(cats)), round(ratio * len(dogs))
    return cats[a:] + dogs[b:], cats[:a] + dogs[:b]
"""
IN_PLACE = """
def answer(x):
    x[:] = x[:, ::-1].copy()
    return x
"""

RIGHT = {
    "08.1": ["(500, 32)", "[-(-16_000 // 32), -(-2_000 // 64)]"],
    "08.2": ["3.01", "np.zeros((5, 224, 224, 3), 'float32').nbytes / 1e6"],
    "08.3": ["lambda x: np.flip(x, axis=2)", "lambda x: x[..., ::-1, :]"],
    "08.4": [BY_LABEL],
    "08.5": ["[29.8, 0.524]", "150 * np.sin(np.array([0.2, 0.2 * np.pi / 180]))"],
}
WRONG = {
    "08.1": ["[500, 31]", "[500, 31.25]", "[16_000 // 32, 2_000 // 64]", "500"],
    "08.2": [
        "0.75264",  # bytes
        "5_000 * 224 * 224 * 4 / 1e9",  # one channel
        "5_000 * 224 * 224 * 3 * 8 / 1e9",  # float64
        "5_000 * 224 * 224 * 3 * 4 / 2**30",
    ],
    "08.3": [
        "lambda x: x[:, ::-1]",  # upside down
        "lambda x: x[..., ::-1]",  # the colours
        "lambda x: x[::-1]",  # the photos
        "lambda x: x[:, ::-1, ::-1]",
        "lambda x: x.transpose(0, 2, 1, 3)",
        IN_PLACE,
    ],
    "08.4": [FIRST, EVERY_FOURTH, SHUFFLED, SWAPPED, ON_BOTH_SIDES, NAMES],
    "08.5": [
        "[150 * np.sin(0.2), 150 * np.sin(0.2)]",
        "[150 * np.sin(np.radians(11.5)), 150 * np.sin(0.2)]",
        "[150 * 0.2, 150 * 0.2 / 180]",
        "[150 * np.tan(0.2), 150 * np.tan(np.radians(0.2))]",
        "[150 * np.sin(np.radians(0.2)), 150 * np.sin(0.2)]",
    ],
}
