"""Several devices at one training: choose them, share each batch among them, count each photo once.

Every device holds the whole network and computes the gradient of its share of a batch; the mean of
the gradients, the same on all of them, makes the step. Keras does it: with
`keras.distribution.DataParallel` on JAX, through `tf.distribute.MirroredStrategy` on TensorFlow.
"""

from __future__ import annotations

import contextlib
import os

import keras
import tensorflow as tf
from keras import ops

from catdog import CatDogError
from catdog.core import resources


def available(kind: str | None = None) -> list[str]:
    """Return the devices that Keras can train on, such as "gpu:0": GPUs, or without any the CPU.

    Args:
        kind: "cpu" or "gpu", to see those alone.
    """
    try:
        return keras.distribution.list_devices(kind)
    except RuntimeError:  # JAX's way to say that there is none of this kind
        return []


def gpus() -> list[str]:
    """Return the names of the GPU models that the backend sees, such as "NVIDIA A10G"."""
    if keras.backend.backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    found = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details
    return [details(gpu).get("device_name", gpu.name) for gpu in found]


def capability() -> float | None:
    """Return the compute capability of the oldest GPU, such as 7.5; None where that is not known.

    It says what the GPU can do in hardware: float16 from 7.0, bfloat16 from 8.0.
    """
    if keras.backend.backend() == "jax":
        import jax

        found = [getattr(device, "compute_capability", None) for device in jax.devices()]
    else:
        details = tf.config.experimental.get_device_details
        pairs = [
            details(gpu).get("compute_capability") for gpu in tf.config.list_physical_devices("GPU")
        ]
        found = [pair and ".".join(map(str, pair)) for pair in pairs]
    return min((float(one) for one in found if one), default=None)


def half_precision() -> str | None:
    """Return the 16-bit type that the machine computes in natively; None where it has none.

    That is bfloat16 on a processor with AVX512_BF16, or a GPU from compute capability 8.0 on (A100,
    A10G, L4); float16 on those from 7.0 on (V100, T4). Elsewhere either would be emulated, which
    is many times slower than float32.
    """
    if gpus():
        able = capability() or 0
        return "bfloat16" if able >= 8 else "float16" if able >= 7 else None
    return "bfloat16" if resources.native_bfloat16() else None


def use_logical_devices(n: int) -> None:
    """Split the processor into n logical devices, "cpu:0" and so on, to try things out.

    They share its cores: nothing becomes faster. Call it before anything was computed.

    Raises:
        CatDogError: the backend has already begun to compute with another number.
    """
    try:
        if keras.backend.backend() == "jax":
            import jax

            jax.config.update("jax_num_cpu_devices", n)
        (processor,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration()] * n
        tf.config.set_logical_device_configuration(processor, logical)
    except RuntimeError:
        pass
    if len(available("cpu")) != n:
        raise CatDogError(f"too late for {n} logical devices: restart Python and begin with this.")


def choose(wanted: int | str | list[str] | None, batch_size: int) -> list[str]:
    """Return the names of the devices to train on; none for the backend's usual single one.

    Args:
        wanted: how many, or "all", or their names. None is the same as 1.

    Raises:
        CatDogError: there are not so many, or a batch cannot be shared evenly among them.
    """
    if wanted is None or wanted == 1:
        return []
    have = available()
    if isinstance(wanted, list | tuple):
        chosen = list(wanted)
        have += [name for name in available("cpu") if name not in have]
    elif wanted == "all":
        chosen = have
    elif str(wanted).isdigit() and int(wanted) > 0:
        chosen = have[: int(wanted)]
        if len(chosen) < int(wanted):
            raise CatDogError(f"{wanted} devices are wanted, but there are: {', '.join(have)}.")
    else:
        raise CatDogError(f"devices is {wanted!r}, but must be a number or 'all'.")
    if unknown := [name for name in chosen if name not in have]:
        raise CatDogError(f"no device is called {unknown[0]!r}. There are: {', '.join(have)}.")
    if len(chosen) < 2:
        return []
    if keras.backend.backend() not in ("tensorflow", "jax"):
        raise CatDogError("several devices need the backend tensorflow or jax (KERAS_BACKEND).")
    if batch_size % len(chosen):
        raise CatDogError(
            f"a batch of {batch_size} cannot be shared evenly by {len(chosen)} devices: take a "
            f"batch size that is a multiple of {len(chosen)}."
        )
    return chosen


@contextlib.contextmanager
def strategy_scope(chosen: list[str]):
    """Within this context, networks are built on, and trained by, all of the chosen devices."""
    if not chosen:
        yield
    elif keras.backend.backend() == "jax":
        with keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False).scope():
            yield
    else:
        on_cpu = chosen[0].startswith("cpu")  # where its default refuses a second number of devices
        add_up = tf.distribute.ReductionToOneDevice() if on_cpu else None
        with tf.distribute.MirroredStrategy(chosen, add_up).scope():
            yield


def pad_batches(batches: tf.data.Dataset, n: int) -> tf.data.Dataset:
    """Fill each batch (x, y) up to a multiple of n, and add weights: (x, y, weights (b,)).

    What is filled in are copies of its first photos, with weight 0. The others weigh so much more
    that the mean over the filled batch is that over its photos, and so is its gradient.
    """

    def fill(x, y):
        real = tf.shape(y)[0]
        filled = -(-real // n) * n
        at = tf.range(filled)
        weight = tf.cast(filled, tf.float32) / tf.cast(real, tf.float32)
        weights = tf.where(at < real, weight, 0.0)
        return tf.gather(x, at % real), tf.gather(y, at % real), weights

    return batches.map(fill, num_parallel_calls=os.cpu_count(), deterministic=True).prefetch(2)


@keras.saving.register_keras_serializable("catdog")
class MaskedMean(keras.metrics.MeanMetricWrapper):
    """The mean of a measure over the photos of an epoch, with those filled in left out."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take in a batch: photos of weight 0 count nothing, all others count 1."""
        return super().update_state(y_true, y_pred, ops.cast(sample_weight > 0, self.dtype))
