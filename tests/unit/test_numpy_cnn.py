"""The network of chapter 6, taken from its cells: right gradients, equal to Keras, short, good."""

import ast
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.datasets import load_digits

from catdog.core import paths

CHAPTER = paths.ROOT / "notebooks" / "06_a_cnn_in_numpy.ipynb"
CHECKS = {"numeric_gradient", "agree", "correlate_loops"}  # beside the network, not of it
LAYERS = "dense relu softmax cross_entropy sgd_step correlate max_pool".split()
SIZES = st.tuples(*[st.integers(1, 3)] * 4)  # photos, channels, filters, the kernel's side
SEED = st.integers(0, 2**32 - 1)


def lesson():
    """The sources of the code cells that stand before the exercises."""
    cells = nbformat.read(CHAPTER, 4).cells
    last = next(i for i, cell in enumerate(cells) if cell.source == "## Exercises")
    return [cell.source for cell in cells[:last] if cell.cell_type == "code"]


def functions():
    """Each function of the lesson, {name: source}."""
    trees = [(source, ast.parse(source)) for source in lesson()]
    defined = [(s, node) for s, tree in trees for node in tree.body]
    defined = [(s, node) for s, node in defined if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.get_source_segment(source, node) for source, node in defined}


@pytest.fixture(scope="module")
def cnn():
    """The functions of the lesson, and its digits."""
    scope = {"np": np, "sliding_window_view": sliding_window_view, "load_digits": load_digits}
    for source in functions().values():
        exec(source, scope)
    (digits,) = [source for source in lesson() if "load_digits()" in source]
    exec(digits.split("print(")[0], scope)
    return SimpleNamespace(**{k: v for k, v in scope.items() if not k.startswith("__")})


@pytest.fixture(scope="module")
def trained(cnn):
    """The weights at the start and after each epoch, for two other starts than the chapter's."""
    starts = [cnn.start(np.random.default_rng(seed)) for seed in (4, 5)]
    return [cnn.train(weights, cnn.x_train, cnn.y_train) for weights in starts]


@pytest.fixture(scope="module")
def keras_twin():
    """The chapter's Keras model."""
    import keras

    (source,) = [source for source in lesson() if "keras.Sequential" in source]
    scope = {"keras": keras, "layers": keras.layers}
    exec(source.split("model.set_weights")[0], scope)
    return scope["model"]


def test_all_of_it_is_under_100_lines():
    own = {name: source for name, source in functions().items() if name not in CHECKS}
    assert set(LAYERS) < set(own)
    assert sum(len(source.splitlines()) for source in own.values()) < 100


def test_finite_differences_know_the_slope(cnn):
    x = np.array([0.5, -2.0, 3.0])
    assert np.allclose(cnn.numeric_gradient(lambda: (x**3).sum(), x), 3 * x**2)
    assert not cnn.agree(2 * x, lambda: x**3, x, np.ones(3))
    assert x.tolist() == [0.5, -2.0, 3.0]


