"""Answers to the exercises of chapter 1: other right ones, and wrong ones that people give."""

RIGHT = {
    "01.1": ["7 / 10", "0.7"],
    "01.2": ["list(statistics.wilson(4470, 5000))", "np.array(statistics.wilson(4470, 5000))"],
    "01.3": [
        "lambda path: path.split('/')[-1][:3]",
        "def answer(path):\n    import os\n    return os.path.basename(path).partition('.')[0]",
    ],
    "01.4": ["np.prod((375, 500, 3))", "3 * 187500"],
    "01.5": [
        "lambda a, b, n: max(statistics.wilson(a, n)[0], statistics.wilson(b, n)[0])"
        " <= min(statistics.wilson(a, n)[1], statistics.wilson(b, n)[1])",
    ],
}
WRONG = {
    "01.1": ["0.5", "0.3", "700", "300 / 700"],
    "01.2": [
        "4470 / 5000",
        "statistics.wilson(5000 - 4470, 5000)",  # of those that were wrong
        "statistics.wilson(4470, 5000)[::-1]",
        # Wald's
        "0.894 + np.array([-1.96, 1.96]) * (0.894 * 0.106 / 5000) ** 0.5",
        "(0.88662, 0.90095)",  # of 90%
    ],
    "01.3": [
        "lambda path: 'cat' if 'cat' in path else 'dog'",  # the article's
        "lambda path: path[:3]",
        "lambda path: path.split('.')[0]",
        "lambda path: 'dog' if 'dog' in path else 'cat'",
    ],
    "01.4": ["500 * 375", "500 + 375 + 3", "500 * 375 * 4", "150 * 150 * 3"],
    "01.5": [
        "lambda a, b, n: True",
        "lambda a, b, n: a == b",
        # whichever is the larger: only one order of the two is thought of
        "lambda a, b, n: statistics.wilson(a, n)[1] > statistics.wilson(b, n)[0]",
        "lambda a, b, n: abs(a - b) / n < 0.05",
        "lambda a, b, n: statistics.wilson(a, n)[1] < statistics.wilson(b, n)[0]",
    ],
}
