"""Answers to the exercises of chapter 18: right in another way, and wrong as people get them."""

RIGHT = {
    "18.1": ["round(60 * 0.526 + 60 * 0.011 + 60 * 0.005, 2)", "np.float64(32.52)"],
    "18.2": ["24", "100 * 0.08 * 3"],
    "18.4": ["[1024, 0.024]", "np.array([64, 0.0015]) * 16"],
    "18.5": [
        "lambda gradients, counts: np.average(gradients, axis=0, weights=counts)",
        "lambda gradients, counts: sum(n * g for n, g in zip(counts, gradients)) / sum(counts)",
    ],
    "18.6": ["27", "-(-24_000 // 900)"],
    "18.7": ["1355938 * 32 / 8 / 10**6", "5.424"],
}
WRONG = {
    "18.1": ["60 * 0.526", "60 * (0.526 + 0.005)", "60 * (0.526 + 0.011)", "0.542", "48 * 0.542"],
    "18.2": ["8", "100 * 0.08 / 3", "3 * 30 * 24 * 0.011", "3 * 0.26"],
    "18.4": ["(1024, 0.0015)", "(0.024, 1024)", "(64, 0.024)", "(1024, 0.006)", "1024"],
    "18.5": [
        "lambda gradients, counts: np.mean(gradients, axis=0)",
        "lambda gradients, counts: np.mean(gradients)",
        "lambda gradients, counts: sum(n * g for n, g in zip(counts, gradients))",
        "lambda gradients, counts: sum(g / n for n, g in zip(counts, gradients)) / len(counts)",
    ],
    "18.6": ["8 * 3000 / 900", "26", "4", "8 * 3000 // 900"],
    "18.7": ["1_355_938 * 8 / 1e6", "1_355_938 * 4 / 2**20", "1_355_938 * 32 / 1e6", "1.355938"],
}
