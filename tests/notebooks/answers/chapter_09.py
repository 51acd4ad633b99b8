"""Answers to chapter 9's exercises: other right ones, and wrong ones that people give."""

SIGMOID = """
def answer(x):
    dog = 0.5 * (1 + np.tanh((x[:, 1] - x[:, 0]) / 2))
    return np.stack([1 - dog, dog], axis=1)
"""
LOGSUMEXP = """
def answer(x):
    return np.exp(x - np.logaddexp(x[:, :1], x[:, 1:]))
"""
OVERFLOWS = """
def answer(x):
    with np.errstate(all="ignore"):
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True)
"""
WRONG_AXIS = """
def answer(x):
    e = np.exp(x - x.max())
    return e / e.sum(0)
"""
ONE_MAXIMUM = """
def answer(x):
    e = np.exp(x - x.max())
    with np.errstate(all="ignore"):
        return e / e.sum(-1, keepdims=True)
"""
ONE_HOT = """
def answer(probability, true):
    return -(np.eye(2)[true] * np.log(probability)).sum(1).mean()
"""
LOOP = """
def answer(probability, true):
    return sum(-np.log(p[t]) for p, t in zip(probability, true)) / len(true)
"""
LAST_BEST = """
def answer(losses, patience):
    best = 0
    for epoch in range(len(losses)):
        if losses[epoch] < losses[best]:
            best = epoch
        if epoch - best == patience:
            return epoch + 1
    return len(losses)
"""
THIRD = LAST_BEST.replace("== patience", "> patience")  # as Keras 2.0.8
FROM_ZERO = LAST_BEST.replace("return epoch + 1", "return epoch")
EQUAL_IS_BETTER = LAST_BEST.replace("losses[epoch] <", "losses[epoch] <=")
BEST_EPOCH = LAST_BEST.replace("return epoch + 1", "return best + 1")
AGAINST_THE_LAST = """
def answer(losses, patience):
    wait = 0
    for epoch in range(1, len(losses)):
        wait = wait + 1 if losses[epoch] >= losses[epoch - 1] else 0
        if wait == patience:
            return epoch + 1
    return len(losses)
"""
NEVER_BACK = """
def answer(losses, patience):
    best, wait = np.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        wait += loss >= best
        best = min(best, loss)
        if wait == patience:
            return epoch
    return len(losses)
"""
RANKS = """
def answer(labels, dog):
    total = 0.0
    for d in dog[labels == 1]:
        for c in dog[labels == 0]:
            total += 1 if d > c else 0.5 if d == c else 0
    return total / ((labels == 1).sum() * (labels == 0).sum())
"""

RIGHT = {
    "09.1": ["[18, 18, 64]", "(150 // 8, 150 // 8, 64)"],
    "09.2": ["0.9788", "1 - (896 + 9248 + 18496 + 130) / 1_355_938"],
    "09.3": [SIGMOID, LOGSUMEXP],
    "09.4": [ONE_HOT, LOOP],
    "09.5": [LAST_BEST],
    "09.6": [RANKS],
}
WRONG = {
    "09.1": ["(19, 19, 64)", "(18, 18, 32)", "18 * 18 * 64", "(37, 37, 64)", "(20736,)"],
    "09.2": ["0.92", "97.88", "1_327_168", "18 * 18 * 32 * 64 / 1_355_938"],
    "09.3": [
        OVERFLOWS,
        WRONG_AXIS,
        ONE_MAXIMUM,
        "lambda x: x / x.sum(-1, keepdims=True)",
        "lambda x: 0.5 * (1 + np.tanh(x / 2))",
    ],
    "09.4": [
        "lambda probability, true: -np.log(probability[:, 1]).mean()",
        "lambda probability, true: -np.log(probability).mean()",
        "lambda probability, true: -np.log(probability[np.arange(len(true)), true]).sum()",
        "lambda probability, true: np.log(probability[np.arange(len(true)), true]).mean()",
        "lambda probability, true: -np.log2(probability[np.arange(len(true)), true]).mean()",
        "lambda probability, true: -np.log(probability[np.arange(len(true)), true].mean())",
        "lambda probability, true: -np.log(probability[:, true]).mean()",
    ],
    "09.5": [THIRD, FROM_ZERO, EQUAL_IS_BETTER, BEST_EPOCH, AGAINST_THE_LAST, NEVER_BACK],
    "09.6": [
        "lambda labels, dog: (dog[labels == 1][:, None] > dog[labels == 0]).mean()",
        "lambda labels, dog: (dog[labels == 1][:, None] >= dog[labels == 0]).mean()",
        "lambda labels, dog: ((dog >= 0.5) == labels).mean()",
        "lambda labels, dog: dog[labels == 1].mean() - dog[labels == 0].mean()",
    ],
}
