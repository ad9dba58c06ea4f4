"""The losses of CoMM against the definition (specification 2.2) and specification 9."""

import math

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses import nt_xent
from coral_plugin.losses.comm import unimodal_joint, weighted_mean


def conformance(function, factor, shift, step):
    return [
        torch.tensor(
            [[function(factor * (m + 1) * (i + shift) + step * (j + 1)) for j in range(3)] for i in range(4)],
            dtype=torch.float64,
        )
        for m in range(3)
    ]


# two modalities, and all of them last
A, B = conformance(math.sin, 0.7, 1, 1.3), conformance(math.cos, 0.5, 2, 0.9)


def naive_nt_xent(a, b, temperature):
    rows = [v / v.norm() for v in (*a, *b)]
    n, total = len(a), 0.0
    for i, row in enumerate(rows):
        below = sum(torch.exp(row @ other / temperature) for j, other in enumerate(rows) if j != i)
        total = total - (row @ rows[(i + n) % (2 * n)] / temperature - torch.log(below))
    return total / (2 * n)


def test_conformance_vectors():
    terms = [unimodal_joint(A[i], B[i], A[2], B[2]) for i in (0, 1)] + [nt_xent(A[2], B[2])]
    assert [term.item() for term in terms] == pytest.approx([9.12698609, 11.33672402, 3.83666146], abs=1e-8)
    assert weighted_mean(terms, [1, 1, 1]).item() == pytest.approx(8.10012386, abs=1e-8)


@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_each_view_of_a_modality_meets_the_other_view_of_all(temperature):
    alone = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    joint = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = naive_nt_xent(alone[0], joint[1], temperature) + naive_nt_xent(alone[1], joint[0], temperature)
    assert torch.allclose(unimodal_joint(*alone, *joint, temperature=temperature), expected / 2, atol=1e-12)
    same_view = naive_nt_xent(alone[0], joint[0], temperature) + naive_nt_xent(alone[1], joint[1], temperature)
    assert not torch.allclose(unimodal_joint(*alone, *joint, temperature=temperature), same_view / 2)


def test_the_views_may_be_exchanged():
    one, two, joint_one, joint_two = torch.randn(4, 5, 3, dtype=torch.float64)
    assert torch.allclose(
        unimodal_joint(one, two, joint_one, joint_two), unimodal_joint(two, one, joint_two, joint_one)
    )


def test_gradient():
    four = torch.randn(4, 3, 3, dtype=torch.float64).requires_grad_().unbind(0)
    assert torch.autograd.gradcheck(lambda *rows: unimodal_joint(*rows, temperature=0.5), four)


@pytest.mark.parametrize("place", range(4))
def test_wrong_shapes_are_refused(place):
    rows = [torch.zeros(4, 3) for _ in range(4)]
    rows[place] = torch.zeros(5, 3)
    with pytest.raises(InputError, match=r"\(N, d\)"):
        unimodal_joint(*rows)


def test_weights_are_not_normalised():
    terms = list(torch.tensor([1.0, 10.0, 100.0]))
    assert weighted_mean(terms, [1, 1, 1]).item() == 37
    assert weighted_mean(terms, [0, 3, 0]).item() == 10
    assert weighted_mean(terms, [2, 2, 2]).item() == 74


@pytest.mark.parametrize(("count", "weights"), [(2, [1.0]), (2, [1.0, 1.0, 1.0]), (0, [])])
def test_one_weight_for_each_term(count, weights):
    with pytest.raises(InputError, match="one weight for each term"):
        weighted_mean([torch.tensor(1.0)] * count, weights)
