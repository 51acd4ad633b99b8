"""What the live figures compute, in Node, against OpenCV, Keras and NumPy."""

import json
import shutil
import subprocess

import cv2
import keras
import numpy as np
import pytest
import skimage.data

from catdog.book import live
from catdog.models import networks

GREY = cv2.cvtColor(skimage.data.chelsea(), cv2.COLOR_RGB2GRAY)
PHOTO = cv2.resize(GREY, (240, 160), interpolation=cv2.INTER_AREA)
SMALL = np.random.default_rng(4).integers(0, 256, (33, 17), np.uint8)


def node(module: str, expression: str, data=None):
    """Evaluate an expression of `data` in JavaScript, with all that a module of lib/ exports."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    code = f"""
        import * as lib from "{(live.FOLDER / "lib" / module).as_uri()}";
        let text = "";
        for await (const part of process.stdin) text += part;
        const data = JSON.parse(text);
        const list = (x) => (ArrayBuffer.isView(x) ? [...x] : x);
        process.stdout.write(JSON.stringify(list({expression})));
    """
    command = ["node", "--input-type=module", "-e", code]
    done = subprocess.run(command, capture_output=True, text=True, input=json.dumps(data))
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def filtered(photo, kernel, way="lib.saturated(lib.correlate(…))"):
    data = {"pixels": photo.ravel().tolist(), "size": photo.shape, "k": len(kernel)}
    data["kernel"] = np.ravel(kernel).tolist()
    arguments = "data.pixels, data.size, data.kernel, data.k"
    found = node("filtering.js", way.replace("…", arguments), data)
    return np.reshape(found, photo.shape)


SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
GAUSS = cv2.getGaussianKernel(5, 1)
KERNELS = {
    "identity": np.pad([[1.0]], 1),
    "box3": np.full((3, 3), 1 / 9),
    "box8": np.full((8, 8), 1 / 64),
    "gaussian": GAUSS @ GAUSS.T,
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float),
    "sobelX": SOBEL,
    "sobelY": SOBEL.T,
    "magnitude": SOBEL,
    "laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float),
}


def test_presets_are_the_kernels_of_the_chapter():
    presets = node("filtering.js", "lib.PRESETS")
    assert presets.keys() == KERNELS.keys()
    for name, kernel in KERNELS.items():
        assert presets[name]["k"] == len(kernel)
        np.testing.assert_allclose(presets[name]["kernel"], kernel.ravel(), atol=1e-15)


@pytest.mark.parametrize("photo", [PHOTO, SMALL], ids=["cat", "odd size"])
@pytest.mark.parametrize("name", KERNELS)
def test_presets_equal_filter2d_exactly(name, photo):
    kernel = KERNELS[name].astype(np.float32)
    wanted = cv2.filter2D(photo, -1, kernel)
    assert (filtered(photo, kernel) == wanted).all()
    assert wanted.std() > 0


@pytest.mark.parametrize("k", [2, 3, 3, 4, 5, 5, 7, 8, 9])
def test_random_kernels_equal_filter2d_exactly(k, request):
    rng = np.random.default_rng(k + 100 * request.node.callspec.indices["k"])
    for kernel in (rng.normal(size=(k, k)), rng.integers(-40, 41, (k, k)) / 8):
        assert (filtered(PHOTO, kernel) == cv2.filter2D(PHOTO, -1, kernel)).all()


def test_kernels_of_decimals_differ_from_filter2d_at_most_in_ties():
    """0.1 is no binary number: whether 7.5 comes out as 7.4999998 depends on the processor."""
    for seed in range(4):
        kernel = np.random.default_rng(seed).integers(-9, 10, (3, 3)) / 10
        off = np.abs(filtered(GREY, kernel) - cv2.filter2D(GREY, -1, kernel))
        assert off.max() <= 1 and (off > 0).mean() < 1e-3


@pytest.mark.parametrize("name", KERNELS)
def test_sums_equal_filter2d_in_floats(name):
    kernel, floats = KERNELS[name].astype(np.float32), PHOTO.astype(np.float32)
    along, across = (cv2.filter2D(floats, -1, one) for one in (kernel, kernel.T))
    both = name == "magnitude"  # as in the chapter
    wanted = np.hypot(along, across) if both else along
    found = filtered(PHOTO, kernel, "lib.magnitude(…)" if both else "lib.correlate(…)")
    assert np.abs(found - wanted).max() < 1e-3


def test_grey_is_that_of_opencv():
    colours = skimage.data.chelsea()[:40, :50]
    rgba = np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])
    found = node("filtering.js", "lib.grey(data)", rgba.ravel().tolist())
    assert (np.reshape(found, colours.shape[:2]) == cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)).all()


def test_window_is_what_is_under_the_kernel():
    data = {"pixels": SMALL.ravel().tolist(), "size": SMALL.shape}
    border = np.pad(SMALL, 4, mode="reflect")
    for k in (3, 8):
        for place in ((0, 0), (5, 16), (32, 9)):
            data |= {"k": k, "place": place}
            found = node(
                "filtering.js", "lib.windowAt(data.pixels, data.size, data.k, data.place)", data
            )
            row, column = (at + 4 - k // 2 for at in place)
            assert found == border[row : row + k, column : column + k].ravel().tolist()


def settings():
    """20 of stride, padding and dilation, each with a picture and a kernel."""
    rng = np.random.default_rng(9)
    for stride, padding, dilation in rng.integers((1, 0, 1), (4, 4, 4), (20, 3)):
        yield (
            {"stride": int(stride), "padding": int(padding), "dilation": int(dilation)},
            rng.integers(-9, 10, rng.integers(8, 14, 2)).astype("float32"),
            rng.integers(-5, 6, rng.integers(1, 4, 2)).astype("float32"),
        )


@pytest.mark.parametrize("how, picture, kernel", list(settings()))
def test_sliding_window_equals_keras(how, picture, kernel):
    stride, dilation = how["stride"], how["dilation"]
    if stride > 1 and dilation > 1:  # TensorFlow has not both: zeros in the kernel are dilation
        wide = np.zeros([dilation * (n - 1) + 1 for n in kernel.shape], "float32")
        wide[::dilation, ::dilation] = kernel
        kernel_of_keras, dilation = wide, 1
    else:
        kernel_of_keras = kernel
    layer = keras.layers.Conv2D(
        1, kernel_of_keras.shape, stride, dilation_rate=dilation, use_bias=False
    )
    padded = np.pad(picture, how["padding"])[None, :, :, None]
    layer.build(padded.shape)
    layer.set_weights([kernel_of_keras[:, :, None, None]])
    wanted = np.asarray(layer(padded))[0, :, :, 0]
    data = {"picture": picture.tolist(), "kernel": kernel.tolist(), "how": how}
    found = node("convolution.js", "lib.convolve(data.picture, data.kernel, data.how)", data)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    sizes = "[0, 1].map((i) => lib.outputSize(data.n[i], data.k[i], data.how))"
    data |= {"n": picture.shape, "k": kernel.shape}
    assert tuple(node("convolution.js", sizes, data)) == wanted.shape


def test_terms_of_a_window_are_its_products():
    how = {"stride": 2, "padding": 1, "dilation": 2}
    data = {"picture": np.arange(36).reshape(6, 6).tolist(), "kernel": SOBEL.tolist(), "how": how}
    found = node("convolution.js", "lib.terms(data.picture, data.kernel, data.how, [1, 0])", data)
    places = [(row, column) for row in (1, 3, 5) for column in (-1, 1, 3)]
    assert [(one["row"], one["column"]) for one in found] == places
    values = [0 if column < 0 else 6 * row + column for row, column in places]
    assert [one["value"] for one in found] == values
    products = np.array(values) * SOBEL.ravel()
    assert [one["product"] for one in found] == products.tolist()


@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_equals_keras(kind):
    rng = np.random.default_rng(3)
    layer = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}[kind]
    for size, stride in rng.integers(1, 5, (10, 2)).tolist():
        numbers = rng.integers(-9, 10, (9, 11)).astype("float32")
        wanted = np.asarray(layer(size, stride)(numbers[None, :, :, None]))[0, :, :, 0]
        data = {"map": numbers.tolist(), "how": {"kind": kind, "size": size, "stride": stride}}
        found = node("pooling.js", "lib.pool(data.map, data.how)", data)
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_layers_are_those_of_the_article():
    model = networks.article_cnn()
    layers = [x for x in model.layers if hasattr(x, "kernel_size") or hasattr(x, "pool_size")]
    found = node("pooling.js", "({ layers: lib.ARTICLE, sides: lib.sides(150, lib.ARTICLE) })")
    assert len(found["layers"]) == len(layers)
    for one, layer in zip(found["layers"], layers, strict=True):
        assert one["kind"] == ("conv" if hasattr(layer, "kernel_size") else "pool")
        assert one["kernel"] == getattr(layer, "kernel_size", getattr(layer, "pool_size", None))[0]
        assert one["stride"] == layer.strides[0]
    assert found["sides"] == [150, *(layer.output.shape[1] for layer in layers)]


@pytest.mark.parametrize("index, place", [(1, (0, 3)), (3, (20, 36)), (4, (9, 9)), (6, (3, 0))])
def test_area_that_a_number_has_seen_is_where_its_slope_is_not_0(index, place):
    """With positive weights, averages in place of maxima, and a photo of 32 pixels."""
    import tensorflow as tf

    side = 80
    x = tf.Variable(tf.ones((1, side, side, 1)))
    with tf.GradientTape() as tape:
        y = x
        for layer in node("pooling.js", "lib.ARTICLE")[:index]:
            k = layer["kernel"]
            if layer["kind"] == "conv":
                y = tf.nn.conv2d(y, tf.ones((k, k, 1, 1)), 1, "SAME")
            else:
                y = tf.nn.avg_pool2d(y, k, layer["stride"], "VALID")
        one = y[0, place[0], place[1], 0]
    rows, columns = np.nonzero(tape.gradient(one, x)[0, :, :, 0])
    data = {"index": index, "place": place, "side": side}
    areas = node("pooling.js", "lib.areas(lib.ARTICLE, data.side, data.index, data.place)", data)
    assert areas[0] == [rows.min(), columns.min(), rows.max(), columns.max()]
    assert areas[-1] == [*place, *place] and len(areas) == index + 1


def test_receptive_fields_are_those_of_the_chapter():
    found = node(
        "pooling.js", "lib.ARTICLE.map((_, i) => lib.receptiveField(lib.ARTICLE.slice(0, i + 1)))"
    )
    assert found == [3, 4, 8, 10, 18, 22]


@pytest.mark.parametrize("rate", [0.02, 0.5, 6.0])
def test_neuron_learns_as_in_the_chapter_and_in_keras(rate):
    animals = np.array(node("neuron.js", "lib.ANIMALS"))
    x, y = animals[:, :2], animals[:, 2]
    start = np.array([0.5, -0.5])
    path, losses = [start], []
    for _ in range(30):
        p = 1 / (1 + np.exp(-(x @ path[-1])))
        losses.append(-np.log(np.where(y == 1, p, 1 - p)).mean())
        path.append(path[-1] - rate * x.T @ (p - y) / 8)
    walk = """
        Array.from({ length: 30 }).reduce(
          (all) => [...all, lib.step(lib.ANIMALS, all.at(-1), data)], [[0.5, -0.5]]
        )
    """
    np.testing.assert_allclose(node("neuron.js", walk, rate), path, rtol=1e-9)
    found = node(
        "neuron.js", "data.map((w) => lib.loss(lib.ANIMALS, w))", np.array(path[:30]).tolist()
    )
    np.testing.assert_allclose(found, losses, rtol=1e-9)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "sigmoid", use_bias=False)])
    model.set_weights([start[:, None]])
    model.compile(keras.optimizers.SGD(rate), "binary_crossentropy")
    model.train_on_batch(x, y[:, None])
    np.testing.assert_allclose(model.get_weights()[0][:, 0], path[1], atol=1e-5)


def test_contour_lies_where_the_function_has_the_value():
    lines = node("neuron.js", "lib.contour((x, y) => x * x + y * y, [-2, 2], [-2, 2], 1, 80)")
    radii = np.hypot(*np.reshape(lines, (-1, 2)).T)
    assert len(lines) > 100 and np.abs(radii - 1).max() < 0.01


def test_three_ways_to_connect_a_layer():
    kernel, pixels = [-1, 0, 1], [1, 1, 1, 8, 8, 8, 1, 1]
    ask = "['dense', 'local', 'shared'].map((kind) => lib.weights(kind, 8, data.kernel))"
    data = {"kernel": kernel, "pixels": pixels}
    dense, local, shared = node("wiring.js", ask, data)
    counts = node("wiring.js", "lib.counts(8, 3)")
    there = [
        [weight for row in rows for weight in row if weight is not None] for rows in (dense, local)
    ]
    assert [len(one) for one in there] == [counts["dense"], counts["local"]] == [48, 18]
    assert {w for row in shared for w in row if w is not None} == {-1, 0, 1}
    assert counts["shared"] == 3 and dense == node(
        "wiring.js", "lib.weights('dense', 8, [0, 0, 0])"
    )
    data["matrix"] = shared
    found = node("wiring.js", "lib.activations(data.matrix, data.pixels)", data)
    assert found == np.correlate(pixels, kernel, "valid").tolist()
