"""The questions of an exam that are answered with a pencil: drawn numbers, and their key.

Each function draws one question. A question has as many points as parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor
from typing import Any

import numpy as np
from scipy.signal import correlate2d
from scipy.special import expit, log_softmax, softmax

from catdog.evaluation import statistics

Draw = np.random.Generator
ROUNDED = 0.002  # how far an answer that is asked for with three decimals may be off


@dataclass
class Question:
    """A question, what was drawn for it, and its key.

    `parts`: of each part its kind ("number", "array", "choice" or "case"), value and tolerance.
    `shown` is the code of a cell above that of the answer, `start` what that of the answer begins
    with.
    """

    title: str
    text: str
    given: dict[str, Any]
    parts: list[dict[str, Any]]
    answer: str = "..."
    shown: str = ""
    start: str = ""
    names: list[str] = field(default_factory=list)


def number(value: float, tolerance: float = 0) -> dict[str, Any]:
    """A part that is one number, right if it differs by `tolerance` at most."""
    whole = float(value).is_integer() and not tolerance
    value = int(value) if whole else float(value)
    return {"kind": "number", "value": value, "tolerance": tolerance}


def array(value, tolerance: float = 0) -> dict[str, Any]:
    """A part that is an array, right if no number differs by more than `tolerance`."""
    return {"kind": "array", "value": np.asarray(value).tolist(), "tolerance": tolerance}


def choice(value: str) -> dict[str, Any]:
    """A part that is one of several words."""
    return {"kind": "choice", "value": value}


def literal(x) -> str:
    """An array as NumPy code."""
    rows = np.asarray(x).tolist()
    return f"np.array({rows})"


def pick(rng: Draw, *values: int) -> int:
    return int(rng.choice(values))


def parameters(rng: Draw) -> Question:
    side, channels = pick(rng, 28, 32, 56, 64), pick(rng, 3, 8, 16, 32)
    k, filters = pick(rng, 3, 5, 7), pick(rng, 24, 48, 64, 96)
    weights = k * k * channels * filters
    return Question(
        "A convolutional layer",
        f"A batch holds one array of shape ({side}, {side}, {channels}). A convolution with "
        f'{filters} filters of side {k}, stride 1, a bias for each filter and padding "same" is '
        "applied. How many parameters has it, and how many multiplications does it take? (The "
        "multiplications at the padded border count, too.)",
        {"side": side, "channels": channels, "k": k, "filters": filters},
        [number(weights + filters), number(side * side * weights)],
        names=["parameters", "multiplications"],
    )


def sizes(rng: Draw) -> Question:
    rows, parts = [], []
    for stride, dilation in ((2, 1), (1, pick(rng, 2, 3)), (pick(rng, 2, 3), 2)):
        n, k, p = int(rng.integers(40, 200)), pick(rng, 3, 5, 7), pick(rng, 0, 1, 2, 3)
        rows.append({"n": n, "k": k, "p": p, "s": stride, "d": dilation})
        parts.append(number(floor((n + 2 * p - dilation * (k - 1) - 1) / stride) + 1))
    table = "\n".join(
        f"| {i} | {' | '.join(map(str, r.values()))} |" for i, r in enumerate(rows, 1)
    )
    return Question(
        "The size of the output",
        "How many pixels does each convolution give along one axis?\n\n"
        "| | pixels *n* | kernel *k* | padding on each side *p* | stride *s* | dilation *d* |\n"
        f"| --- | --- | --- | --- | --- | --- |\n{table}",
        {"rows": rows},
        parts,
        names=["of 1", "of 2", "of 3"],
    )


def receptive_field(rng: Draw) -> Question:
    stack: list[dict[str, Any]] = [
        {"layer": "convolution", "k": pick(rng, 3, 5), "s": 1, "d": 1},
        {"layer": "max pooling", "k": 2, "s": 2, "d": 1},
        {"layer": "convolution", "k": pick(rng, 3, 5), "s": pick(rng, 1, 2), "d": 1},
        {"layer": "convolution", "k": 3, "s": 1, "d": pick(rng, 2, 3)},
        {"layer": "max pooling", "k": pick(rng, 2, 3), "s": 2, "d": 1},
    ]
    seen, apart = 1, 1
    for layer in stack:
        seen += layer["d"] * (layer["k"] - 1) * apart
        apart *= layer["s"]
    table = "\n".join(f"| {' | '.join(map(str, layer.values()))} |" for layer in stack)
    return Question(
        "The receptive field",
        "Layers follow each other, the first one above. How many pixels of the input, along one "
        "axis, does one number of the last output depend on? And how many pixels apart, in the "
        "input, are the centres of two neighbours in the last output?\n\n"
        f"| layer | *k* | stride | dilation |\n| --- | --- | --- | --- |\n{table}",
        {"stack": stack},
        [number(seen), number(apart)],
        names=["receptive field", "distance"],
    )


def dense(rng: Draw) -> Question:
    height, width = pick(rng, 96, 128, 160, 224), pick(rng, 120, 144, 180, 256)
    units = pick(rng, 256, 512, 1000, 2000)
    count = (height * width * 3 + 1) * units
    return Question(
        "A dense layer on a photo",
        f"A colour photo of {height}×{width} pixels is flattened and goes into a dense layer of "
        f"{units} units, with biases. How many parameters has the layer? How many megabytes (10⁶ "
        "bytes) do they take in float32? (One percent off counts.)",
        {"height": height, "width": width, "units": units},
        [number(count), number(count * 4 / 1e6, count * 4 / 1e8)],
        names=["parameters", "megabytes"],
    )


def cross_entropy(rng: Draw) -> Question:
    z = rng.choice(np.arange(-2, 4), 3, replace=False)
    label = int(rng.integers(3))
    return Question(
        "Softmax and cross-entropy",
        f"A network with three classes, numbered from 0, gives the logits {z.tolist()}. The right "
        f"class is number {label}. Give the three probabilities, as an array, and the "
        "cross-entropy loss (natural logarithm), with three decimals.",
        {"logits": z.tolist(), "label": label},
        [
            array(softmax(z.astype(float)), ROUNDED),
            number(-log_softmax(z.astype(float))[label], ROUNDED),
        ],
        names=["probabilities", "loss"],
    )


def step(rng: Draw) -> Question:
    x, w = rng.choice([-2, -1, 1, 2], 2), rng.choice([-1.5, -1, -0.5, 0.5, 1, 1.5], 2)
    b, rate = float(rng.choice([-0.5, 0.5])), float(rng.choice([0.1, 0.2, 0.5]))
    p = expit(w @ x + b)
    y = int(p < 0.5)  # it is wrong, so that there is something to learn
    return Question(
        "One step of gradient descent",
        f"A neuron with a sigmoid has the weights {w.tolist()} and the bias {b}. For the inputs "
        f"{x.tolist()} the label is {y}; the loss is the binary cross-entropy, the learning rate "
        f"{rate}. Give the prediction *ŷ*, the weights after one step, as an array, and the bias "
        "after it, with three decimals.",
        {"x": x.tolist(), "w": w.tolist(), "b": b, "y": y, "rate": rate},
        [
            number(p, ROUNDED),
            array(w - rate * (p - y) * x, ROUNDED),
            number(b - rate * (p - y), ROUNDED),
        ],
        names=["prediction", "weights", "bias"],
    )


def pooling(rng: Draw) -> Question:
    x = rng.choice(np.arange(-9, 30), (4, 4), replace=False)
    dout = rng.integers(1, 9, (2, 2))
    windows = x.reshape(2, 2, 2, 2).swapaxes(1, 2)
    largest = windows.max((2, 3))
    dx = np.where(x == np.kron(largest, np.ones((2, 2))), np.kron(dout, np.ones((2, 2))), 0)
    return Question(
        "Max pooling, there and back",
        "Max pooling with windows of 2×2 and stride 2 goes over **X**. The gradient of the loss on "
        "its output is **D**. Give the output, and the gradient on **X**, as arrays.",
        {"x": x.tolist(), "dout": dout.tolist()},
        [array(largest), array(dx.astype(int))],
        names=["output", "gradient"],
        shown=f'X = {literal(x)}\nD = {literal(dout)}\nprint(X, D, sep="\\n\\n")',
    )


KERNELS = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "box blur": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],  # divided by 9
    "sobel x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sobel y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
}
DRAWN = """\
picture = {picture}
results = {{
    "A": {a},
    "B": {b},
    "C": {c},
}}
label = {{"facecolor": "white", "edgecolor": "none", "pad": 1}}
figure, axes = plt.subplots(1, 4, figsize=(10, 3))
for axis, (name, x) in zip(axes, [("picture", picture), *results.items()]):
    axis.imshow(x, cmap="gray")
    axis.set_title(name)
    for (row, column), value in np.ndenumerate(x):
        axis.text(column, row, value, ha="center", va="center", fontsize=8, bbox=label)
    axis.axis("off")"""


def kernel(rng: Draw) -> Question:
    picture = np.full((6, 6), 9 * int(rng.integers(1, 4)))
    top, left = rng.integers(1, 3, 2)
    picture[top : top + 2, left : left + 3] = 9 * int(rng.integers(6, 11))
    names = [str(name) for name in rng.choice(list(KERNELS), 3, replace=False)]
    results = [correlate2d(picture, KERNELS[name], "valid") for name in names]
    results = [r // 9 if name == "box blur" else r for name, r in zip(names, results, strict=True)]
    a, b, c = map(literal, results)
    return Question(
        "Which kernel was it?",
        "The cell below shows a picture and what three kernels of 3×3 made of it, without padding, "
        'by cross-correlation. Which kernel made A, B and C? Choose from `"identity"`, `"box '
        'blur"` (the mean), `"sobel x"` (the right column minus the left), `"sobel y"` (the lower '
        'row minus the upper) and `"sharpen"`.',
        {"picture": picture.tolist(), "results": [r.tolist() for r in results]},
        [choice(name) for name in names],
        names=["A", "B", "C"],
        shown=DRAWN.format(picture=literal(picture), a=a, b=b, c=c),
    )


def confusion(rng: Draw) -> Question:
    cats, dogs = int(rng.integers(200, 600)), int(rng.integers(200, 600))
    cc, dd = int(cats * rng.uniform(0.7, 0.97)), int(dogs * rng.uniform(0.7, 0.97))
    cd, dc = cats - cc, dogs - dd
    return Question(
        "A confusion matrix",
        "| | predicted cat | predicted dog |\n| --- | --- | --- |\n"
        f"| **cat** | {cc} | {cd} |\n| **dog** | {dc} | {dd} |\n\n"
        "Give, with three decimals: the accuracy; of all cats, the share that was predicted as cat "
        "(recall); of all that was predicted as dog, the share that is dog (precision).",
        {"matrix": [[cc, cd], [dc, dd]]},
        [
            number((cc + dd) / (cats + dogs), ROUNDED),
            number(cc / cats, ROUNDED),
            number(dd / (dd + cd), ROUNDED),
        ],
        names=["accuracy", "recall of cats", "precision of dogs"],
    )


def interval(rng: Draw) -> Question:
    claim, n = round(0.01 * int(rng.integers(78, 94)), 2), 500 * int(rng.integers(2, 9))
    width = (claim * (1 - claim) / n) ** 0.5
    rows, parts = [], []
    for away in rng.permutation([-3.5, float(rng.uniform(-0.8, 0.8)), 3.5]):
        correct = round(n * (claim + away * width))
        low, high = statistics.wilson(correct, n)
        rows.append({"correct": correct, "low": round(low, 4), "high": round(high, 4)})
        where = "below" if high < claim else "above" if low > claim else "compatible"
        parts.append(choice(where))
    table = "\n".join(
        f"| {name} | {r['correct']:,} | {r['low']:.2%} to {r['high']:.2%} |"
        for name, r in zip("ABC", rows, strict=True)
    )
    return Question(
        "An interval read",
        f"Somebody claims a true accuracy of {claim:.0%}. Three networks were measured on {n:,} "
        "photos each, which they had not seen:\n\n| | right | Wilson's 95% interval |\n| --- | "
        f'--- | --- |\n{table}\n\nIs the claim `"compatible"` with A, B and C, or is the measured '
        'network `"below"` or `"above"` it, beyond luck at this level? And about how many times as '
        "many photos would make an interval half as wide, at the same accuracy? (A whole number.)",
        {"claim": claim, "n": n, "rows": rows},
        [*parts, number(4)],
        names=["A", "B", "C", "how many times"],
    )


CURVES = """\
curves = {curves}
figure, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True)
for axis, (name, (training, validation)) in zip(axes, curves.items()):
    axis.plot(range(1, len(training) + 1), training, "o-", ms=3, label="training")
    axis.plot(range(1, len(validation) + 1), validation, "s--", ms=3, label="validation")
    axis.set(title=f"run {{name}}", xlabel="epoch")
