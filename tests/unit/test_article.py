"""The article's recipe, held against what its own Keras, 2.0.8, computed.

The formulas are those of that release: `optimizers.py`, `callbacks.py`, `preprocessing/image.py`.
"""

import io
import math
from dataclasses import replace

import keras
import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy import ndimage

from catdog.data import augmentation, imaging
from catdog.models import networks
from catdog.training import loop, optimizers, recipes

ARTICLE = recipes.ARTICLE


def test_the_network_is_the_articles_layer_by_layer():
    model = ARTICLE.build()
    named = [type(layer).__name__ for layer in model.layers]
    assert named == (
        ["Rescaling"]
        + ["Conv2D", "MaxPooling2D"] * 3
        + ["Dropout", "Flatten", "Dense", "Dropout", "Dense", "Activation"]
    )
    assert [layer.rate for layer in model.layers if "Dropout" in type(layer).__name__] == [
        0.25,
        0.5,
    ]
    assert [w.shape[-1] for w in model.weights if len(w.shape) > 1] == [32, 32, 64, 64, 2]
    assert model.count_params() == 1_355_938 and model.input_shape == (None, 150, 150, 3)
    for layer in model.layers:
        if layer.weights:  # the initial weights of Keras 2.0.8, which are today's, too
            assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)
            assert isinstance(layer.bias_initializer, keras.initializers.Zeros)
    assert np.allclose(model.layers[0](255 * np.ones((1, 1, 1, 3))), 1)


def test_two_softmax_outputs_have_one_loss_whatever_it_is_called():
    """Binary cross-entropy, the article's, and categorical, ours, differ for three classes only.

    They are one function of the logits, so their gradients by these are equal, too.
    """
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, 50)
    both, y = np.stack([p, 1 - p], 1), np.eye(2)[rng.integers(0, 2, 50)]
    binary = keras.ops.convert_to_numpy(keras.losses.binary_crossentropy(y, both))
    categorical = keras.ops.convert_to_numpy(keras.losses.categorical_crossentropy(y, both))
    assert np.allclose(binary, categorical, atol=1e-6)


def test_the_rate_falls_with_every_update_and_momentum_is_kept():
    """SGD.get_updates of 2.0.8: lr / (1 + decay · iterations); v = momentum · v - lr · g; p + v."""
    assert ARTICLE.decay == pytest.approx(0.0002) and not ARTICLE.nesterov
    rng = np.random.default_rng(1)
    w, v = np.ones(3), np.zeros(3)
    optimizer = optimizers._optimizer(ARTICLE, steps_per_epoch=500)
    variable = keras.Variable(w.astype(np.float32))
    for iterations in range(40):
        gradient = rng.normal(size=3)
        rate = 0.01 * (1.0 / (1.0 + 0.0002 * iterations))
        v = 0.9 * v - rate * gradient
        w = w + v
        assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-5)
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [variable])
        assert np.allclose(keras.ops.convert_to_numpy(variable), w, atol=1e-5)
    optimizer.iterations.assign(35 * 625)
    assert float(optimizer.learning_rate) == pytest.approx(0.00186, abs=5e-6)


def stops_at(losses, patience=2):
    """EarlyStopping.on_epoch_end of 2.0.8, min_delta 0: the epoch, from 1, after which it stops."""
    best, wait = np.inf, 0
    for epoch, current in enumerate(losses, 1):
        if np.less(current, best):
            best, wait = current, 0
        else:
            if wait >= patience:
                return epoch
            wait += 1
    return len(losses)


class Scripted(keras.callbacks.Callback):
    """Let a run see these validation losses instead of its own."""

    def __init__(self, losses):
        super().__init__()
        self.losses = losses

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = self.losses[epoch]


