"""The feed-forward that keeps its hidden layer in cache, against the operations one after the other."""

import pytest
import torch
from torch import nn

from coral_plugin.errors import InputError
from coral_plugin.networks import feedforward
from coral_plugin.networks.feedforward import feed_forward

from .sizes import largest_and_kept


@pytest.fixture
def layers():
    torch.manual_seed(0)
    return nn.Linear(5, 48).double(), nn.Linear(48, 5).double()


def results(layers, x, **options):
    x = x.clone().requires_grad_()
    parameters = [p for layer in layers for p in layer.parameters()]
    out = feed_forward(x, *layers, **options)
    weight = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view_as(out)
    return [out.detach(), *torch.autograd.grad((out * weight).sum(), [x, *parameters])]


@pytest.mark.parametrize("rows", [1, 7, 8, 30])
def test_equals_the_plain_path_with_every_gradient(layers, rows, monkeypatch):
    monkeypatch.setattr(feedforward, "_CACHED", 8 * 48)
    x = torch.randn(rows, 5, dtype=torch.float64)
    fused, plain = (results(layers, x, fused=fused) for fused in (True, False))
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-13) for a, b in zip(fused, plain, strict=True))


def test_gradient_with_dropout_against_finite_differences(layers, monkeypatch):
    monkeypatch.setattr(feedforward, "_CACHED", 4 * 48)

    def seeded(x, *weights):
        del weights  # those of the layers, which gradcheck moves in place
        torch.manual_seed(1)
        return feed_forward(x, *layers, 0.3)

    x = torch.randn(9, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(seeded, (x, *(p for layer in layers for p in layer.parameters())))


def test_every_piece_has_a_mask_of_its_own(monkeypatch):
    monkeypatch.setattr(feedforward, "_CACHED", 8 * 64)
    torch.manual_seed(3)
    first, second = nn.Linear(3, 64), nn.Linear(64, 3)
    out = feed_forward(torch.randn(1, 3).expand(16, 3), first, second, 0.5)
    assert not torch.equal(out[:8], out[8:])


def test_expectation_with_dropout_is_the_output_without():
    torch.manual_seed(2)
    first, second = nn.Linear(3, 64), nn.Linear(64, 3)
    x = torch.randn(1, 3)
    with torch.no_grad():
        many = feed_forward(x.expand(40_000, 3), first, second, 0.25)
        error = many.std(0) / len(many) ** 0.5
        assert ((many.mean(0) - feed_forward(x, first, second)[0]).abs() < 5 * error).all()


def test_nothing_as_long_as_the_steps_is_as_wide_as_the_hidden_layer(monkeypatch):
    monkeypatch.setattr(feedforward, "_CACHED", 2**12)
    first, second = nn.Linear(4, 64), nn.Linear(64, 4)
    largest, kept = largest_and_kept(lambda: feed_forward(torch.randn(1000, 4), first, second))
    assert largest <= 1000 * 5
    assert kept <= 4 * (1000 * 4 + 2 * 64 * 4 + 64 + 4)  # the steps and the weights, in bytes


@pytest.mark.parametrize("fused", [True, False])
def test_no_steps(layers, fused):
    assert feed_forward(torch.zeros(0, 5, dtype=torch.float64), *layers, 0.1, fused=fused).shape == (0, 5)


def test_half_precision_takes_the_plain_path():
    first, second = nn.Linear(4, 8), nn.Linear(8, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = feed_forward(torch.randn(3, 4), first, second, 0.5)
    assert out.dtype == torch.bfloat16


def test_no_second_derivative_in_the_cache():
    first, second = nn.Linear(3, 8), nn.Linear(8, 3)
    x = torch.randn(4, 3, requires_grad=True)
    with pytest.raises(InputError, match=r"differentiated twice: .*affect_transformer\(fused=False\)"):
        torch.autograd.grad(feed_forward(x, first, second).sum(), x, create_graph=True)
    torch.autograd.grad(feed_forward(x, first, second, fused=False).sum(), x, create_graph=True)
