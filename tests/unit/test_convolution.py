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
    from scipy.signal import correlate2d

    scope = dict(np=np, cv2=cv2, keras=keras, correlate2d=correlate2d)
    scope |= dict(sliding_window_view=sliding_window_view, x=np.zeros((3, 4)), k=np.ones((2, 2)))
    for cell in nbformat.read(paths.ROOT / "notebooks" / "04_convolution_by_hand.ipynb", 4).cells:
        if "implementation" in cell.metadata.get("tags", []):
            exec(cell.source, scope)
    return scope


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 2**32 - 1),
)
def test_all_ways_agree(chapter, size, kernel, seed):
    rng = np.random.default_rng(seed)
    size = [max(n, k) for n, k in zip(size, kernel, strict=True)]
    image = rng.normal(size=size).astype(np.float32)
    weights = rng.normal(size=kernel).astype(np.float32)
    wanted = chapter["corr2d"](image.astype(float), weights.astype(float))
    assert wanted.shape == tuple(n - k + 1 for n, k in zip(size, kernel, strict=True))
    for name in ("numpy", "scipy", "opencv", "keras"):
        found = chapter[f"by_{name}"](image, weights)
        assert found.shape == wanted.shape, name
        assert np.allclose(found, wanted, atol=1e-4), name