@pytest.mark.parametrize("seed", range(6))
def test_it_stops_when_its_keras_did_and_keeps_the_last_weights(seed, tmp_path, monkeypatch):
    losses = np.random.default_rng(seed).choice([0.5, 0.4, 0.3, 0.2], 12).tolist()
    images = np.zeros((32, 24, 24, 3), np.uint8)
    labels = np.arange(32) % 2
    seen = []

    def state(*args, real=loop._State):
        made = real(*args)
        scripted, real_end = Scripted(losses), made.on_epoch_end

        def on_epoch_end(epoch, logs=None):
            scripted.on_epoch_end(epoch, logs)
            real_end(epoch, logs)
            seen.append([np.array(w) for w in made.model.get_weights()])

        made.on_epoch_end = on_epoch_end
        return made

    monkeypatch.setattr(loop, "_State", state)
    recipe = replace(ARTICLE, epochs=12)
    model, log = loop.train(
        lambda: networks.article_cnn(24), recipe, (images, labels), (images, labels), tmp_path, 1,
        progress=False,
    )  # fmt: skip
    assert len(log["seconds"]) == stops_at(losses)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), seen[-1], strict=True))


def of_keras_2_0_8(pixels, shear, zx, zy, flip):
    """ImageDataGenerator.random_transform on pixels (h, w, 3): matrices act on (row, column)."""
    h, w = pixels.shape[:2]
    matrix = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    matrix = matrix @ np.diag([zx, zy, 1])
    o_x, o_y = h / 2 + 0.5, w / 2 + 0.5
    there = np.array([[1, 0, o_x], [0, 1, o_y], [0, 0, 1]])
    back = np.array([[1, 0, -o_x], [0, 1, -o_y], [0, 0, 1]])
    matrix = there @ matrix @ back
    channels = [
        ndimage.affine_transform(
            pixels[..., c], matrix[:2, :2], matrix[:2, 2], order=0, mode="nearest"
        )
        for c in range(3)
    ]
    out = np.stack(channels, -1)
    return out[:, ::-1] if flip else out


def test_photos_are_changed_as_its_keras_changed_them():
    photo = imaging.resize(skimage.data.chelsea(), 150)
    n = 40
    matrices = augmentation.transforms(
        n, 150, 150, augmentation.ARTICLE, np.random.default_rng((3, 1))
    )
    ours = augmentation.augment(np.stack([photo] * n), augmentation.ARTICLE, (3, 1))
    largest = 0.0
    for matrix, found in zip(matrices, ours, strict=True):
        (a, _), (b, zx) = matrix[:, :2]
        zy, shear = math.hypot(a, b), math.atan2(-b * np.sign(a), abs(a))
        largest = max(largest, abs(shear))
        wanted = of_keras_2_0_8(photo, shear, zx, zy, flip=a < 0)
        differ = (wanted != found).any(-1).mean()  # OpenCV counts in 1,024ths of a pixel
        assert differ < 0.01, (shear, zx, zy, a < 0, differ)
        moved = np.roll(wanted, 1, axis=1)
        assert (moved != found).any(-1).mean() > 0.3  # a pixel to the side would be seen
    assert 0.15 < largest <= 0.2  # radians: 11.5 degrees
    assert {bool(m[0, 0] < 0) for m in matrices} == {True, False}


@pytest.mark.parametrize("shape", [(200, 200), (375, 499), (90, 120), (150, 150), (151, 300)])
def test_photos_are_resized_as_pillow_did_by_default_in_2017(shape):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (*shape, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    wanted = Image.open(io.BytesIO(out.getvalue())).resize((150, 150), Image.Resampling.NEAREST)
    found = imaging.decode(out.getvalue(), 150, nearest=True)
    assert np.array_equal(found, np.asarray(wanted))


def test_the_rest_of_the_recipe():
    assert (ARTICLE.epochs, ARTICLE.batch_size, ARTICLE.learning_rate) == (50, 32, 0.01)
    assert (ARTICLE.momentum, ARTICLE.patience, ARTICLE.keep) == (0.9, 2, "last")
    assert (ARTICLE.precision, ARTICLE.decode_size, ARTICLE.nearest) == ("float32", 150, True)
    assert not (
        ARTICLE.weight_decay or ARTICLE.label_smoothing or ARTICLE.ema or ARTICLE.zero_centered
    )
