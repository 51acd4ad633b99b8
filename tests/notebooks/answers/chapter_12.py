"""Answers to the exercises of chapter 12: other right ones, and wrong ones that people give."""

RIGHT = {
    "12.2": ["statistics.paired_runs([0.01, 0.02, 0.03], [0, 0, 0])[1][0]"],
    "12.3": [
        """
def answer(baseline, once):
    low, high = statistics.separate_runs([once], baseline)[1]
    return low > 0 or high < 0
"""
    ],
    "12.4": ["0.1**2", "(0.1**2 * -np.log(0.9)) / -np.log(0.9)"],
    "12.5": [
        """
def answer(a, b, target_a, target_b, share):
    return b + share * (a - b), target_b + share * (target_a - target_b)
"""
    ],
    "12.6": ["lambda a, b: (np.sum(a > b), np.sum(a < b))"],
    "12.7": ["0.954"],
}
WRONG = {
    "12.2": [
        "0.02 - 4.303 * 0.01",  # the standard deviation for the standard error
        "0.02 - 4.303 * np.std([0.01, 0.02, 0.03]) / np.sqrt(3)",  # ddof=0
        "0.02 - 1.96 * 0.01 / np.sqrt(3)",  # not Student's
        "0.02 + 4.303 * 0.01 / np.sqrt(3)",  # the upper end
    ],
    "12.3": [
        # the mean of three is taken for certain
        "lambda baseline, once: abs(once - np.mean(baseline)) > 4.303 * np.std(baseline, ddof=1)",
        # only the mean's own standard error
        """
def answer(baseline, once):
    return abs(once - np.mean(baseline)) > 4.303 * np.std(baseline, ddof=1) / np.sqrt(3)
""",
        # ddof=0
        """
def answer(baseline, once):
    return abs(once - np.mean(baseline)) > 4.303 * np.std(baseline) * np.sqrt(4 / 3)
""",
        # only what is worse
        """
def answer(baseline, once):
    return once < np.mean(baseline) - 4.303 * np.std(baseline, ddof=1) * np.sqrt(4 / 3)
""",
        "lambda baseline, once: not min(baseline) <= once <= max(baseline)",
    ],
    "12.4": ["0.1", "(1 - 0.9**2)", "0.9**2", "100"],
    "12.5": [
        """
def answer(a, b, target_a, target_b, share):
    return (1 - share) * a + share * b, (1 - share) * target_a + share * target_b
""",
        """
def answer(a, b, target_a, target_b, share):
    return share * a + (1 - share) * b, target_a if share > 0.5 else target_b
""",
        """
def answer(a, b, target_a, target_b, share):
    return (a + b) / 2, (target_a + target_b) / 2
""",
    ],
    "12.6": [
        "lambda a, b: (a.sum(), b.sum())",
        "lambda a, b: ((b & ~a).sum(), (a & ~b).sum())",
        "lambda a, b: ((a != b).sum(), (a == b).sum())",
        "lambda a, b: ((a | b).sum(), (a & b).sum())",
    ],
    "12.7": ["60 * 0.05", "0.95**60", "0.05**60", "1 - 0.05**60"],
}
