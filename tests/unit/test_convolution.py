"""The implementations of chapter 4, taken from its cells, agree on random pictures and kernels."""

import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catdog.core import paths


@pytest.fixture(scope="module")
def chapter():
    """The functions of the cells tagged "implementation"."""
    import cv2
    import keras
    from numpy.lib.stride_tricks import sliding_window_view
    from scipy.signal import convolve2d

    scope = dict(np=np, cv2=cv2, keras=keras, convolve2d=convolve2d)
    scope |= dict(
        sliding_window_view=sliding_window_view, small=np.zeros((5, 6)), edge=np.ones((3, 3))
    )
    for cell in nbformat.read(paths.ROOT / "notebooks" / "04_convolution_by_hand.ipynb", 4).cells:
        if "implementation" in cell.metadata.get("tags", []):
            exec(cell.source, scope)
    return scope


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.integers(1, 4),
    filters=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_all_ways_agree(chapter, size, kernel, channels, filters, stride, padding, seed):
    rng = np.random.default_rng(seed)
    size = [max(n, k - 2 * padding) for n, k in zip(size, kernel, strict=True)]
    image = rng.normal(size=(*size, channels)).astype(np.float32)
    image = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    weights = rng.normal(size=(*kernel, channels, filters)).astype(np.float32)
    wanted = chapter["convolve_loops"](image.astype(float), weights.astype(float), stride)
    shape = [(n + 2 * padding - k) // stride + 1 for n, k in zip(size, kernel, strict=True)]
    assert wanted.shape == (*shape, filters)
    for name in ("windows", "scipy", "opencv", "keras"):
        found = chapter[f"convolve_{name}"](image, weights, stride)
        assert found.shape == wanted.shape, name
        assert np.allclose(found, wanted, atol=1e-4), name
