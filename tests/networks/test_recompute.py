"""A function in pieces: the same values, gradients and random numbers, with the memory of one piece."""

import pytest
import torch

from coral_plugin.machine import as_if_whole
from coral_plugin.networks.recompute import in_pieces


def wide(x):
    """Keeps places, and many numbers for each on the way."""
    return (x.unsqueeze(-1) * torch.arange(1, 33)).sin().mul(0.3).exp().sum(-1)


@pytest.mark.parametrize(("size", "dim"), [(3, 0), (1, 0), (7, 0), (100, 0), (2, 1)])
def test_values_and_gradients_are_those_of_one_call(size, dim):
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    results = [wide(x), in_pieces(wide, x, size, dim)]
    gradients = [torch.autograd.grad(result.square().sum(), x)[0] for result in results]
    assert torch.equal(*results)
    assert torch.equal(*gradients)


def test_up_to_the_size_it_is_one_call_and_beyond_one_for_each_piece():
    seen = []

    def spy(x):
        seen.append(len(x))
        return x * 2

    x = torch.randn(7, 2, requires_grad=True)
    in_pieces(spy, x, 7)
    assert seen == [7]
    with torch.no_grad():
        in_pieces(spy, x, 3)
    assert seen == [7, 3, 3, 1]


def test_the_backward_pass_draws_the_numbers_of_the_forward_pass():
    x = torch.ones(600, 4, requires_grad=True)
    torch.manual_seed(0)
    out = in_pieces(lambda part: part * torch.rand_like(part), x, 50)
    state = torch.get_rng_state()
    torch.rand(17)  # whatever is drawn in between
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(gradient, out)
    assert len(out.unique()) > 2000
    torch.set_rng_state(state)


def test_what_is_kept_is_the_input_not_what_is_computed_on_the_way():
    x = torch.randn(64, 5, requires_grad=True)

    def kept(size):
        total = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (total.append(t.numel()), t)[1], lambda t: t):
            in_pieces(wide, x, size)
        return sum(total)

    assert kept(8) <= 2 * x.numel() < kept(64) / 30


@pytest.mark.parametrize(
    ("share", "whole", "calls"),
    [
        (1.0, None, [8]),
        (1.0, 4, [8, 8]),  # fewer places than a piece, but more than are kept: once more in the backward pass
        (0.25, None, [8, 8]),  # a quarter of a batch is recomputed as the whole one would be
    ],
)
def test_what_is_kept_depends_on_the_places_of_a_whole_batch(share, whole, calls):
    x = torch.ones(8, 2, requires_grad=True)
    seen = []

    def spy(part):
        seen.append(len(part))
        return part**2

    with as_if_whole(share):
        in_pieces(spy, x, 8, whole=whole).sum().backward()
    assert seen == calls
