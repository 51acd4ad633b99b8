"""Right and wrong answers to the exercises of chapter 16."""

RIGHT = {
    "16.1": ["lambda s: np.exp(s) / (1 + np.exp(s))", "lambda s: 0.5 + 0.5 * np.tanh(s / 2)"],
    "16.2": [
        """
def answer(f, x, k):
    at = np.arange(len(x))
    rows = [np.where((at >= i) & (at < i + k), 0, x) for i in range(len(x) - k + 1)]
    return [f(x) - f(row) for row in rows]
""",
    ],
    "16.3": [
        """
def answer(maps, slopes):
    heat = np.tensordot(maps, slopes.mean(axis=(0, 1)), 1)
    return heat * (heat > 0)
""",
    ],
    "16.4": ["lambda w, x, baseline: w * x - w * baseline"],
    "16.7": ["67.5", "0.001 * np.prod((150, 150, 3))"],
}

WRONG = {
    "16.1": [
        "lambda s: 1 / (1 + np.exp(s))",  # of cat
        "lambda s: np.exp(s)",  # the odds
        "lambda s: np.log(s / (1 - s + 1e-9) + 9)",
        "lambda s: (s > 0) * 1.0",
    ],
    "16.2": [
        """
def answer(f, x, k):
    lost = []
    for i in range(len(x) - k):  # the last place is missing
        hidden = x.copy()
        hidden[i : i + k] = 0
        lost.append(f(x) - f(hidden))
    return lost
""",
        """
def answer(f, x, k):
    lost = []
    for i in range(len(x) - k + 1):
        hidden = x.copy()
        hidden[i : i + k] = 0
        lost.append(f(hidden) - f(x))  # the sign
    return lost
""",
        """
def answer(f, x, k):
    before, lost, hidden = f(x), [], x.copy()
    for i in range(len(x) - k + 1):  # what was hidden stays hidden
        hidden[i : i + k] = 0
        lost.append(before - f(hidden))
    return lost
""",
        """
def answer(f, x, k):
    lost, before = [], f(x)
    for i in range(len(x) - k + 1):  # only the window is seen
        hidden = np.zeros_like(x)
        hidden[i : i + k] = x[i : i + k]
        lost.append(before - f(hidden))
    return lost
""",
    ],
    "16.3": [
        "lambda maps, slopes: (maps * slopes.mean((0, 1))).sum(2)",  # not cut off at 0
        "lambda maps, slopes: np.maximum((maps * slopes).sum(2), 0)",  # no mean
        "lambda maps, slopes: np.maximum(maps * slopes.mean((0, 1)), 0).sum(2)",  # too early
        "lambda maps, slopes: np.maximum((maps * slopes.mean((0, 1))).mean(2), 0)",
        "lambda maps, slopes: np.maximum((maps * slopes.mean()).sum(2), 0)",
    ],
    "16.4": [
        "lambda w, x, baseline: w * x",
        "lambda w, x, baseline: w",
        "lambda w, x, baseline: w @ (x - baseline)",  # one number
        "lambda w, x, baseline: w * (baseline - x)",
    ],
    "16.7": [
        "150 * 150 * 0.001",  # one colour
        "0.001",
        "150 * 150 * 3",
        "0.001 * 150 * 150 * 3 / 255",
        "np.sqrt(150 * 150 * 3) * 0.001",  # random signs
    ],
}
