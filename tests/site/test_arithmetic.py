"""The arithmetic of the live figures with a network in them, in Node, against Keras and NumPy."""

import json
import shutil
import subprocess
from pathlib import Path

import assets
import numpy as np
import pytest
import skimage.data

from catdog.core import paths
from catdog.data import imaging
from catdog.evaluation import ood

LIB = paths.ROOT / "scripts/site/live/lib"


def node(code: str, folder: Path) -> dict:
    """Run JavaScript in a folder, with the figures' arithmetic at hand; return what it prints."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    head = """
        import { readFileSync } from "node:fs";
        const bytes = (name) => new Uint8Array(readFileSync(name)).buffer;
        const floats = (name) => new Float32Array(bytes(name));
        const say = (found) => process.stdout.write(JSON.stringify(found));
    """
    for name in ("network", "known", "training"):
        head += f'import * as {name} from "{(LIB / name).as_uri()}.js";\n'
    command = ["node", "--input-type=module", "-e", head + code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    assets.network(folder)
    return folder


OPEN = """
    const net = network.open(JSON.parse(readFileSync("network.json")), bytes("network.bin"));
    const found = network.run(net, new Uint8Array(bytes("photo.rgb")));
"""


def photos():
    noise = np.random.default_rng(1).integers(0, 256, (150, 150, 3), np.uint8)
    return [imaging.resize(skimage.data.chelsea(), 150), noise]


@pytest.mark.parametrize("photo", photos(), ids=["cat", "noise"])
def test_network_equals_keras_in_every_layer(network, photo):
    import keras

    photo.tofile(network / "photo.rgb")
    found = node(OPEN + "say(found.map(({ values }) => [...values]))", network)
    model = keras.models.load_model(paths.MODELS / "cat_dog_cnn.keras")
    acting = [x for x in model.layers if type(x).__name__ not in ("Dropout", "Flatten")]
    wanted = keras.Model(model.inputs[0], [layer.output for layer in acting])(photo[None] * 1.0)
    assert len(found) == len(acting) + 1
    for layer, mine, theirs in zip(acting, found[1:], wanted, strict=True):
        theirs = np.asarray(theirs).ravel()
        assert theirs.std() > 0, layer.name
        np.testing.assert_allclose(mine, theirs, atol=1e-3, err_msg=layer.name)


def test_each_number_is_explained_by_those_before_it(network):
    photos()[0].tofile(network / "photo.rgb")
    wrong = node(
        OPEN
        + """
        const wrong = [];
        let seed = 1;
        const draw = (n) => (seed = (seed * 48271) % 2147483647) % n;
        for (let index = 1; index < found.length; index++)
          for (let i = 0; i < 40; i++) {
            const { shape, values } = found[index];
            const place = i ? shape.map(draw) : shape.map((n) => n - 1);
            const made = network.explain(net, found, index, place);
            const terms = made.groups.flatMap((group) => group.terms);
            const products = terms.reduce((sum, { product }) => sum + product, made.bias);
            const powers = terms.map(({ value }) => Math.exp(value));
            const value =
              made.kind === "MaxPooling2D" ? Math.max(...terms.map((term) => term.value))
              : made.kind === "Activation" ? powers[place[2]] / (powers[0] + powers[1])
              : made.relu ? Math.max(0, products) : products;
            const at = (place[0] * shape[1] + place[1]) * shape[2] + place[2];
            if (!(Math.abs(value - values[at]) < 1e-5)) wrong.push([index, place, value]);
            for (const { from, value } of terms) {
              const before = found[index - 1];
              const [y, x, channel] = from ?? [];
              const there = (y * before.shape[1] + x) * before.shape[2] + channel;
              if ((from ? before.values[there] : 0) !== value) wrong.push([index, place, from]);
            }
          }
        say(wrong);
        """,
        network,
    )
    assert wrong == []


def test_number_sees_what_changes_it(network):
    """A pixel changed inside of the area changes a number, one outside does not."""
    np.full((150, 150, 3), 90, np.uint8).tofile(network / "photo.rgb")
    found = node(
        OPEN
        + """
        const place = [20, 30];
        const [top, left, bottom, right] = network.seen(net, 4, place);
        const changes = [[top, left], [bottom, right], [top - 1, left], [bottom, right + 1]];
        const pixels = new Uint8Array(bytes("photo.rgb"));
        say(changes.map(([y, x]) => {
          const other = pixels.slice();
          other.set([255, 0, 255], (y * 150 + x) * 3);
          const layer = network.run(net, other)[4];
          const from = (place[0] * layer.shape[1] + place[1]) * 32;
          const differs = (i) => layer.values[from + i] !== found[4].values[from + i];
          return Array.from({ length: 32 }, (_, i) => i).some(differs);
        }));
        """,
        network,
    )
    assert found == [True, True, False, False]


def test_known_photos_are_as_far_as_in_python(tmp_path):
    model = paths.MODELS / "cat_dog_efficientnet.onnx"
    with np.load(ood.detector_path(model)) as kept:
        photos, values = kept["bank"].shape
        known = kept["bank"].tobytes() + kept["scale"].astype("<f4").tobytes()
        detector = ood.OODDetector(ood._whole(kept["bank"], kept["scale"]), 0.0)
    (tmp_path / "known.bin").write_bytes(known)
    features = np.random.default_rng(1).gamma(0.3, 1, (5, values)).astype("<f4")
    features.tofile(tmp_path / "features.bin")
    code = f"""
        const bank = known.open(bytes("known.bin"), {photos});
        const all = floats("features.bin");
        const rows = [0, 1, 2, 3, 4].map((i) => all.slice(i * {values}, (i + 1) * {values}));
        say(rows.map((row) => known.distance(bank, row)));
    """
    np.testing.assert_allclose(node(code, tmp_path), detector.distance(features), atol=1e-5)


def test_gradient_of_training_is_that_of_finite_differences(tmp_path):
    found = node(
        """
        const draw = training.random(3);
        const net = training.create({ side: 8, filters: 3, second: 4, Type: Float64Array });
        const pixels = () => Float64Array.from({ length: 8 * 8 * 3 }, () => 2 * draw() - 1);
        const pictures = [pixels(), pixels(), pixels()];
        const labels = [0, 1, 1];
        for (const values of Object.values(net.weights)) values.forEach((_, i) => {
          values[i] += 0.1 * (draw() - 0.5);
        });
        training.differentiate(net, pictures, labels);
        const pairs = [];
        for (const [name, values] of Object.entries(net.weights))
          values.forEach((value, i) => {
            const loss = (change) => {
              values[i] = value + change;
              return training.evaluate(net, pictures, labels).loss;
            };
            pairs.push([net.gradient[name][i], (loss(1e-6) - loss(-1e-6)) / 2e-6]);
            values[i] = value;
          });
        say(pairs);
        """,
        tmp_path,
    )
    gradient, differences = np.transpose(found)
    assert len(gradient) == 5 * 5 * 3 * 3 + 3 + 3 * 3 * 3 * 4 + 4 + 16 * 2 + 2
    assert (gradient != 0).mean() > 0.9
    np.testing.assert_allclose(gradient, differences, atol=1e-7)


def test_steps_of_training_equal_keras(tmp_path):
    import keras
    from keras import layers

    rng = np.random.default_rng(1)
    pictures = rng.uniform(-1, 1, (6, 32, 32, 3)).astype("float32")
    labels = np.array([0, 1, 1, 0, 1, 0])
    pictures.tofile(tmp_path / "pictures.bin")
    before, after, losses = node(
        f"""
        const all = floats("pictures.bin");
        const pictures = [0, 1, 2, 3, 4, 5].map((i) => all.slice(i * 3072, (i + 1) * 3072));
        const net = training.create({{ filters: 8 }});
        const weights = () => Object.entries(net.weights).map(([name, values]) =>
          [name, net.shapes[name], [...values]]);
        const before = weights();
        const losses = [1, 2, 3].map(() => {{
          const loss = training.differentiate(net, pictures, {labels.tolist()});
          training.step(net, 0.05);
          return loss;
        }});
        say([before, weights(), losses]);
        """,
        tmp_path,
    )
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(8, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.set_weights([np.reshape(values, shape) for _, shape, values in before])
    sgd = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(sgd, "sparse_categorical_crossentropy")
    for loss in losses:
        assert model.train_on_batch(pictures, labels) == pytest.approx(loss, abs=1e-4)
    for (name, shape, values), wanted in zip(after, model.get_weights(), strict=True):
        np.testing.assert_allclose(np.reshape(values, shape), wanted, atol=1e-4, err_msg=name)
    moved = [np.abs(np.subtract(a[2], b[2])).max() for a, b in zip(after, before, strict=True)]
    assert min(moved) > 5e-3
