"""Dropout from cheap bits: shares, scale and gradient against the definition."""

import pytest
import torch

from coral_plugin.networks.dropout import dropout, kept

DROPPED = 0.1
SCALE = 1 / (1 - DROPPED)
COUNT = 800_000


def within(share, expected, count, sigmas=5):
    return abs(share - expected) <= sigmas * (expected * (1 - expected) / count) ** 0.5


def test_share_scale_and_expectation():
    torch.manual_seed(0)
    out = dropout(torch.ones(COUNT, dtype=torch.float64), 0.1, training=True)
    assert set(out.unique().tolist()) == {0.0, SCALE}
    assert within((out == 0).double().mean().item(), DROPPED, COUNT)
    assert out.mean().item() == pytest.approx(1, abs=5 * SCALE * (DROPPED * (1 - DROPPED) / COUNT) ** 0.5)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_each_part_of_a_word_is_uniform_and_neighbours_are_independent(p):
    torch.manual_seed(1)
    zero = (dropout(torch.ones(COUNT), p, training=True) == 0).double().view(-1, 8)
    assert all(within(lane, p, len(zero)) for lane in zero.mean(0).tolist())
    assert all(within(both, p**2, len(zero)) for both in (zero[:, :-1] * zero[:, 1:]).mean(0).tolist())


@pytest.mark.parametrize("p", [0.1, 0.2, 0.001, 1 / 3, 0.9])
def test_the_probability_is_the_one_asked_for_and_no_multiple_of_a_256th(p):
    """Over 32 million elements 0.1 is 29 deviations from 26 / 256."""
    torch.manual_seed(2)
    ones, calls = torch.ones(1_000_000), 32
    dropped = sum(int((dropout(ones, p, training=True) == 0).sum()) for _ in range(calls))
    assert within(dropped / (calls * len(ones)), p, calls * len(ones))


@pytest.mark.parametrize("p", [0.1, 0.3, 1e-3, 0.37])
def test_what_eight_bits_cannot_say_is_made_up_by_rounding_at_random(p):
    """The threshold is one of two neighbours; its mean over many rows is p, to a hundredth of their distance."""
    torch.manual_seed(6)
    row = torch.arange(128, dtype=torch.uint8)
    with pytest.MonkeyPatch.context() as patch:
        words = row.repeat(10_000).view(torch.int64)
        patch.setattr(torch.Tensor, "random_", lambda self, *_, **_options: self.copy_(words))
        counts = 128 - kept(torch.Size([10_000, 128]), p).sum(dim=1)
    whole = int(p * 256)
    assert set(counts.tolist()) <= {whole, whole + 1}
    assert counts.double().mean().item() == pytest.approx(p * 256, abs=5 * 0.5 / 100)


def test_a_probability_near_one_keeps_what_it_should():
    torch.manual_seed(2)
    out = dropout(torch.ones(COUNT, dtype=torch.float64), 0.9999, training=True)
    assert out.max().item() == pytest.approx(10_000)
    assert within((out != 0).double().mean().item(), 1e-4, COUNT)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5, 7), (0, 4), (8, 2)])
def test_any_shape_and_the_same_mask_for_the_same_seed(shape):
    x = torch.rand(shape) + 1
    torch.manual_seed(3)
    first = dropout(x.clone(), 0.5, training=True)
    torch.manual_seed(3)
    assert first.shape == x.shape
    assert torch.equal(first, dropout(x.clone(), 0.5, training=True))


def test_two_draws_differ():
    x = torch.ones(1000)
    assert not torch.equal(dropout(x, 0.5, training=True), dropout(x, 0.5, training=True))


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.0, False), (0.7, False)])
def test_without_dropping_it_is_the_identity(p, training):
    x = torch.randn(50)
    assert torch.equal(dropout(x, p, training=training), x)


def test_dropout_leaves_its_input_alone():
    x = torch.randn(50)
    before = x.clone()
    dropout(x, 0.5, training=True)
    assert torch.equal(x, before)


def test_gradient_is_mask_times_scale():
    x = torch.randn(4000, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4000, dtype=torch.float64)
    out = dropout(x, 0.1, training=True)
    (grad,) = torch.autograd.grad((out * weight).sum(), x)
    assert torch.allclose(grad, weight * (out != 0) * SCALE, rtol=1e-14)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_against_finite_differences(training):
    def seeded(x):
        torch.manual_seed(4)
        return dropout(x * 1, 0.3, training=training).square()

    x = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(seeded, x)