axes[0].set(ylabel="loss", ylim=(0, None))
axes[0].legend();"""


def curves(rng: Draw) -> Question:
    e = np.arange(1, 21)
    best, patience = int(rng.integers(5, 11)), pick(rng, 2, 3, 4)
    noise = rng.normal(0, 0.004, (3, 2, 20))
    turn = 0.35 + 0.0045 * (e - best) ** 2
    jumps = 0.7 + rng.uniform(0.1, 1.6, (2, 20)) * np.where(e % 3 == 1, 1, 0.4)
    runs = {
        "overfits": np.stack([0.69 * np.exp(-e / 6), turn]) + noise[0],
        "underfits": np.stack([0.64 + 0.05 * np.exp(-e / 5), 0.65 + 0.045 * np.exp(-e / 5)])
        + noise[1],
        "rate too high": jumps + noise[2],
    }
    losses = runs["overfits"][1]
    losses[losses.argmin()] -= 0.002  # the lowest, also when rounded
    kinds = [str(kind) for kind in rng.permutation(list(runs))]
    drawn = {name: runs[kind].round(3).tolist() for name, kind in zip("ABC", kinds, strict=True)}
    validation = runs["overfits"][1].round(3)
    lowest = int(validation.argmin())
    return Question(
        "Learning curves read",
        "The cell below has the losses of three runs, and draws them. What does each show: "
        '`"overfits"`, `"underfits"` or `"rate too high"`? In the run that overfits, which epoch '
        "(counted from 1) has the lowest validation loss, and after which epoch does early "
        f"stopping with a patience of {patience} end it, that is, after {patience} epochs in a row "
        "that are no better than the best before?",
        {"curves": drawn, "patience": patience},
        [*map(choice, kinds), number(lowest + 1), number(_stopped(validation, patience))],
        names=["A", "B", "C", "best epoch", "last epoch"],
        shown=CURVES.format(curves=repr(drawn).replace("]], ", "]],\n    ")),
    )


def _stopped(losses: np.ndarray, patience: int) -> int:
    """The last epoch, counted from 1."""
    best, waited = np.inf, 0
    for epoch, loss in enumerate(losses, 1):
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == patience:
            return epoch
    return len(losses)


def updates(rng: Draw) -> Question:
    photos, ratio = 100 * int(rng.integers(30, 250)), pick(rng, 10, 20, 25)
    batch, epochs = pick(rng, 24, 32, 48, 64, 100), int(rng.integers(8, 40))
    steps = -(-(photos - photos * ratio // 100) // batch)
    return Question(
        "Batches, steps, epochs",
        f"Of {photos:,} photos, {ratio}% are kept for validation. The rest is trained on in "
        f"batches of {batch}, the last one smaller if need be, for {epochs} epochs. How many steps "
        "has an epoch, and how often are the weights changed in all?",
        {"photos": photos, "ratio": ratio, "batch": batch, "epochs": epochs},
        [number(steps), number(steps * epochs)],
        names=["steps", "updates"],
    )


PENCIL: tuple = (parameters, sizes, receptive_field, dense, cross_entropy, step, pooling, kernel)
PENCIL += (confusion, interval, curves, updates)
