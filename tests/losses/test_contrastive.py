"""InfoNCE in both forms against the definitions, and specification 9."""

import math

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses import info_nce, nt_xent


def conformance_a(m):
    return torch.tensor(
        [[math.sin(0.7 * (m + 1) * (i + 1) + 1.3 * (j + 1)) for j in range(3)] for i in range(4)], dtype=torch.float64
    )


def conformance_b(m):
    return torch.tensor(
        [[math.cos(0.5 * (m + 1) * (i + 2) + 0.9 * (j + 1)) for j in range(3)] for i in range(4)], dtype=torch.float64
    )


def naive_nt_xent(a, b, temperature):
    """Specification 1.1, with loops."""
    a, b = [v / v.norm() for v in a], [v / v.norm() for v in b]
    n = len(a)

    def one_side(u, v):
        total = 0.0
        for i in range(n):
            below = sum(torch.exp(u[i] @ v[j] / temperature) for j in range(n))
            below = below + sum(torch.exp(u[i] @ u[j] / temperature) for j in range(n) if j != i)
            total = total + (u[i] @ v[i] / temperature - torch.log(below))
        return total

    return -(one_side(a, b) + one_side(b, a)) / (2 * n)


def naive_info_nce(a, b, temperature):
    a, b = [v / v.norm() for v in a], [v / v.norm() for v in b]
    terms = []
    for i in range(len(a)):
        below = sum(torch.exp(a[i] @ b[j] / temperature) for j in range(len(a)) if j != i)
        terms.append(-torch.log(torch.exp(a[i] @ b[i] / temperature) / below))
    return sum(terms) / len(terms)


@pytest.mark.parametrize(("temperature", "value"), [(0.1, 3.13217179), (0.5, 1.79746420)])
def test_conformance_vectors(temperature, value):
    assert nt_xent(conformance_a(0), conformance_b(0), temperature=temperature).item() == pytest.approx(value, abs=1e-8)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize(("loss", "naive"), [(nt_xent, naive_nt_xent), (info_nce, naive_info_nce)])
def test_matches_the_definition(n, temperature, loss, naive):
    generator = torch.Generator().manual_seed(n)
    a, b = torch.randn(2, n, 5, dtype=torch.float64, generator=generator)
    assert torch.allclose(loss(a, b, temperature=temperature), naive(a, b, temperature), atol=1e-12)


def test_nt_xent_is_symmetric_and_free_of_scale():
    a, b = torch.randn(2, 6, 4, dtype=torch.float64)
    assert torch.allclose(nt_xent(a, b), nt_xent(b, a))
    assert torch.allclose(nt_xent(a, b), nt_xent(3 * a, 0.1 * b))


def test_nt_xent_of_one_pair_is_zero():
    assert nt_xent(torch.randn(1, 4), torch.randn(1, 4)).item() == pytest.approx(0, abs=1e-6)


def test_nt_xent_of_orthogonal_rows_is_log_of_the_candidates():
    assert nt_xent(torch.eye(128)[:64], torch.eye(128)[64:]).item() == pytest.approx(math.log(127), abs=1e-5)


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
def test_gradient(loss):
    a, b = torch.randn(2, 4, 3, dtype=torch.float64).requires_grad_().unbind(0)
    assert torch.autograd.gradcheck(lambda x, y: loss(x, y, temperature=0.5), (a, b))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("loss", [nt_xent, info_nce])
def test_half_precision_is_computed_in_float32(loss, dtype):
    a = torch.randn(16, 8, dtype=dtype) * 100
    value = loss(a, a, temperature=0.01)
    assert value.dtype == torch.float32
    assert torch.isfinite(value)


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
def test_wrong_shapes_are_refused(loss):
    with pytest.raises(InputError, match=r"\(N, d\), got \(3, 4\) and \(4, 4\)"):
        loss(torch.zeros(3, 4), torch.zeros(4, 4))
    with pytest.raises(InputError, match=r"\(2, 3, 4\)"):
        loss(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))


def test_info_nce_needs_negatives():
    with pytest.raises(InputError, match="two pairs"):
        info_nce(torch.randn(1, 4), torch.randn(1, 4))
