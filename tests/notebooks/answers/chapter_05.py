"""Other right answers to the exercises of chapter 5, and wrong ones that people give."""

LOOPS = """
def answer(x):
    n, h, w, c = x.shape
    y = np.zeros((n, h // 2, w // 2, c))
    for i in range(h // 2):
        for j in range(w // 2):
            y[:, i, j] = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2))
    return y
"""
FLAT = """
def answer(x):
    rows = x.reshape(-1, x.shape[3])
    return ((rows - rows.mean(0)) / np.sqrt(rows.var(0) + 0.001)).reshape(x.shape)
"""


def normalized(axis="(0, 1, 2)", below="np.sqrt(x.var({axis}) + 1e-3)"):
    """The source of an answer to 05.4."""
    return f"lambda x: (x - x.mean({axis}, keepdims=True)) / {below.format(axis=axis)}"


RIGHT = {
    "05.1": [
        LOOPS,
        "lambda x: np.max([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0)",
    ],
    "05.3": ["10", "8 * 1.25"],
    "05.4": [FLAT, normalized(below="(x.var({axis}, keepdims=True) + 0.001) ** 0.5")],
    "05.6": ["11", "3 + 4 * 2"],
    "05.7": ["0.72", "18 / 25"],
}

WRONG = {
    "05.1": [
        "lambda x: x[:, ::2, ::2]",  # every second pixel
        "lambda x: x.reshape(len(x), x.shape[1] // 2, 2, -1, 2, x.shape[3]).mean(axis=(2, 4))",
        "lambda x: x.reshape(len(x), 2, x.shape[1] // 2, 2, -1, x.shape[3]).max(axis=(1, 3))",
        "lambda x: np.maximum(x[:, ::2, ::2], x[:, 1::2, 1::2])",  # two of the four
        "lambda x: x.reshape(len(x), x.shape[1] // 2, 2, -1, 2, x.shape[3]).max(axis=(2, 4, 5))",
        LOOPS.replace(".max(", ".clip(0).max("),  # as if ReLU came first
    ],
    "05.3": ["8", "8 * 0.8", "8 / 0.2", "0", "16"],
    "05.4": [
        normalized(axis="(1, 2)", below="np.sqrt(x.var((1, 2), keepdims=True) + 1e-3)"),
        normalized(axis="None", below="np.sqrt(x.var() + 1e-3)"),  # one mean for all channels
        normalized(below="(x.var({axis}) + 1e-3)"),  # the root forgotten
        normalized(below="np.sqrt(x.var({axis}))"),  # without ε
        "lambda x: x / np.sqrt(x.var((0, 1, 2)) + 1e-3)",
    ],
    "05.6": ["15", "10", "13", "3**5", "7"],
    "05.7": ["1.39", "25 / 18", "9 / 25", "18", "72"],
}
