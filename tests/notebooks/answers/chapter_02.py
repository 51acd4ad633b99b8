"""Answers to the exercises of chapter 2: other right ones, and what people get wrong."""

RIGHT = {
    "02.1": [
        "lambda x, w, b: np.dot(x, w) + b",
        "def answer(x, w, b):\n"
        "    return np.array([[row @ w[:, k] + b[k] for k in range(len(b))] for row in x])",
    ],
    "02.2": [
        "lambda x: x * (x > 0)",
        "lambda x: np.where(x > 0, x, 0)",
        "lambda x: (x + abs(x)) / 2",
    ],
    "02.3": [
        "def answer(z):\n"
        "    rows = [np.exp(row - max(row)) for row in z]\n"
        "    return np.array([row / sum(row) for row in rows])",
        "lambda z: np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None])",
    ],
    "02.4": [
        "lambda p, y: -np.mean([np.log(row[label]) for row, label in zip(p, y)])",
        "lambda p, y: -(np.eye(p.shape[1])[y] * np.log(p)).sum() / len(y)",
    ],
    "02.5": ["lambda p, g, rate: p + -rate * g", "lambda p, g, rate: np.subtract(p, rate * g)"],
    "02.6": [
        "lambda dout, x, w: (np.dot(dout, w.T), np.dot(x.T, dout), sum(dout))",
        "def answer(dout, x, w):\n"
        "    dw = sum(np.outer(a, g) for a, g in zip(x, dout))\n"
        "    return [(w @ dout.T).T, dw, np.ones(len(x)) @ dout]",
    ],
    "02.7": ["2778", "sum((i + 1) * o for i, o in ((64, 32), (32, 16), (16, 10)))"],
}
WRONG = {
    "02.1": [
        "lambda x, w, b: x @ w",  # no bias
        "lambda x, w, b: x @ w.T + b",
        "lambda x, w, b: x @ (w + b)",
        "lambda x, w, b: np.maximum(x @ w + b, 0)",  # with an activation
        "lambda x, w, b: np.array([sum(x[0] * w[:, k]) + b[k] for k in range(len(b))])",
    ],
    "02.2": [
        "lambda x: max(x, 0)",  # of an array
        "lambda x: np.max(x)",
        "lambda x: abs(x)",
        "lambda x: x[x > 0]",  # another shape
        "lambda x: (x > 0) * 1.0",
        "def answer(x):\n    x[x < 0] = 0\n    return x",  # changes what it was given
        "lambda x: 1 / (1 + np.exp(-x))",
    ],
    "02.3": [
        "lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)",  # overflows
        "lambda z: np.exp(z - z.max()) / np.exp(z - z.max()).sum()",  # over the whole batch
        "lambda z: np.exp(z - z.max(0)) / np.exp(z - z.max(0)).sum(0)",  # over the other axis
        "lambda z: np.exp(z - z.max()) / np.exp(z - z.max()).sum(axis=1, keepdims=True)",
        "lambda z: z / z.sum(axis=1, keepdims=True)",
        "lambda z: 1 / (1 + np.exp(-z))",
        "lambda z: np.exp(z - z.max(1, keepdims=True))",
    ],
    "02.4": [
        "lambda p, y: np.log(p[np.arange(len(y)), y]).mean()",  # the sign
        "lambda p, y: -np.log(p[np.arange(len(y)), y]).sum()",
        "lambda p, y: -np.log(p[:, y]).mean()",  # all columns of all rows
        "lambda p, y: -np.log10(p[np.arange(len(y)), y]).mean()",
        "lambda p, y: -np.log(p[np.arange(len(y)), y])",  # one for each
        "lambda p, y: -np.log(p[np.arange(len(y)), y].mean())",
        "lambda p, y: -np.log(p.max(axis=1)).mean()",
    ],
    "02.5": [
        "lambda p, g, rate: p + rate * g",  # uphill
        "lambda p, g, rate: p - g",
        "lambda p, g, rate: rate * g",
        "lambda p, g, rate: p - rate * np.sign(g)",
        "def answer(p, g, rate):\n    p -= rate * g\n    return p",  # changes the old one
    ],
    "02.6": [
        "lambda dout, x, w: (dout @ w, x.T @ dout, dout.sum(axis=0))",
        "lambda dout, x, w: (x.T @ dout, dout.sum(axis=0), dout @ w.T)",  # another order
        "lambda dout, x, w: (dout @ w.T, x.T @ dout, dout.mean(axis=0))",
        "lambda dout, x, w: (dout @ w.T, x.T @ dout, dout.sum())",
        "lambda dout, x, w: (dout @ w.T, x.T @ dout / len(x), dout.sum(axis=0))",
        "lambda dout, x, w: (dout @ w.T, dout.T @ x, dout.sum(axis=0))",
        "lambda dout, x, w: (dout @ w.T, x.T @ dout)",
    ],
    "02.7": ["64 * 32 + 32 * 16 + 16 * 10", "64 + 32 + 16 + 10", "64 * 32 * 16 * 10", "2778 + 64"],
}
