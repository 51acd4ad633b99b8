"""Answers to the exercises of chapter 7: other right ones, and wrong ones that people give."""

RIGHT = {
    "07.1": ["9217 * 4096", "4096 * 6 * 6 * 256 + 4096"],
    "07.2": ["lambda side, k, c, f: side**2 * f * (k**2 * c)"],
    "07.3": ["27 / 49", "3 * 3**2 / 7**2"],
    "07.4": ["lambda n: 3 + 2 * (n - 1)"],
    "07.5": [
        "lambda p, y: np.mean([y[i] not in np.argsort(p[i])[-5:] for i in range(len(y))])",
        "def answer(p, y):\n"
        "    true = p[np.arange(len(y)), y]\n"
        "    return ((p > true[:, None]).sum(1) >= 5).mean()",
    ],
}
WRONG = {
    "07.1": ["6 * 6 * 256 * 4096", "6 * 6 * 256 + 1 * 4096", "(6 * 256 + 1) * 4096", "4096 * 4097"],
    "07.2": [
        "lambda side, k, c, f: side * side * (k * k * c + 1) * f",  # the bias is no product
        "lambda side, k, c, f: (k * k * c + 1) * f",  # parameters
        "lambda side, k, c, f: k * k * c * f",  # forgets the places
        "lambda side, k, c, f: side * k * k * c * f",
        "lambda side, k, c, f: side * side * k * k * f",  # forgets the channels
    ],
    "07.3": ["9 / 49", "49 / 27", "3 * 3 / 7", "1 - 27 / 49"],
    "07.4": ["lambda n: 3 * n", "lambda n: 3**n", "lambda n: n + 2", "lambda n: 2 * n + 3"],
    "07.5": [
        "lambda p, y: np.mean([y[i] in np.argsort(p[i])[-5:] for i in range(len(y))])",  # accuracy
        "lambda p, y: np.mean([y[i] not in np.argsort(p[i])[:5] for i in range(len(y))])",
        "lambda p, y: (p.argmax(1) != y).mean()",  # one guess
        "lambda p, y: np.sum([y[i] not in np.argsort(p[i])[-5:] for i in range(len(y))])",
        "lambda p, y: np.mean([y[i] not in np.argsort(p[i])[-4:] for i in range(len(y))])",
    ],
}
