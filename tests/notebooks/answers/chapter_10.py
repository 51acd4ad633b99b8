"""Answers to the exercises of chapter 10: right in another way, and wrong as people get them."""

RIGHT = {
    "10.1": ["[7, 7, 512]", "tuple(np.array([224, 224, 512 * 32]) // 32)"],
    "10.2": ["4_326_401", "sum((a + 1) * b for a, b in [(8192, 512), (512, 256), (256, 1)])"],
    "10.3": ["409.6", "np.zeros((1, 4, 4, 512), np.float16).nbytes * 25_000 / 10**6"],
    "10.4": [
        "def answer(x):\n    return np.flip(x, -1) - (103.939, 116.779, 123.68)",
        "lambda x: (x - np.array([123.68, 116.779, 103.939]))[..., ::-1]",
    ],
    "10.5": [
        "lambda n, batch_size: int(np.ceil(n / batch_size))",
        "lambda n, size: n // size + (n % size > 0)",
        "lambda n, size: len(range(0, n, size))",
    ],
}
WRONG = {
    "10.1": ["(4, 4, 512)", "(14, 14, 512)", "(7, 512)", "(512, 7, 7)", "7 * 7 * 512"],
    "10.2": [
        "8192 * 512 + 512 * 256 + 256",
        "8192 + 512 + 256 + 1",
        "(8192 + 1) * 512 + (512 + 1) * 256",
        "(512 + 1) * 512 + (512 + 1) * 256 + 257",
    ],
    "10.3": [
        "819.2",
        "204.8",
        "25_000 * 4 * 4 * 512 * 2 / 2**20",
        "25_000 * 4 * 4 * 512 * 16 / 1e6",
    ],
    "10.4": [
        "lambda x: x - np.array([103.939, 116.779, 123.68])",
        "lambda x: x[..., ::-1] - np.array([123.68, 116.779, 103.939])",
        "lambda x: x[::-1] - np.array([103.939, 116.779, 123.68])",
        "lambda x: x[..., ::-1] / 255",
        "lambda x: x[..., ::-1]",
    ],
    "10.5": [
        "lambda n, size: n // size",
        "lambda n, size: n // size + 1",
        "lambda n, size: round(n / size)",
        "lambda n, size: n / size",
    ],
}
