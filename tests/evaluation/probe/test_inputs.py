"""Standardised features: in blocks what they are in one piece, to the last bit."""

import numpy as np
import pytest

from coral_plugin.evaluation.probe.inputs import scaled, scaling_of


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(700, 3), (60, 1500)])
def test_blocks_are_the_whole(n, d, dtype):
    """More columns, and more values, than one block holds."""
    x = (np.random.default_rng(0).normal(size=(n, d)) * np.arange(1, d + 1) + 40).astype(dtype)
    x[:, 1] = 0.5  # constant
    mean, scale = scaling_of(x)
    np.testing.assert_array_equal(mean, x.mean(axis=0, dtype=np.float64))
    np.testing.assert_array_equal(np.delete(scale, 1), np.delete(x.std(axis=0, dtype=np.float64), 1))
    assert scale[1] == np.inf
    x[5, 2] = 1e30
    whole = ((x - mean) / scale).clip(-1e6, 1e6).astype(dtype)
    np.testing.assert_array_equal(scaled(x, (mean, scale)), whole)
    assert (whole[5, 2], scaled(x, None) is x) == (1e6, True)