@settings(max_examples=40, deadline=None)
@given(size=SIZES, seed=SEED)
def test_gradients_of_every_layer(cnn, size, seed):
    rng = np.random.default_rng(seed)
    n, c, f, k = size
    x, w, b, g = (rng.normal(size=s) for s in ((n, c), (c, f), f, (n, f)))
    for ours, array in zip(cnn.dense_backward(g, x, w), (x, w, b), strict=True):
        assert cnn.agree(ours, lambda: cnn.dense(x, w, b), array, g)

    # values far enough apart that no step of a finite difference turns a gate or a winner
    far = rng.permutation(np.linspace(-1, 1, n * 4 * 6 * c)).reshape(n, 4, 6, c)
    g = rng.normal(size=far.shape)
    assert cnn.agree(cnn.relu_backward(g, far), lambda: cnn.relu(far), far, g)
    g = g[:, ::2, ::2]
    assert cnn.agree(cnn.max_pool_backward(g, far), lambda: cnn.max_pool(far), far, g)

    kernels, bias = rng.normal(size=(k, k, c, f)), rng.normal(size=f)
    g = rng.normal(size=(n, 5 - k, 7 - k, f))
    dkernels, dbias = cnn.kernel_backward(g, far)
    for ours, array in (
        (dkernels, kernels),
        (dbias, bias),
        (cnn.input_backward(g, kernels), far),
    ):
        assert cnn.agree(ours, lambda: cnn.correlate(far, kernels, bias), array, g)

    z, y = rng.normal(size=(n, f + 1)), rng.integers(0, f + 1, n)
    slopes = cnn.numeric_gradient(lambda: cnn.cross_entropy(cnn.softmax(z), y), z)
    assert np.allclose(cnn.loss_backward(cnn.softmax(z), y), slopes, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(size=SIZES, seed=SEED)
def test_windows_and_loops_agree(cnn, size, seed):
    rng = np.random.default_rng(seed)
    n, c, f, k = size
    case = rng.normal(size=(n, 4, 6, c)), rng.normal(size=(k, k, c, f)), rng.normal(size=f)
    assert np.allclose(cnn.correlate(*case), cnn.correlate_loops(*case))


def test_of_a_tie_one_pixel_takes_the_whole_gradient(cnn):
    blank, g = np.zeros((2, 4, 4, 3)), np.arange(1.0, 25).reshape(2, 2, 2, 3)
    back = cnn.max_pool_backward(g, blank)
    assert (back[:, ::2, ::2] == g).all() and back.sum() == g.sum()


def test_gradients_of_the_whole_network(cnn, trained):
    weights = {name: array.copy() for name, array in trained[0][3].items()}
    x, y = cnn.x_train[:4], cnn.y_train[:4]
    p, kept = cnn.forward(weights, x)
    gradients = cnn.backpropagate(weights, kept, p, y)
    assert gradients.keys() == weights.keys()
    for name, array in weights.items():
        slopes = cnn.numeric_gradient(
            lambda: cnn.cross_entropy(cnn.forward(weights, x)[0], y), array
        )
        assert np.abs(slopes).max() > 1e-3
        assert np.allclose(gradients[name], slopes, atol=1e-6), name


@pytest.mark.parametrize("epoch", [0, 1, 25])
def test_equal_to_keras_before_and_after_a_step(cnn, trained, keras_twin, epoch):
    weights, (x, y) = trained[0][epoch], (cnn.x_train[:32], cnn.y_train[:32])
    keras_twin.set_weights(list(weights.values()))
    p, kept = cnn.forward(weights, x)
    assert np.allclose(keras_twin.predict(x, verbose=0), p, atol=1e-5, rtol=0)
    gradients = cnn.backpropagate(weights, kept, p, y)
    keras_twin.train_on_batch(x, y)
    for (name, before), theirs in zip(weights.items(), keras_twin.get_weights(), strict=True):
        ours = cnn.sgd_step(before, gradients[name], 0.2)
        assert np.allclose(theirs, ours, atol=1e-5, rtol=0), name
        assert epoch == 25 or np.abs(ours - before).max() > 1e-4


def test_reads_more_than_97_percent_of_held_out_digits(cnn, trained):
    assert set(cnn.rest).isdisjoint(cnn.held_out) and len(cnn.x_train) + len(cnn.x_val) == 1797
    for history in trained:
        before, after = (
            (cnn.forward(weights, cnn.x_val)[0].argmax(1) == cnn.y_val).mean()
            for weights in (history[0], history[-1])
        )
        assert before < 0.3 and after > 0.97


def test_planted_faults_of_the_challenge_are_found_by_a_gradient_check(cnn):
    cells = nbformat.read(CHAPTER, 4).cells
    (source,) = [cell.source for cell in cells if "def pool_b" in cell.source]
    scope = vars(cnn).copy()
    exec(source, scope)
    rng = np.random.default_rng(0)
    x, w, g = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    for ours, theirs in zip(cnn.dense_backward(g, x, w), scope["dense_b"](g, x, w), strict=True):
        assert np.allclose(ours, theirs)
    g, kernels = rng.normal(size=(2, 3, 3, 4)), rng.normal(size=(2, 2, 3, 4))
    ours, theirs = cnn.input_backward(g, kernels), scope["input_b"](g, kernels)
    assert ours.shape == theirs.shape and not np.allclose(ours, theirs)
    x, g = rng.normal(size=(2, 4, 4, 1)), rng.normal(size=(2, 2, 2, 1))
    assert np.allclose(cnn.max_pool_backward(g, x), scope["pool_b"](g, x))
    assert not np.allclose(cnn.max_pool_backward(g, x.round()), scope["pool_b"](g, x.round()))
