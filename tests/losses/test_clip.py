"""The CLIP loss against the definition (specification 1.2) and specification 9."""

import math

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses import clip_loss


def conformance(function, factor, shift, step):
    rows = [[function(factor * (i + shift) + step * (j + 1)) for j in range(3)] for i in range(4)]
    return torch.tensor(rows, dtype=torch.float64)


A, B = conformance(math.sin, 0.7, 1, 1.3), conformance(math.cos, 0.5, 2, 0.9)


def naive_clip(a, b, scale):
    a, b = [v / v.norm() for v in a], [v / v.norm() for v in b]

    def one_side(u, v):
        terms = [
            -torch.log(torch.exp(scale * p @ v[i]) / sum(torch.exp(scale * p @ q) for q in v)) for i, p in enumerate(u)
        ]
        return sum(terms) / len(u)

    return (one_side(a, b) + one_side(b, a)) / 2


def test_conformance_vector():
    assert clip_loss(A, B, 1 / 0.07).item() == pytest.approx(2.89281077, abs=1e-8)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("scale", [1.0, 14.0, 100.0])
def test_matches_the_definition(n, scale):
    a, b = torch.randn(2, n, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    assert torch.allclose(clip_loss(a, b, scale), naive_clip(a, b, scale), atol=1e-10)


def test_symmetric_and_free_of_the_rows_lengths():
    a, b = torch.randn(2, 6, 4, dtype=torch.float64)
    assert torch.allclose(clip_loss(a, b, 3.0), clip_loss(b, a, 3.0))
    assert torch.allclose(clip_loss(a, b, 3.0), clip_loss(5 * a, 0.1 * b, 3.0))


def test_without_a_scale_nothing_is_told_apart():
    assert clip_loss(torch.randn(8, 4), torch.randn(8, 4), 0.0).item() == pytest.approx(math.log(8), abs=1e-6)


def test_gradient_reaches_both_inputs_and_the_scale():
    a, b = torch.randn(2, 4, 3, dtype=torch.float64).requires_grad_().unbind(0)
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(clip_loss, (a, b, scale))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    a, b = (torch.randn(2, 16, 8) * 100).to(dtype)
    value = clip_loss(a, b, 100.0)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(naive_clip(a.double(), b.double(), 100.0).item(), rel=1e-4)


def test_autocast_does_not_round_the_similarities():
    a, b = torch.randn(2, 16, 8)
    with torch.autocast("cpu", torch.bfloat16):
        inside = clip_loss(a, b, 100.0)
    assert torch.equal(inside, clip_loss(a, b, 100.0))


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match=r"clip_loss .*\(N, d\), got \(3, 4\) and \(4, 4\)"):
        clip_loss(torch.zeros(3, 4), torch.zeros(4, 4), 1.0)
    with pytest.raises(InputError, match=r"\(2, 3, 4\)"):
        clip_loss(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), 1.0)
