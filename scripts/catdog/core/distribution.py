"""Several devices at one training: choose them, share each batch among them, count each photo once.

Every device holds the whole network and computes the gradient of its share of a batch; the mean of
the gradients, the same on all of them, makes the step. Keras does it: with
`keras.distribution.DataParallel` on JAX, through `tf.distribute.MirroredStrategy` on TensorFlow.
On JAX the devices may be those of several processes (see `processes`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from catdog import CatDogError
from catdog.core import processes, resources


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
    import tensorflow as tf

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
        import tensorflow as tf

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
        else:
            import tensorflow as tf

            (processor,) = tf.config.list_physical_devices("CPU")
            logical = [tf.config.LogicalDeviceConfiguration()] * n
            tf.config.set_logical_device_configuration(processor, logical)
    except RuntimeError:
        pass
    if len(available("cpu")) != n:
        raise CatDogError(f"too late for {n} logical devices: restart Python and begin with this.")


def choose(wanted: int | str | list[str] | None, batch_size: int) -> list[str]:
    """Return the names of the devices to train on; none for the backend's usual single one.

    With several processes they are all that these see.

    Args:
        wanted: how many, or "all", or their names. None is the same as 1.

    Raises:
        CatDogError: there are not so many, or a batch cannot be shared evenly among them.
    """
    if processes.count() > 1:
        wanted = "all"
    if wanted is None or wanted == 1:
        return []
    have = available()
    if isinstance(wanted, list | tuple):
        chosen = list(wanted)
        have += [name for name in available("cpu") if name not in have]
    elif wanted == "all":
        chosen = have
        _must_be_even(have)
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
        import tensorflow as tf

        on_cpu = chosen[0].startswith("cpu")  # where its default refuses a second number of devices
        add_up = tf.distribute.ReductionToOneDevice() if on_cpu else None
        with tf.distribute.MirroredStrategy(chosen, add_up).scope():
            yield


@contextlib.contextmanager
def alone():
    """Within this context of a strategy's scope, what Keras makes is of this process alone."""
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


@dataclass(frozen=True)
class Share:
    """What one process makes of each batch."""

    devices: int  # of the whole training
    processes: int = 1
    process: int = 0

    def rows(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which photos of a batch of n this process makes, (m,), and their weights (m,).

        A batch is filled up to a multiple of the devices with copies of its first photos, of weight
        0. The others weigh so much more that the mean over the filled batch is that over its
        photos, and so is its gradient.
        """
        filled = -(-n // self.devices) * self.devices
        each = filled // self.processes
        at = np.arange(self.process * each, (self.process + 1) * each)
        return at % n, np.where(at < n, filled / n, 0).astype(np.float32)


def share(chosen: list[str]) -> Share | None:
    """Return what this process makes of a batch for these devices; None for one device."""
    return Share(len(chosen), processes.count(), processes.number()) if chosen else None


def _must_be_even(devices: list[str]) -> None:
    if processes.count() == 1:
        return
    import jax

    if jax.local_device_count() * processes.count() != len(devices):
        raise CatDogError(
            f"process {processes.number()} has {jax.local_device_count()} of {len(devices)} "
            "devices: take machines with the same number of GPUs."
        )


@keras.saving.register_keras_serializable("catdog")
class MaskedMean(keras.metrics.MeanMetricWrapper):
    """The mean of a measure over the photos of an epoch, with those filled in left out."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take in a batch: photos of weight 0 count nothing, all others count 1."""
        return super().update_state(y_true, y_pred, ops.cast(sample_weight > 0, self.dtype))
