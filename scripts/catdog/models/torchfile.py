"""Read the weights of a PyTorch file of the years before 2020 without PyTorch.

Such a file is a row of pickles, then the numbers. A pickle may run any code; this reader lets it
name only an ordered dictionary, storages of numbers and the rebuilding of a tensor from one, so a
file can do no more than describe arrays.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np

from catdog import CatDogError

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8", "HalfStorage": "<f2"}


class _Tensor:
    """Where a tensor's numbers lie: storage key, offset, shape and strides, counted in numbers."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.key, self.offset, self.shape, self.strides = storage[0], offset, shape, strides


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream):
        super().__init__(stream)
        self.storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, pid):
        kind, dtype, key, _, size, *_ = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"{kind} is not allowed")
        self.storages[key] = dtype, size
        return (key,)


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of a state dictionary by name.

    Raises:
        CatDogError: the file is of another format, is broken, or asks for more than arrays.
    """
    with open(path, "rb") as stream:
        try:
            if _Unpickler(stream).load() != _MAGIC:
                raise pickle.UnpicklingError("not a PyTorch file of this format")
            for _ in range(2):  # protocol version, machine
                _Unpickler(stream).load()
            unpickler = _Unpickler(stream)
            tensors = unpickler.load()
            storages = {}
            for key in _Unpickler(stream).load():
                dtype, size = unpickler.storages[key]
                if int.from_bytes(stream.read(8), "little") != size:
                    raise pickle.UnpicklingError("a storage has another size than announced")
                storages[key] = np.frombuffer(stream.read(size * int(dtype[2])), dtype, size)
            return {name: _array(tensor, storages[tensor.key]) for name, tensor in tensors.items()}
        except Exception as error:
            raise CatDogError(f"{path} cannot be read as PyTorch weights: {error}.") from None


def _array(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    steps = [stride * storage.itemsize for stride in tensor.strides]
    last = tensor.offset + sum(
        (n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True)
    )
    if min((tensor.offset, *tensor.strides), default=0) < 0 or last >= max(len(storage), 1):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, steps)
    return view.copy()
