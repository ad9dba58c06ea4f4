"""Gated recurrent units with one product for the gradients of all steps, against torch's own."""

import pytest
import torch
from torch import nn

from coral_plugin.networks.recurrent import gated_states


def results(gru, x, fused):
    x = x.clone().requires_grad_()
    states = gated_states(gru, x, fused=fused)
    weight = torch.linspace(-1, 2, states.numel(), dtype=x.dtype).view_as(states)
    return [states.detach(), *torch.autograd.grad((states * weight).sum(), [x, *gru.parameters()])]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("shape", [(4, 6, 3), (1, 6, 3), (4, 1, 3)])
def test_equals_torch_with_every_gradient(shape, layers):
    torch.manual_seed(0)
    gru = nn.GRU(3, 5, num_layers=layers, batch_first=True).double()
    x = torch.randn(shape, dtype=torch.float64)
    ours, torchs = (results(gru, x, fused) for fused in (True, False))
    assert len(ours) == 2 + 4 * layers
    assert all(torch.allclose(a, b, rtol=1e-11, atol=1e-13) for a, b in zip(ours, torchs, strict=True))


def test_gradient_against_finite_differences():
    torch.manual_seed(1)
    gru = nn.GRU(2, 3, batch_first=True).double()

    def states(x, *weights):
        del weights  # those of the network, which gradcheck moves in place
        return gated_states(gru, x)

    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(states, (x, *gru.parameters()))


def nodes(states):
    """Names of the last two functions of a graph."""
    last = states.grad_fn
    return {last.name(), *(function.name() for function, _ in last.next_functions if function is not None)}


@pytest.mark.parametrize("fused", [True, False])
def test_the_switch_chooses_the_path(fused):
    gru = nn.GRU(2, 3, batch_first=True)
    assert ("_LayerBackward" in nodes(gated_states(gru, torch.ones(2, 4, 2), fused=fused))) is fused


def test_half_precision_and_evaluation_call_the_network():
    gru = nn.GRU(2, 3, batch_first=True)
    x = torch.ones(2, 4, 2)
    with torch.no_grad():
        assert torch.equal(gated_states(gru, x), gru(x)[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert "_LayerBackward" not in nodes(gated_states(gru, x))


def test_no_samples():
    assert gated_states(nn.GRU(2, 3, batch_first=True), torch.zeros(0, 4, 2)).shape == (0, 4, 3)
