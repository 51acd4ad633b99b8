"""Right and wrong answers to the exercises of chapter 15."""

RIGHT = {
    "15.2": ["38", "(18 + 4) + 8 + 8"],
    "15.3": [
        """
def answer(values, switches):
    out = np.zeros((len(values), 2))
    out[np.arange(len(values)), switches] = values
    return out.ravel()
""",
        "lambda v, s: np.stack([v * (s == 0), v * (s == 1)], axis=1).ravel()",
    ],
    "15.4": [
        "lambda down, up: np.where((down > 0) & (up > 0), down, 0)",
        "lambda down, up: np.maximum(down, 0) * (up > 0)",
    ],
    "15.5": ["lambda x, w, rate: x + rate * w / np.sqrt((w * w).sum())"],
    "15.6": [
        """
def answer(query, bank):
    unit = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    return int(np.argmax(unit @ (query / np.linalg.norm(query))))
""",
    ],
}

WRONG = {
    "15.2": [
        "18 + 2",  # steps of one pixel
        "36",  # twice as much as before
        "18 + 2 * 8",  # the pooling is forgotten
        "18 + 4 + 8",  # the convolution reaches to one side only
        "18 + 8 + 2 * 8",
    ],
    "15.3": [
        "lambda v, s: np.repeat(v, 2)",
        "lambda v, s: np.stack([v, 0 * v], axis=1).ravel()",  # always the first
        "lambda v, s: np.stack([v * s, v * (1 - s)], axis=1).ravel()",  # the other place
        """
def answer(values, switches):
    out = np.zeros(2 * len(values))
    out[np.arange(len(values)) + switches] = values
    return out
""",
    ],
    "15.4": [
        "lambda down, up: np.maximum(down, 0)",
        "lambda down, up: down * (up > 0)",
        "lambda down, up: np.maximum(down, 0) * np.maximum(up, 0)",  # times up, not its mask
        "lambda down, up: np.maximum(down * up, 0)",
        "lambda down, up: (down > 0) & (up > 0)",
    ],
    "15.5": [
        "lambda x, w, rate: x - rate * w / np.linalg.norm(w)",  # down instead of up
        "lambda x, w, rate: x + rate * w",  # not divided
        "lambda x, w, rate: x + rate * w / (w**2).sum()",  # by the length's square
        "lambda x, w, rate: x + rate * x / np.linalg.norm(x)",
        "lambda x, w, rate: rate * w / np.linalg.norm(w)",  # the step alone
    ],
    "15.6": [
        "lambda query, bank: np.argmax(bank @ query)",  # the longest wins
        "lambda query, bank: np.argmin(bank @ query / np.linalg.norm(bank, axis=1))",
        "lambda query, bank: np.argmin(np.linalg.norm(bank - query, axis=1))",
        "lambda query, bank: np.max(bank @ query / np.linalg.norm(bank, axis=1))",
        "lambda query, bank: np.argmax(np.abs(bank @ query) / np.linalg.norm(bank, axis=1))",
        "lambda query, bank: 1",
    ],
}
