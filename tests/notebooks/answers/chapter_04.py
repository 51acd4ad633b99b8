"""Other right answers to the exercises of chapter 4, and wrong ones that people give."""

BODY = """
    k = len(kernels)
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return np.einsum("{sum}", windows, kernels){rest}
"""


def correlate(sum="nhwcab,abcf->nhwf", rest=" + bias"):
    """The source of an answer to 04.7 with one line of NumPy."""
    return "def answer(x, kernels, bias):" + BODY.format(sum=sum, rest=rest)


LOOPS = """
def correlate(x, kernels, bias):
    n, h, w, c = x.shape
    k, f = kernels.shape[0], kernels.shape[3]
    y = np.zeros((n, h - k + 1, w - k + 1, f))
    for m, i, j, g in np.ndindex(y.shape):
        y[m, i, j, g] = (x[m, i : i + k, j : j + k] * kernels[..., g]).sum() + bias[g]
    return y

answer = correlate
"""
IN_PLACE = """
def answer(x, kernels, bias):
    k = len(kernels)
    windows = np.lib.stride_tricks.sliding_window_view(x.copy(), (k, k), axis=(1, 2))
    y = np.einsum("nhwcab,abcf->nhwf", windows, kernels) + bias
    x *= 0
    return y
"""
SQUARE = """
def answer(x, kernels, bias):
    k, h = len(kernels), x.shape[1] - len(kernels) + 1
    y = np.zeros((len(x), h, h, kernels.shape[3])) + bias
    for a in range(k):
        for b in range(k):
            y += x[:, a : a + h, b : b + h] @ kernels[a, b]
    return y
"""

RIGHT = {
    "04.1": ["8", "(np.arange(1, 10).reshape(3, 3) * [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).sum()"],
    "04.3": ["112", "int((224 + 6 - 7) / 2) + 1"],
    "04.4": ["[[0, 0, 0], [0, 0, 1], [0, 0, 0]]", "np.eye(9)[5].reshape(3, 3)"],
    "04.6": [
        "lambda k: np.kron(k, [[1, 0], [0, 0]])[:-1, :-1]",
        "def answer(k):\n    out = np.insert(k, range(1, len(k)), 0, axis=0)\n"
        "    return np.insert(out, range(1, len(k)), 0, axis=1)",
    ],
    "04.7": [correlate(), LOOPS],
}

WRONG = {
    "04.1": ["-8", "6", "45", "24"],  # turned; without the double weight; no kernel; of all rows
    "04.3": ["112.5", "111", "109", "224 // 2 + 1", "(224 + 3 - 7) // 2 + 1"],
    "04.4": [
        "np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]])",  # to the right
        "np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])",
        "np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])",
        "np.array([0, 0, 1])",
        "np.array([[0, 0, 0], [0, 0, 1], [0, 0, 0]]) / 9",
    ],
    "04.6": [
        "lambda k: np.kron(k, np.ones((2, 2)))[:-1, :-1]",  # doubled instead of spread
        "lambda k: np.kron(k, [[1, 0], [0, 0]])",  # a margin on one side
        "lambda k: np.pad(k, (len(k) - 1) // 2)",  # a margin instead of gaps
        "def answer(k):\n    out = np.zeros((5, 5))\n    out[::2, ::2] = k\n    return out",
    ],
    "04.7": [
        correlate(rest=""),  # without the bias
        correlate(sum="nhwcba,abcf->nhwf"),  # the kernel mirrored
        correlate().replace("kernels)", "kernels[::-1, ::-1])"),  # a true convolution
        correlate(rest=" + bias.sum()"),
        correlate().replace("bias\n", "bias[:, None]\n").replace(" + bias[", " + 0 * bias["),
        SQUARE,
        IN_PLACE,
    ],
}
