"""The networks of the notebooks, as functions that build them."""

from __future__ import annotations

from functools import partial

import keras
from keras import layers


def article_cnn(
    size: int = 150, zero_centered: bool = False, dropout: tuple[float, float] = (0.25, 0.5)
) -> keras.Model:
    """Build the article's network: 1,355,938 parameters at 150×150×3.

    Three convolutions with max pooling, then two dense layers. It takes photos (n, size, size, 3)
    with values from 0 to 255 and gives the probabilities (n, 2) of cat and dog, in float32.

    Args:
        zero_centered: map the pixels to [-1, 1] instead of the article's [0, 1].
        dropout: which part of the last feature maps, and of the 64 activations, is switched off in
            training; 0 for no such layer.
    """
    early, late = dropout
    scale = layers.Rescaling(1 / 127.5, offset=-1) if zero_centered else layers.Rescaling(1 / 255)
    return keras.Sequential(
        [
            keras.Input((size, size, 3), name="photo"),
            scale,
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            *([layers.Dropout(early)] if early else []),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            *([layers.Dropout(late)] if late else []),
            layers.Dense(2),
            layers.Activation("softmax", dtype="float32", name="probabilities"),
        ],
        name="article_cnn",
    )


@keras.saving.register_keras_serializable("catdog")
class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalization (Ioffe & Szegedy 2015, arXiv 1502.03167) as one operation.

    Keras computes it from a dozen, each of which reads the whole batch from memory, in float32
    even where the network computes in bfloat16. TensorFlow has one for a batch of maps
    (n, h, w, channels); with any other backend this is Keras's own layer.
    """

    def call(self, inputs, training=None, mask=None):
        if keras.backend.backend() != "tensorflow" or len(inputs.shape) != 4 or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        def normalize(mean=None, variance=None):
            gain, shift = tf.cast(self.gamma, "float32"), tf.cast(self.beta, "float32")
            both = {"mean": mean, "variance": variance, "epsilon": self.epsilon}
            return tf.compat.v1.nn.fused_batch_norm(
                inputs, gain, shift, is_training=mean is None, **both
            )

        if not training or not self.trainable:
            return normalize(
                tf.cast(self.moving_mean, "float32"), tf.cast(self.moving_variance, "float32")
            )[0]
        out, mean, variance = normalize()
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return out


def _excited(x, reduction: int):
    width = x.shape[-1]
    means = layers.GlobalAveragePooling2D(keepdims=True)(x)
    few = layers.Conv2D(width // reduction, 1, activation="relu")(means)
    return layers.Multiply()([x, layers.Conv2D(width, 1, activation="sigmoid")(few)])


def residual_cnn(
    size: int | None = None,
    widths: tuple[int, ...] = (32, 64, 64, 128),
    blocks: tuple[int, ...] = (0, 1, 0),
    reduction: int = 0,
    drop_path: float = 0.0,
    fused: bool = True,
    name: str = "residual_cnn",
) -> keras.Model:
    """Build a small residual network that takes photos of any size (He et al. 2015, 1512.03385).

    A first convolution of stride 2, then for each further width a convolution with max pooling
    and pairs of convolutions around which the maps are added, as many as `blocks` has for it.
    Pooling comes before the normalization, which so has a quarter to do. Every map's mean goes to
    one dense layer.

    It takes photos (n, h, w, 3) with values from 0 to 255, h and w at least 2^len(widths), and
    gives the probabilities (n, 2) of cat and dog, in float32.

    Args:
        reduction: multiply the maps of each pair with a number in [0, 1] that two small layers make
            of the means of all, the first with 1/reduction as many outputs (squeeze-and-excitation,
            Hu et al. 2017, arXiv 1709.01507, section 3). 0 for none.
        drop_path: leave the last pair out with this probability in training, those before it with
            proportionally less (stochastic depth, Huang et al. 2016, arXiv 1603.09382, section 3).
        fused: normalize with `FusedBatchNormalization`, the faster one in training; else with
            Keras's own layer, which has the same weights and which any Keras can load.
    """
    normalization = FusedBatchNormalization if fused else layers.BatchNormalization

    def convolution(x, width, kernel=3, stride=1, pool=False):
        how = {"use_bias": False, "kernel_initializer": "he_normal"}
        x = layers.Conv2D(width, kernel, stride, padding="same", **how)(x)
        x = layers.MaxPooling2D()(x) if pool else x
        x = normalization(momentum=0.9, epsilon=1e-5)(x)
        return layers.ReLU()(x)

    def pair(x, width, rate):
        x = convolution(convolution(x, width), width)
        if reduction:
            x = _excited(x, reduction)
        # one draw a photo; those kept are scaled up, so that nothing is left to do afterwards
        return layers.Dropout(rate, noise_shape=(None, 1, 1, 1))(x) if rate else x

    photo = keras.Input((size, size, 3), name="photo")
    x = layers.Rescaling(1 / 64, offset=-2)(photo)
    x = convolution(x, widths[0], kernel=4, stride=2)
    pairs = 0
    for width, n in zip(widths[1:], blocks, strict=True):
        x = convolution(x, width, pool=True)
        for _ in range(n):
            pairs += 1
            x = layers.Add()([x, pair(x, width, drop_path * pairs / sum(blocks))])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(2)(x)
    x = layers.Activation("softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(photo, x, name=name)


def article_head(features: int) -> keras.Model:
    """Build the article's head: features (n, features) to probabilities of dog (n, 1)."""
    return keras.Sequential(
        [
            keras.Input((features,), name="features"),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid", name="dog"),
        ],
        name="article_head",
    )


NETWORKS = {
    "article_cnn": article_cnn,
    "residual_cnn": residual_cnn,
    "wide_residual_cnn": partial(
        residual_cnn, widths=(32, 64, 128, 256), blocks=(0, 1, 1), name="wide_residual_cnn"
    ),
    "deep_residual_cnn": partial(
        residual_cnn, widths=(32, 64, 128, 256), blocks=(0, 2, 2), name="deep_residual_cnn"
    ),
    "se_residual_cnn": partial(
        residual_cnn,
        widths=(32, 64, 128, 256, 256),
        blocks=(0, 2, 2, 1),
        reduction=8,
        drop_path=0.1,
        name="se_residual_cnn",
    ),
}
