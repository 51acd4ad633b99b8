"""Ways of looking into a network, from the cells of chapters 15 and 16, do what theory says."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import keras
import nbformat
import numpy as np
import pytest
import skimage.data
from keras import layers, ops
from scipy.stats import spearmanr

from catdog import CatDogError
from catdog.core import paths
from catdog.evaluation import attribution, metrics
from catdog.inference import prediction
from catdog.models import saving


@pytest.fixture(scope="module")
def chapter():
    """The functions of the cells tagged "implementation" in both chapters."""
    scope = dict(np=np, cv2=cv2, keras=keras, ops=ops, attribution=attribution)
    scope |= dict(gradient=attribution.gradient)
    for name in ("15_what_the_network_learned.ipynb", "16_why_it_answered_so.ipynb"):
        for cell in nbformat.read(paths.NOTEBOOKS / name, 4).cells:
            if "implementation" in cell.metadata.get("tags", []):
                exec(cell.source, scope)
    return scope


@pytest.fixture(scope="module")
def shipped():
    return {
        name: saving.load_model(paths.MODELS / f"cat_dog_{name}.keras")
        for name in ("cnn", "efficientnet")
    }


@pytest.fixture(scope="module")
def cats(shipped):
    return {
        name: prediction.read_photo(skimage.data.chelsea(), model.inputs[0].shape[1])
        for name, model in shipped.items()
    }


def small_net(activation="relu", pooling=True, seed=0):
    keras.utils.set_random_seed(seed)
    net = keras.Sequential(
        [
            keras.Input((9, 10, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(4, 3, padding="same", activation=activation),
            *([layers.MaxPooling2D()] if pooling else []),
            layers.Conv2D(5, 3, padding="same", activation=activation),
            layers.Flatten(),
            layers.Dense(6, activation=activation),
            layers.Dropout(0.5),
            layers.Dense(2),
            layers.Activation("softmax"),
        ]
    )
    rng = np.random.default_rng(seed)
    for weight in net.trainable_variables:  # biases too
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return net


def photo_of(seed, size=(9, 10)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype("uint8")


@pytest.mark.parametrize("shape", [(4, 6, 2), (5, 7, 3), (9, 8, 1)])
def test_unpool_puts_each_value_back_at_its_switch(chapter, shape):
    x = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape).astype("float32")
    values, switches = chapter["pool"](x)
    keras_says = ops.convert_to_numpy(layers.MaxPooling2D()(x[None]))[0]
    assert np.array_equal(values, keras_says)
    out = chapter["unpool"](values, switches, shape)
    assert out.shape == shape
    kept = out != 0
    assert np.array_equal(out[kept], x[kept])
    assert kept.sum() == (values != 0).sum()
    assert np.array_equal(np.sort(out[kept]), np.sort(values[values != 0]))


def brute_force(net, photo, top, rule):
    """Back through Rescaling, conv + ReLU, pool, conv + ReLU, one number at a time."""
    scale, first, pool, second = net.layers[:4]

    def convolve(x, layer):
        kernel, bias = (ops.convert_to_numpy(w) for w in (layer.kernel, layer.bias))
        out = np.zeros((*x.shape[:2], kernel.shape[3])) + bias
        for y, z, i, j in np.ndindex(*x.shape[:2], 3, 3):
            if 0 <= y + i - 1 < x.shape[0] and 0 <= z + j - 1 < x.shape[1]:
                out[y, z] += x[y + i - 1, z + j - 1] @ kernel[i, j]
        return np.maximum(out, 0)

    def back(down, layer, shape):
        kernel, out = ops.convert_to_numpy(layer.kernel), np.zeros(shape)
        for y, z, i, j in np.ndindex(*down.shape[:2], 3, 3):
            if 0 <= y + i - 1 < shape[0] and 0 <= z + j - 1 < shape[1]:
                out[y + i - 1, z + j - 1] += kernel[i, j] @ down[y, z]
        return out

    def through_relu(down, up):
        if rule == "deconvnet":
            return np.where(down > 0, down, 0)
        if rule == "gradient":
            return np.where(up > 0, down, 0)
        return np.where((up > 0) & (down > 0), down, 0)

    a = photo.astype(float) * scale.scale + scale.offset
    b = convolve(a, first)
    h, w = b.shape[0] // 2, b.shape[1] // 2
    c = np.array(
        [[b[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].max((0, 1)) for x in range(w)] for y in range(h)]
    )
    d = convolve(c, second)
    down = back(through_relu(top, d), second, c.shape)
    unpooled = np.zeros(b.shape)
    for y, x, k in np.ndindex(*c.shape):
        square = b[2 * y : 2 * y + 2, 2 * x : 2 * x + 2, k]
        i, j = np.unravel_index(square.argmax(), (2, 2))
        unpooled[2 * y + i, 2 * x + j, k] = down[y, x, k]
    return back(through_relu(unpooled, b), first, a.shape) * scale.scale


@pytest.mark.parametrize("rule", ["deconvnet", "gradient", "guided"])
def test_projection_is_what_loops_say(chapter, rule):
    net, photo = small_net(), photo_of(1)
    top = np.random.default_rng(2).normal(size=(4, 5, 5)).astype("float32")
    wanted = brute_force(net, photo, top, rule)
    assert np.allclose(chapter["project"](net.layers[:4], photo, top, rule), wanted, atol=1e-6)
    assert np.abs(wanted).max() > 1e-4


def both_ways(chapter, net, photo, rule):
    top = np.array([1.0, -0.5], "float32")
    logits = keras.Sequential([keras.Input(photo.shape), *net.layers[:-1]])
    theirs = attribution.gradient(lambda x: ops.sum(logits(x) * top), photo[None])[0]
    return chapter["project"](net.layers[:-1], photo, top, rule), theirs


@pytest.mark.parametrize("rule", ["deconvnet", "gradient", "guided"])
def test_without_relu_every_rule_is_the_gradient(chapter, rule):
    ours, theirs = both_ways(chapter, small_net("linear"), photo_of(3), rule)
    assert np.allclose(ours, theirs, atol=1e-6)


def test_with_relu_only_one_rule_is_the_gradient(chapter):
    net, photo = small_net(), photo_of(4)
    found = {rule: both_ways(chapter, net, photo, rule) for rule in chapter["RULES"]}
    ours, theirs = found["gradient"]
    assert np.allclose(ours, theirs, atol=1e-6) and np.abs(theirs).max() > 1e-3
    for rule in ("deconvnet", "guided"):
        assert not np.allclose(found[rule][0], theirs, atol=1e-3)


def test_what_each_rule_lets_through(chapter):
    down, up = np.array([2.0, -2.0, 2.0, -2.0]), np.array([1.0, 1.0, 0.0, 0.0])
    rules = chapter["RULES"]
    assert rules["deconvnet"](down, up).tolist() == [2, 0, 2, 0]  # the signal that comes down
    assert rules["gradient"](down, up).tolist() == [2, -2, 0, 0]  # the mask of the way up
    assert rules["guided"](down, up).tolist() == [2, 0, 0, 0]


def test_a_projection_stays_in_its_window(chapter, shipped, cats):
    cnn, photo = shipped["cnn"], cats["cnn"]
    for index, size in ((1, 3), (3, 8), (5, 18)):
        below = cnn.layers[: index + 1]
        assert isinstance(below[-1], layers.Conv2D)
        top = np.zeros(below[-1].output.shape[1:], "float32")
        top[20, 15] = 1
        rows, columns = np.nonzero(chapter["project"](below, photo, top, "deconvnet").any(2))
        (y0, y1), (x0, x1) = (chapter["window"](below, at) for at in (20, 15))
        assert y1 - y0 + 1 == x1 - x0 + 1 == size
        assert y0 <= rows.min() and rows.max() <= y1
        assert x0 <= columns.min() and columns.max() <= x1


def test_integrated_gradients_are_complete(chapter, shipped, cats):
    attribute = chapter["integrated_gradients"]
    net, photo = small_net("tanh", pooling=False), photo_of(5).astype(float)
    base = np.full(photo.shape, 128.0)

    def f(x):
        return attribution.score(net, x, 1)

    gap = np.subtract(*(attribution.scores(net, x[None], 1)[0] for x in (photo, base)))
    assert abs(gap) > 0.05
    assert abs(attribute(f, photo, base, steps=64).sum() - gap) < 1e-3 * abs(gap)
    weights = np.random.default_rng(0).normal(size=photo.shape).astype("float32")
    shares = attribute(lambda x: ops.sum(x * weights, axis=(1, 2, 3)), photo, base, steps=3)
    assert np.allclose(shares, weights * (photo - base), rtol=1e-5)

    cnn, cat = shipped["cnn"], cats["cnn"]
    grey = np.full(cat.shape, 128.0)
    gap = np.subtract(*(attribution.scores(cnn, x[None], 1)[0] for x in (cat, grey)))
    shares = attribute(lambda x: attribution.score(cnn, x, 1), cat, grey, steps=128)
    assert abs(shares.sum() - gap) < 0.08 * abs(gap)


def test_occlusion_finds_the_place_that_counts(chapter, monkeypatch):
    photo = np.full((60, 60, 3), 200, np.uint8)

    def scores(model, photos, label):
        assert label == 1
        return photos[:, 20:30, 40:50].mean((1, 2, 3))

    monkeypatch.setitem(chapter, "attribution", SimpleNamespace(scores=scores))
    found = chapter["occlusion"](None, photo, share=0.2, steps=13)
    assert found.shape == (60, 60)
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert 20 <= y < 30 and 40 <= x < 50
    assert found.max() > 20 and found.min() >= 0
    assert (found[:, :25] == 0).all() and (found[45:] == 0).all()


def test_grad_cam_is_the_formula_of_the_paper():
    net, photo = small_net(), photo_of(6)
    net_layers = net.layers
    x = photo[None].astype("float32")
    for layer in net_layers[:4]:
        x = layer(x)
    maps = ops.convert_to_numpy(x).astype("float64")

    def odds(a):
        for layer in net_layers[4:-1]:
            a = layer(a)
        a = ops.convert_to_numpy(a)
        return a[:, 1] - a[:, 0]

    nudges = np.eye(maps.size).reshape(-1, *maps.shape[1:]) * 1e-2
    slopes = (odds(maps + nudges) - odds(maps - nudges)) / 2e-2
    weights = slopes.reshape(maps.shape[1:]).mean((0, 1))
    heat = np.maximum((maps[0] * weights).sum(2), 0)
    heat = cv2.resize(heat, (10, 9))
    assert heat.max() > 0
    found = attribution.grad_cam(net, photo, 1)
    assert found.shape == (9, 10)
    assert np.allclose(found, heat / heat.max(), atol=1e-2)


@pytest.mark.parametrize("name", ["cnn", "efficientnet"])
@pytest.mark.parametrize("label", [0, 1])
def test_the_chapter_s_grad_cam_is_the_package_s(chapter, name, label, shipped, cats):
    model, photo = shipped[name], cats[name]
    heat = chapter["grad_cam"](model, photo, label)
    heat = cv2.resize(heat, photo.shape[1::-1])
    heat /= max(heat.max(), 1e-12)
    assert np.allclose(heat, attribution.grad_cam(model, photo, label), atol=1e-4)


@pytest.mark.parametrize("name", ["cnn", "efficientnet"])
def test_grad_cam_of_the_shipped_models(name, shipped, cats):
    model, photo = shipped[name], cats[name]
    heat = attribution.grad_cam(model, photo)
    assert heat.shape == photo.shape[:2] and heat.dtype == np.float32
    assert heat.min() >= 0 and heat.max() == 1
    assert np.array_equal(heat, attribution.grad_cam(model, photo, 0))  # it is a cat
    assert not np.array_equal(heat, attribution.grad_cam(model, photo, 1))
    with ThreadPoolExecutor(4) as pool:
        for other in pool.map(lambda _: attribution.grad_cam(model, photo), range(4)):
            assert np.allclose(other, heat, atol=1e-5)
    logits = attribution.halves(model)[1](attribution.halves(model)[0](photo[None].astype("f")))
    dog = metrics.probabilities(model, photo[None])
    assert np.allclose(ops.convert_to_numpy(ops.softmax(logits))[:, 1], dog, atol=1e-4)


def test_grad_cam_costs_no_more_than_a_few_answers(shipped, cats):
    answer, heat = [], []
    for _ in range(8):
        for times, run in (
            (answer, lambda: shipped["cnn"](cats["cnn"][None].astype("float32"))),
            (heat, lambda: attribution.grad_cam(shipped["cnn"], cats["cnn"])),
        ):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
    assert min(heat) < 20 * min(answer)


def test_grad_cam_where_nothing_speaks_for_the_label_is_all_zero():
    net = small_net()
    net.layers[-2].set_weights([np.zeros((6, 2)), np.zeros(2)])
    assert not attribution.grad_cam(net, photo_of(0), 1).any()


def test_what_cannot_be_explained_is_said(monkeypatch):
    net = small_net()
    with pytest.raises(CatDogError, match=r"takes \(9, 10, 3\)"):
        attribution.grad_cam(net, np.zeros((8, 8, 3), np.uint8))
    flat = keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(CatDogError, match="softmax"):
        attribution.grad_cam(flat, np.zeros((4, 4, 3), np.uint8))
    flat.add(layers.Activation("softmax"))
    with pytest.raises(CatDogError, match="no convolution"):
        attribution.grad_cam(flat, np.zeros((4, 4, 3), np.uint8))
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(CatDogError, match="tensorflow or jax"):
        attribution.gradient(ops.sum, np.zeros(3))
    with pytest.raises(CatDogError, match="tensorflow or jax"):
        attribution.compiled_gradient(ops.sum)(np.zeros(3))


def test_gradient():
    x = np.array([[1.0, -2.0, 3.0]])
    assert np.allclose(attribution.gradient(lambda a: ops.sum(a**3), x), 3 * x**2)
    assert np.array_equal(attribution.gradient(lambda a: ops.sum(ops.ones(3)), x), 0 * x)
    compiled = attribution.compiled_gradient(lambda a: ops.sum(a**3))
    for values in (x, 2 * x, np.ones((4, 3))):
        assert np.allclose(compiled(values), 3 * values**2)
    assert np.array_equal(attribution.compiled_gradient(lambda a: ops.sum(ops.ones(3)))(x), 0 * x)


JAX = """
import sys
import numpy as np
from keras import backend, ops
sys.path.insert(0, sys.argv[2])
from test_explanation import attribution, photo_of, small_net
assert backend.backend() == "jax"
x = np.array([[1.0, -2.0, 3.0]])
assert np.allclose(attribution.gradient(lambda a: ops.sum(a**3), x), 3 * x**2)
net, photo = small_net(), photo_of(6)
slope = attribution.gradient(lambda x: ops.sum(attribution.score(net, x, 1)), photo[None])
compiled = attribution.compiled_gradient(lambda x: ops.sum(attribution.score(net, x, 1)))
assert np.allclose(compiled(photo[None]), slope, atol=1e-6)
np.savez(sys.argv[1], cam=attribution.grad_cam(net, photo, 1), slope=slope)
"""


def test_jax_says_the_same(tmp_path):
    out = tmp_path / "jax.npz"
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", JAX, str(out), os.path.dirname(__file__)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    net, photo = small_net(), photo_of(6)
    slope = attribution.gradient(lambda x: ops.sum(attribution.score(net, x, 1)), photo[None])
    with np.load(out) as jax:
        assert np.allclose(jax["cam"], attribution.grad_cam(net, photo, 1), atol=1e-4)
        assert np.allclose(jax["slope"], slope, atol=1e-5)


def test_shuffled_weights_are_the_same_numbers_elsewhere(chapter, shipped, cats):
    cnn, photo = shipped["cnn"], cats["cnn"]
    before = [w.copy() for w in cnn.get_weights()]
    for count in (0, 2, 5):
        after = chapter["shuffled"](cnn, count).get_weights()
        changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert changed[::2] == [i >= 5 - count for i in range(5)]  # kernels; a bias may stay
        assert all(
            np.allclose(np.sort(a, None), np.sort(b, None))
            for a, b in zip(before, after, strict=True)
        )
    assert all(np.array_equal(a, b) for a, b in zip(before, cnn.get_weights(), strict=True))
    heats = [attribution.grad_cam(chapter["shuffled"](cnn, n), photo, 0) for n in (0, 5)]
    assert np.array_equal(heats[0], attribution.grad_cam(cnn, photo, 0))
    assert spearmanr(heats[0].ravel(), heats[1].ravel()).statistic < 0.6


def test_painting_raises_what_it_is_told_to(chapter):
    net = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(4, 3, padding="same")])
    mask = np.eye(4, dtype="float32")[[1, 2]][:, None, None]
    painted, again, plain = (
        chapter["paint"](lambda x: ops.sum(net(x) * mask), 2, 16, steps=n, plain=p)
        for n, p in ((20, False), (20, False), (0, True))
    )
    assert painted.shape == (2, 16, 16, 3) and painted.dtype == np.uint8
    assert np.array_equal(painted, again)
    before, after = (
        ops.convert_to_numpy(net(x.astype("f")) * mask).sum((1, 2, 3)) for x in (plain, painted)
    )
    assert (after > before).all()


@pytest.mark.parametrize("size", [1, 4])
def test_an_attack_changes_no_pixel_by_more_than_it_says(chapter, shipped, cats, size):
    cnn, photo = shipped["cnn"], cats["cnn"]
    attack = chapter["fgsm"](cnn, photo, size)
    assert attack.dtype == np.uint8 and attack.shape == photo.shape
    assert np.abs(attack.astype(int) - photo).max() == size
    sure, less = attribution.scores(cnn, np.stack([photo, attack]), 0)
    assert less < sure
    small_steps = chapter["fgsm"](cnn, photo, size, steps=size)
    assert np.abs(small_steps.astype(int) - photo).max() <= size


def test_feature_maps_and_embedding_are_the_model_s_own(shipped, cats):
    for name, width in (("cnn", 64), ("efficientnet", 1280)):
        model, photo = shipped[name], cats[name]
        maps = attribution.feature_maps(model, photo)
        probabilities = model.predict(photo[None], verbose=0)[0]
        assert np.allclose(maps[model.layers[-1].name], probabilities, atol=1e-4)
        embedded = attribution.embed(model, photo[None])
        assert embedded.shape == (1, width)
        dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)][-1]
        kernel, bias = (ops.convert_to_numpy(w) for w in (dense.kernel, dense.bias))
        assert np.allclose(embedded[0] @ kernel + bias, maps[dense.name], atol=1e-3)
