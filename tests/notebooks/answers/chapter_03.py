"""Answers to the exercises of chapter 3: other right ones, and what people get wrong."""

RIGHT = {
    "03.1": ["67_501_000", "150 * 150 * 3 * 1000 + 1000"],
    "03.2": ["4864", "64 * 75 + 64"],
    "03.3": ["3.145728", "3.146"],
    "03.4": [
        "def answer(shuffled, order):\n"
        "    out = np.empty_like(shuffled)\n"
        "    out[:, order] = shuffled\n"
        "    return out",
        "lambda shuffled, order: shuffled[:, [list(order).index(i) for i in range(len(order))]]",
    ],
    "03.5": [
        "lambda kernel, n: np.array([np.roll(np.append(kernel, np.zeros(n - 3)), r)"
        " for r in range(n - 2)])",
        "lambda kernel, n: sum(kernel[i] * np.eye(n - 2, n, i) for i in range(3))",
    ],
    "03.6": ["258_048", "63 * 64 * 64"],
}
WRONG = {
    "03.1": ["150 * 150 * 3 * 1000", "150 * 150 * 3 * 1000 + 1", "(150 * 150 + 1) * 1000"],
    "03.2": ["5 * 5 * 64", "5 * 5 * 3 * 64", "(5 * 5 + 1) * 64", "5 * 5 * 3 * 64 + 1"],
    "03.3": [
        "196_608_000 * 4 / 1e9",  # the weights alone
        "196_608_000 * 4 * 8 / 1e9",  # float64
        "196_608_000 * 3 * 4 / 1e9",  # without the gradients
        "196_608_000 * 4 * 4 / 2**30",
        "196_608_000 * 4 * 4",
    ],
    "03.4": [
        "lambda shuffled, order: np.sort(shuffled)",
        "lambda shuffled, order: shuffled[:, order]",  # once more
        "lambda shuffled, order: shuffled[:, order[::-1]]",
        "lambda shuffled, order: shuffled[:, np.argsort(np.argsort(order))]",
        "lambda shuffled, order: shuffled[np.argsort(order)]",  # the rows
    ],
    "03.5": [
        "lambda kernel, n: np.array([np.roll(np.append(kernel, np.zeros(n - 3)), r)"
        " for r in range(n)])",  # wraps around
        "lambda kernel, n: np.tile(kernel, (n - 2, n // 3 + 1))[:, :n]",
        "lambda kernel, n: sum(kernel[::-1][i] * np.eye(n - 2, n, i) for i in range(3))",  # turned
        "lambda kernel, n: sum(kernel[i] * np.eye(n - 2, n, i) for i in range(3)).T",
        "lambda kernel, n: np.convolve(kernel, np.ones(n))",
    ],
    "03.6": ["(8 * 8 * 64 + 1) * 64", "8 * 8 * 64 - 64", "64 * 64 * 64", "(64 + 1) * 64"],
}
