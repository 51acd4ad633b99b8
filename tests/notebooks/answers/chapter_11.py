"""Answers to the exercises of chapter 11: right in another way, and wrong as people get them."""

RIGHT = {
    "11.1": ["0.9168", "np.exp(2.4) / (1 + np.exp(2.4))"],
    "11.3": [
        "lambda a, b: 1 / (1 + np.exp(-np.mean([a, b], axis=0)))",
        "def answer(a, b):\n    m = 0.5 * a + 0.5 * b\n    return np.exp(m) / (1 + np.exp(m))",
    ],
    "11.4": ["0.992", "1 - 32 / 4000"],
    "11.5": [
        "lambda labels, dog: np.argmin(np.where(labels == 1, dog, 1 - dog))",
        "lambda y, p: max(range(len(y)), key=lambda i: abs(y[i] - p[i]))",
    ],
}
WRONG = {
    "11.1": ["1 / (1 + np.exp(-3))", "1 / (1 + np.exp(-3 * 1.25))", "2.4", "0.9526 / 1.25"],
    "11.3": [
        "lambda a, b: (1 / (1 + np.exp(-a)) + 1 / (1 + np.exp(-b))) / 2",
        "lambda a, b: 1 / (1 + np.exp(-(a + b)))",
        "lambda a, b: (a + b) / 2",
        "lambda a, b: 1 / (1 + np.exp((a + b) / 2))",
        "lambda a, b: 1 / (1 + np.exp(-np.mean([a, b])))",
    ],
    "11.4": ["1.0", "32 / 4000", "0.008", "99.2", "(4000 - 64) / 4000"],
    "11.5": [
        "lambda labels, dog: int(np.argmin(np.abs(labels - dog)))",
        "lambda labels, dog: int(np.argmax(labels - dog))",
        "lambda labels, dog: int(np.argmin(dog))",
        "lambda labels, dog: int(np.argmin(np.abs(dog - 0.5)))",
        "lambda labels, dog: np.max(np.abs(labels - dog))",
    ],
}
