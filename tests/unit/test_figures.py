"""What is drawn can be read: nothing overlaps, and negative numbers have their sign."""

import itertools
import re

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras import layers
from matplotlib.text import Text

from catdog.book import backward, comparisons, plots, volumes, windows, wiring

KERNEL = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1.5]])
SMALL = np.array([[1.0, -2], [0, 3]])
CHANGES = [(-0.02, (-0.05, 0.01))]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("-1", "−1"),
        ("3×(-1) = -.5", "3×(−1) = −.5"),
        ("log odds -2.0 to -1.0", "log odds −2.0 to −1.0"),
        ("2017-10-03", "2017-10-03"),
        ("a-b, top-5, f(x)-1", "a-b, top-5, f(x)-1"),
    ],
)
def test_minus(text, wanted):
    assert plots.minus(text) == wanted


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.tables({"of -1": KERNEL}, signed=True),
        lambda: plots.grid([KERNEL], ["-1"], columns=1),
        lambda: plots.rows({"a": [KERNEL]}, ["-1"]),
        lambda: windows.arithmetic(np.arange(-8.0, 17).reshape(5, 5), KERNEL),
        lambda: windows.channels(np.stack([-KERNEL] * 3, 2), np.stack([KERNEL] * 3, 2)),
        lambda: backward.weight_touches(KERNEL, SMALL, -SMALL, [(0, 0)]),
        lambda: comparisons.differences(["a"], {"b": CHANGES}, limits=(0.1,)),
        lambda: wiring.neuron([-1, 2], [0.5, -3], -1, ["x", "y"], ("ReLU", lambda z: max(z, 0))),
        lambda: wiring.chain([("x", "-1"), ("y", "-2")], ["× -2"], ["-2"]),
    ],
)
def test_pictures_have_a_minus_sign(draw):
    figure = draw()
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert any("−" in text for text in texts)
    assert not [text for text in texts if re.search(r"(?<![\w)])-\.?\d", text)]


def deep(blocks):
    stack = [keras.Input((64, 64, 3))]
    for n in range(blocks):
        convolutions = [layers.Conv2D(2 ** min(n, 5), 3, padding="same") for _ in range(3)]
        stack += [*convolutions, layers.MaxPooling2D()]
    return keras.Sequential([*stack, layers.Flatten(), layers.Dense(100), layers.Dense(2)])


@pytest.mark.parametrize("blocks, rows", [(1, 1), (5, 2)])
def test_labels_of_a_network_are_large_and_apart(blocks, rows):
    figure = volumes.draw(deep(blocks), flat=True)
    assert len(figure.axes) == rows
    figure.canvas.draw()
    texts = [text for axis in figure.axes for text in axis.texts]
    assert len(texts) == 2 * (2 * blocks + 4)
    assert min(text.get_fontsize() for text in texts) >= 10
    boxes = [text.get_window_extent() for text in texts]
    assert not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
    edge = figure.get_window_extent()
    assert min(b.x0 for b in boxes) >= 0 and max(b.x1 for b in boxes) <= edge.x1


def test_titles_of_a_row_stand_at_one_height():
    shapes = [(50, 100), (100, 100), (25, 100), (20, 100)]
    figure = plots.grid([np.ones(shape) for shape in shapes], list("abcd"), columns=2)
    figure.canvas.draw()
    heights = [axis.title.get_window_extent().y0 for axis in figure.axes]
    assert heights[0] == pytest.approx(heights[1]) and heights[2] == pytest.approx(heights[3])
    boxes = [axis.get_window_extent() for axis in figure.axes]
    assert boxes[1].height > 3 * boxes[2].height  # a row of wide pictures is not as high
    assert figure.get_figheight() < 8
