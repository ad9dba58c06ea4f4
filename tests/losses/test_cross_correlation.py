"""Barlow Twins and DeCUR's split form against loops, and against numbers of DeCUR's own loss."""

import math

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses.cross_correlation import barlow_twins, cross_correlation, decoupled

from ..objectives.conftest import conformance

A, B = conformance(math.sin, 0.7, 1, 1.3, 4), conformance(math.cos, 0.5, 2, 0.9, 4)


def test_numbers_of_the_released_loss():
    """``bt_loss_single`` and the mean of ``bt_loss_cross`` of github.com/zhu-xlab/DeCUR, 3 of 4 dimensions common."""
    assert barlow_twins(A[0], A[1]).item() == pytest.approx(7.011248988789234, abs=1e-8)
    assert barlow_twins(B[0], B[1]).item() == pytest.approx(7.604680358523637, abs=1e-8)
    assert decoupled(A[0], B[0], common=3).item() == pytest.approx(1.421781337851242, abs=1e-8)


def test_the_correlation_matches_a_loop():
    a, b = torch.randn(2, 9, 5, dtype=torch.float64)
    matrix = cross_correlation(a, b)
    for i in range(5):
        for j in range(5):
            u, v = a[:, i] - a[:, i].mean(), b[:, j] - b[:, j].mean()
            expected = (u * v).mean() / ((u.square().mean() + 1e-5) * (v.square().mean() + 1e-5)).sqrt()
            assert matrix[i, j].item() == pytest.approx(expected.item(), abs=1e-12)


def test_what_is_unique_must_not_correlate():
    a = torch.randn(64, 6, dtype=torch.float64)
    independent = torch.cat([a[:, :4], torch.randn(64, 2, dtype=torch.float64)], dim=1)
    assert decoupled(a, independent, common=4) < decoupled(a, a, common=4)
    assert decoupled(a, a, common=6).item() == pytest.approx(barlow_twins(a, a).item() / 2)


@pytest.mark.parametrize("common", [0, 7])
def test_common_dimensions_must_exist(common):
    with pytest.raises(InputError, match="from 1 to 6 common dimensions"):
        decoupled(*torch.randn(2, 8, 6), common=common)


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match="one shape"):
        barlow_twins(torch.zeros(4, 3), torch.zeros(4, 2))


def test_half_precision_is_computed_in_float32():
    """Embeddings whose variance float16 cannot hold."""
    rows = 300 * torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    half = rows.half().requires_grad_()
    loss = barlow_twins(half, half)
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, barlow_twins(half.detach().float(), half.detach().float()))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(barlow_twins(rows, rows), barlow_twins(rows.double(), rows.double()).float())
