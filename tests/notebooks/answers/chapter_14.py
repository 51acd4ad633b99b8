"""Answers to the exercises of chapter 14: right in another way, and wrong as people get them."""

RIGHT = {
    "14.1": [
        "lambda h, w, incoming, outgoing, k: 2 * np.prod([h, w, incoming, outgoing, k**2])",
        "lambda h, w, c, f, k: h * w * f * (k * k * c + k * k * c)",
    ],
    "14.2": ["307.2", "np.zeros((16, 80, 80, 3), np.uint8).nbytes / 1000"],
    "14.3": ["lambda p, k: k / (k * (1 - p) + p)", "lambda p, k: ((1 - p) + p / k) ** -1"],
    "14.4": ["0.7265625", "np.mean([48**2] * 5 + [64**2] * 3) / 64**2"],
    "14.5": [
        """
def answer(matrix):
    x = matrix / np.linalg.norm(matrix)
    for _ in range(60):
        x = 1.5 * x - 0.5 * x @ x.T @ x
    return x
""",
        """
def answer(matrix):
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    return u @ np.diag(np.ones_like(s)) @ v
""",
    ],
    "14.6": ["0.634", "sum(0.01 * 0.99**i for i in range(100))"],
}
WRONG = {
    "14.1": [
        "lambda h, w, incoming, outgoing, k: h * w * outgoing * k * k * incoming",
        "lambda h, w, incoming, outgoing, k: 2 * h * w * outgoing * k * incoming",
        "lambda h, w, incoming, outgoing, k: 2 * h * w * outgoing * k * k",
        "lambda h, w, incoming, outgoing, k: 2 * outgoing * k * k * incoming",
    ],
    "14.2": ["102.4", "1228.8", "16_000 * 80 * 80 * 3 / 2**20", "16_000 * 80 * 80 * 3"],
    "14.3": [
        "lambda p, k: 1 - p + p / k",
        "lambda p, k: p * k",
        "lambda p, k: 1 / (1 - p / k)",
        "lambda p, k: 1 - p + p * k",
        "lambda p, k: k",
    ],
    "14.4": [
        "(5 * 48 / 64 + 3) / 8",
        "5 * (48 / 64) ** 2 + 3",
        "(5 * 48 + 3 * 64) / 8",
        "(3 * (48 / 64) ** 2 + 5) / 8",
    ],
    "14.5": [
        "lambda matrix: matrix / np.linalg.norm(matrix)",
        "lambda matrix: np.linalg.svd(matrix, full_matrices=False)[0]",
        """
def answer(matrix):
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    return u @ v.T
""",
        "lambda matrix: matrix / np.linalg.svd(matrix, compute_uv=False)[0]",
        "lambda matrix: np.sign(matrix)",
    ],
    "14.6": ["0.99**100", "100 * 0.01", "1 - 0.99", "1 - 0.01**100"],
}
