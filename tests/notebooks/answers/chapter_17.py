"""Right and wrong answers to the exercises of chapter 17."""

RIGHT = {
    "17.1": ["np.log(100)", "float(-np.log(0.01))"],
    "17.2": ["lambda dog, c: np.minimum(np.maximum(dog, c), 1 - c)"],
    "17.3": ["0.00625", "1 / 160"],
    "17.5": [
        "lambda distances, share: np.percentile(distances, 100 * share)",
        "lambda distances, share: np.sort(distances)[round(share * (len(distances) - 1))]",
    ],
    "17.6": [
        """
def answer(dog):
    lines = ["id,label"]
    for number, p in sorted(dog.items()):
        lines.append(f"{number},{round(p, 4):.4f}")
    return lines
""",
    ],
    "17.7": ["lambda z, t: 1 / (1 + np.exp((z[:, 0] - z[:, 1]) / t))"],
}

WRONG = {
    "17.1": [
        "-np.log(0.99)",  # of a hit
        "np.log(0.01)",
        "-np.log10(0.01)",
        "-np.log2(0.01)",
        "0.01",
    ],
    "17.2": [
        "lambda dog, c: np.clip(dog, c, 1)",
        "lambda dog, c: np.clip(dog, 0, 1 - c)",
        "lambda dog, c: dog * (1 - 2 * c) + c",  # squeezed, not clipped
        "lambda dog, c: np.where(dog < 0.5, c, 1 - c)",
    ],
    "17.3": ["25", "1 - 25 / 4000", "1 / 4002", "np.log(25 / 4000)", "0.5"],
    "17.5": [
        "lambda distances, share: np.quantile(distances, 1 - share)",
        "lambda distances, share: share * distances.max()",
        "lambda distances, share: np.sort(distances)[-1]",
        "lambda distances, share: distances[int(share * len(distances))]",  # not sorted
    ],
    "17.6": [
        "lambda dog: ['id,label'] + [f'{n},{dog[n]:.4f}' for n in dog]",
        "lambda dog: ['id,label'] + [f'{n},{dog[n]:.4f}' for n in sorted(dog, key=str)]",
        "lambda dog: [f'{n},{dog[n]:.4f}' for n in sorted(dog)]",
        "lambda dog: ['id,label'] + [f'{n},{dog[n]}' for n in sorted(dog)]",
        "lambda dog: ['id,label'] + [f'{n}, {dog[n]:.4f}' for n in sorted(dog)]",
    ],
    "17.7": [
        "lambda z, t: 1 / (1 + np.exp((z[:, 0] - z[:, 1]) * t))",  # times t
        "lambda z, t: 1 / (1 + np.exp((z[:, 1] - z[:, 0]) / t))",  # of cat
        """
def answer(logits, t):
    with np.errstate(all="ignore"):
        e = np.exp(logits / t)  # overflows
        return e[:, 1] / e.sum(axis=1)
""",
        """
def answer(logits, t):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e[:, 1] / e.sum(axis=1) / t
""",
    ],
}
