"""The encoder of tabular features."""

import pytest
import torch

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks.encoders.tabular import MLP


def table(features):
    return Modality(name="table", kind="tabular", shape=(features,))


def test_mimics_five_features_as_in_the_paper():
    """Linear(5, 10), ReLU, Linear(10, 10)."""
    encoder = MLP(table(5), 512).double()
    first, _, second = encoder.net
    assert (first.in_features, first.out_features, second.out_features) == (5, 10, 10)
    x = torch.randn(4, 5, dtype=torch.float64)
    expected = (x @ first.weight.T + first.bias).clamp_min(0) @ second.weight.T + second.bias
    assert torch.allclose(encoder(x), expected)


@pytest.mark.parametrize(("features", "output"), [(1, 10), (10, 10), (20, 20), (32, 32), (300, 32)])
def test_output_follows_the_features_within_bounds(features, output):
    assert MLP(table(features), 128)(torch.randn(3, features)).shape == (3, output)


def test_options():
    encoder = MLP(table(5), 128, hidden=3, output=2)
    assert encoder(torch.randn(1, 5)).shape == (1, 2)
    assert encoder.net[0].out_features == 3


@pytest.mark.parametrize(("kind", "shape"), [("image", (3, 8, 8)), ("sequence", (6, 4)), ("timeseries", (6, 4))])
def test_wrong_kind(kind, shape):
    with pytest.raises(InputError, match=f"encodes tabular features; 'm' is of kind {kind}"):
        MLP(Modality(name="m", kind=kind, shape=shape), 8)
