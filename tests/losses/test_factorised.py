"""Both bounds against their formulas with loops, specification 9, and what they are bounds of."""

import math

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses.factorised import club_bound, nce_bound

# specification 9 writes the second argument in rows
CONFORMANCE = torch.tensor([[1, 0.2, -0.5], [0, 0.7, 0.3], [-0.4, 0.1, 1.2]], dtype=torch.float64).T


def naive_nce(f):
    n = len(f)
    own = sum(f[i, i] for i in range(n)) / n
    others = sum(torch.log(sum(torch.exp(f[i, j]) for i in range(n))) for j in range(n)) / n
    return own - others + math.log(n)


def naive_club(f):
    n = len(f)
    return sum(f[i, i] for i in range(n)) / n - sum(f[i, j] for i in range(n) for j in range(n)) / n**2


def test_conformance_vectors():
    assert nce_bound(CONFORMANCE).item() == pytest.approx(0.52662093, abs=1e-8)
    assert club_bound(CONFORMANCE).item() == pytest.approx(0.67777778, abs=1e-8)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize(("bound", "naive"), [(nce_bound, naive_nce), (club_bound, naive_club)])
def test_matches_the_definition(n, bound, naive):
    scores = torch.randn(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(n)) * 3
    assert torch.allclose(bound(scores), naive(scores), atol=1e-12)


def test_the_sum_is_over_the_first_argument():
    """A score that depends on v alone tells nothing, one that depends on u alone does: the bound is one-sided."""
    v_alone = torch.tensor([3.0, 0.0, -2.0]).expand(3, 3)
    assert nce_bound(v_alone).item() == pytest.approx(0, abs=1e-6)
    assert nce_bound(v_alone.T).item() < -0.1


def test_nce_never_exceeds_log_n():
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(0)) + 50 * torch.eye(6)
    assert nce_bound(scores).item() == pytest.approx(math.log(6), abs=1e-4)
    assert club_bound(scores).item() > math.log(6)


@pytest.mark.parametrize("bound", [nce_bound, club_bound])
def test_one_pair_says_nothing(bound):
    scores = torch.tensor([[7.0]], requires_grad=True)
    value = bound(scores)
    value.backward()
    assert value.item() == 0
    assert scores.grad.item() == 0


@pytest.mark.parametrize("bound", [nce_bound, club_bound])
def test_gradient(bound):
    scores = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert torch.autograd.gradcheck(bound, (scores,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("bound", [nce_bound, club_bound])
def test_half_precision_is_computed_in_float32(bound, dtype):
    value = bound(torch.full((300, 300), 250.0, dtype=dtype))  # the sum of a column leaves float16
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 0), (2, 2, 2)])
@pytest.mark.parametrize("bound", [nce_bound, club_bound])
def test_wrong_shapes_are_refused(bound, shape):
    with pytest.raises(InputError, match=r"\(N, N\), got"):
        bound(torch.zeros(shape))
