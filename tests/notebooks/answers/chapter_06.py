"""Other right answers to the exercises of chapter 6, and wrong ones that people give."""

RIGHT = {
    "06.1": ["np.sum(np.array([[2, 4], [2, 5]]) * np.array([[2, 1], [0, -1]]))"],
    "06.2": [
        "lambda dout, x: np.where(x > 0, dout, 0.1 * dout)",
        """
def answer(dout, x):
    dx = dout.copy()
    dx[x <= 0] *= 0.1
    return dx
""",
    ],
    "06.3": [
        "lambda dout: np.kron(dout, np.ones((1, 2, 2, 1))) / 4",
        """
def answer(dout):
    n, h, w, c = dout.shape
    dx = np.zeros((n, 2 * h, 2 * w, c))
    for i in range(2):
        for j in range(2):
            dx[:, i::2, j::2] = dout / 4
    return dx
""",
    ],
    "06.4": [
        """
def answer(dout, p):
    n, h, w, c = dout.shape
    return dout[:, p : h - p, p : w - p, :]
"""
    ],
    "06.5": [
        """
def answer(parameter, gradient, velocity, rate, momentum):
    new = gradient + velocity * momentum
    return [parameter - new * rate, new]
"""
    ],
    "06.6": ["(400 + 16 + 640 + 10) * 2"],
}

WRONG = {
    "06.1": [
        "0",  # the weight at the top left
        "10",  # the gradient turned by 180°
        "2 * 2 + 4 + 2 + 5",  # the gradient's zero and minus lost
        "5 * -1",  # the corner pixel alone
    ],
    "06.2": [
        "lambda dout, x: dout * (x > 0)",  # ReLU's
        "lambda dout, x: np.where(dout > 0, dout, 0.1 * dout)",  # the gradient's sign
        "lambda dout, x: np.where(x > 0, x, 0.1 * x)",  # the forward pass
        "lambda dout, x: np.where(x > 0, dout, 0.1)",  # the slope, not times the gradient
        """
def answer(dout, x):
    dout[x <= 0] *= 0.1  # what was given is overwritten
    return dout
""",
    ],
    "06.3": [
        "lambda dout: dout.repeat(2, axis=1).repeat(2, axis=2)",  # four times too much
        "lambda dout: dout / 4",  # the shape of the output
        "lambda dout: np.tile(dout, (1, 2, 2, 1)) / 4",  # copies of the whole, not of each number
        "lambda dout: dout.repeat(2, axis=0).repeat(2, axis=1) / 4",  # the axis of the batch
        "lambda dout: dout.repeat(2, axis=1).repeat(2, axis=2) / 2",
    ],
    "06.4": [
        "lambda dout, p: dout[:, p:, p:]",  # one side only
        "lambda dout, p: dout[p:-p, p:-p]",  # the axis of the batch
        "lambda dout, p: dout[:, 1:-1, 1:-1]",  # p = 1 only
        "lambda dout, p: np.pad(dout, ((0, 0), (p, p), (p, p), (0, 0)))",  # forwards
        "lambda dout, p: dout[:, :-2 * p, :-2 * p]",  # the right size, the wrong corner
    ],
    "06.5": [
        # the old velocity moves the parameter
        "lambda w, g, v, rate, m: (w - rate * v, m * v + g)",
        # returned in the other order
        "lambda w, g, v, rate, m: (m * v + g, w - rate * (m * v + g))",
        # up the slope
        "lambda w, g, v, rate, m: (w + rate * (m * v + g), m * v + g)",
        # an average, as other libraries have it
        "lambda w, g, v, rate, m: (w - rate * (m * v + (1 - m) * g), m * v + (1 - m) * g)",
        # the velocity is not returned
        "lambda w, g, v, rate, m: w - rate * (m * v + g)",
    ],
    "06.6": [
        "1066",  # one pass a number
        "2 * (400 + 640)",  # without biases
        "2 * (400 + 16 + 4 * 4 * 16 * 10 + 10)",  # before pooling
        "2",  # as many as backpropagation
    ],
}
