"""Answers to the exercises of chapter 13: other right ones, and wrong ones that people give."""

RIGHT = {
    "13.1": ["15625"],
    "13.2": ["59", "next(n for n in range(100) if 0.95**n <= 0.05)"],
    "13.3": ["lambda rng, n: np.exp(rng.uniform(np.log(1e-4), np.log(1e-1), n))"],
    "13.4": [
        """
def answer(loss, earlier):
    ordered = sorted(earlier)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return loss > ordered[middle]
    return loss > (ordered[middle - 1] + ordered[middle]) / 2
"""
    ],
    "13.5": ["lambda losses: [min(losses[: i + 1]) for i in range(len(losses))]"],
    "13.6": [
        """
def answer(chosen, reported):
    order = np.argsort(chosen)
    return (chosen[order[-1]] - reported[order[-1]]) * 100
"""
    ],
}
WRONG = {
    "13.1": ["5 * 6", "6**5", "5 + 6"],
    "13.2": ["58", "60", "20", "1 / 0.05", "np.log(0.05) / np.log(0.95)", "19"],
    "13.3": [
        "lambda rng, n: rng.uniform(1e-4, 1e-1, n)",
        "lambda rng, n: np.logspace(-4, -1, n)[rng.integers(0, n // 10, n)]",
        "lambda rng, n: 10 ** rng.uniform(-4, 0, n)",
        "lambda rng, n: 10 ** rng.uniform(-4.3, -1, n)",
        "lambda rng, n: np.logspace(-4, -1, n)",  # no chance in it
        "lambda rng, n: np.exp(rng.uniform(-4, -1, n))",
        "lambda rng, n: 10.0 ** rng.integers(-4, 0, n)",
    ],
    "13.4": [
        "lambda loss, earlier: loss > np.mean(earlier)",  # the mean for the median
        "lambda loss, earlier: loss < np.median(earlier)",
        "lambda loss, earlier: loss > min(earlier)",
        "lambda loss, earlier: loss > max(earlier)",
        "lambda loss, earlier: loss > sorted(earlier)[len(earlier) // 2]",
    ],
    "13.5": [
        "lambda losses: np.sort(losses)[::-1]",
        "lambda losses: np.maximum.accumulate(losses)",
        "lambda losses: losses.min()",
        "lambda losses: np.full(len(losses), losses.min())",
        "lambda losses: np.minimum(losses, losses[0])",
    ],
    "13.6": [
        "lambda chosen, reported: 100 * (chosen.max() - reported.max())",
        "lambda chosen, reported: chosen[chosen.argmax()] - reported[chosen.argmax()]",
        "lambda chosen, reported: 100 * (reported - chosen)[chosen.argmax()]",
        "lambda chosen, reported: 100 * (chosen - reported).max()",
        "lambda chosen, reported: 100 * (chosen.mean() - reported.mean())",
    ],
}
