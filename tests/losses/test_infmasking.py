"""The bound of InfMasking against the definition (specification 2.3), its covariance formed, and specification 9."""

import math

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses import nt_xent
from coral_plugin.losses.comm import unimodal_joint, weighted_mean
from coral_plugin.losses.infmasking import masked_bound

ROWS, WIDTH, COPIES = 4, 3, 2


def conformance(function, factor, shift, step):
    return [
        torch.tensor(
            [[function(factor * (m + 1) * (i + shift) + step * (j + 1)) for j in range(WIDTH)] for i in range(ROWS)],
            dtype=torch.float64,
        )
        for m in range(3)
    ]


def masked_views(view):
    """Q of specification 9, ``(N, K, d)``."""
    return torch.tensor(
        [
            [[math.sin(0.3 * (k + 1) * (i + 1) * (j + 2) + 0.2 * view + 0.1 * i) for j in range(WIDTH)]
             for k in range(COPIES)]
            for i in range(ROWS)
        ],
        dtype=torch.float64,
    )  # fmt: skip


A, B = conformance(math.sin, 0.7, 1, 1.3), conformance(math.cos, 0.5, 2, 0.9)
EPOCH_29_OF_100 = (29 + 1) / 100


@pytest.mark.parametrize(
    ("temperature", "scale", "weights", "masked", "comm", "total"),
    [
        (0.1, 1.0, (1,) * 5, (12.94175346, 8.95057674), (9.12698609, 11.33672402, 3.83666146), 9.23854035),
        (0.2, 0.5, (1, 1, 1, 1, 5), (5.97314913, 3.79093953), (5.03697403, 5.93246422, 2.13659569), 6.28330107),
    ],
)
def test_conformance_vectors(temperature, scale, weights, masked, comm, total):
    settings = {"temperature": temperature, "covariance_weight": scale * EPOCH_29_OF_100}
    bounds = [masked_bound(view[2], masked_views(number), **settings) for number, view in enumerate((A, B))]
    assert [bound.item() for bound in bounds] == pytest.approx(masked, abs=1e-8)
    alone = [unimodal_joint(A[i], B[i], A[2], B[2], temperature=temperature) for i in (0, 1)]
    terms = [*bounds, *alone, nt_xent(A[2], B[2], temperature=temperature)]
    assert [term.item() for term in terms[2:]] == pytest.approx(comm, abs=1e-8)
    assert weighted_mean(terms, weights).item() == pytest.approx(total, abs=1e-8)


def naive_bound(anchors, masked, temperature, weight):
    q = [v / v.norm() for v in anchors]
    m = [[v / v.norm() for v in views] for views in masked]
    n, copies, total = len(q), masked.shape[1], 0.0
    for i in range(n):
        mean = sum(m[i]) / copies
        covariance = sum(torch.outer(v - mean, v - mean) for v in m[i]) / copies
        positive = q[i] @ mean / temperature
        spread = weight * (q[i] @ covariance @ q[i]) / (2 * temperature**2)
        below = torch.exp(positive + spread)
        for j in range(n):
            if j != i:
                below = below + torch.exp(q[i] @ q[j] / temperature)
                below = below + sum(torch.exp(q[i] @ m[j][k] / temperature) for k in range(copies))
        total = total - positive + torch.log(below)
    return total / n


def inputs(n, copies, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = {"dtype": torch.float64, "generator": generator}
    return torch.randn(n, width, **draw), torch.randn(n, copies, width, **draw)


@pytest.mark.parametrize("weight", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize(("n", "copies"), [(2, 1), (4, 2), (5, 6)])
def test_matches_the_definition_with_the_covariance_formed(n, copies, temperature, weight):
    q, m = inputs(n, copies)
    seen = masked_bound(q, m, temperature=temperature, covariance_weight=weight)
    assert torch.allclose(seen, naive_bound(q, m, temperature, weight), atol=1e-10)


def test_neither_scale_nor_order_of_the_masked_views_counts():
    q, m = inputs(5, 4)
    value = masked_bound(q, m)
    assert torch.allclose(masked_bound(3 * q, m * torch.rand(5, 4, 1, dtype=torch.float64).add(0.1)), value)
    assert torch.allclose(masked_bound(q, m[:, [2, 0, 3, 1]]), value)


def test_without_masks_equal_views_make_one_side_of_nt_xent_whatever_the_weight():
    """K views that hide nothing have no covariance, and one of them is a second view."""
    q, _ = inputs(6, 1)
    assert torch.allclose(masked_bound(q, q.unsqueeze(1), covariance_weight=1.0), nt_xent(q, q), atol=1e-10)
    weights = [masked_bound(q, q.unsqueeze(1).repeat(1, 3, 1), covariance_weight=w) for w in (0.0, 5.0)]
    assert torch.allclose(*weights)


def test_the_covariance_only_raises_it():
    q, m = inputs(5, 4)
    values = [masked_bound(q, m, covariance_weight=w).item() for w in (0.0, 0.5, 1.0, 2.0)]
    assert values == sorted(values)
    assert len(set(values)) == 4


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_gradient(weight):
    q, m = (tensor.requires_grad_() for tensor in inputs(3, 2, width=3))
    assert torch.autograd.gradcheck(lambda a, b: masked_bound(a, b, temperature=0.5, covariance_weight=weight), (q, m))


def test_the_greatest_published_weight_at_the_least_temperature_is_finite():
    q, m = (tensor.float().requires_grad_() for tensor in inputs(8, 4))
    loss = masked_bound(q, m, temperature=0.05, covariance_weight=2.0)
    loss.backward()
    assert all(x.isfinite().all() for x in (loss, q.grad, m.grad))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    q, m = (tensor.to(dtype) for tensor in inputs(8, 4))
    value = masked_bound(q, m)
    assert value.dtype == torch.float32
    assert torch.allclose(value, masked_bound(q.float(), m.float()))


def test_mixed_precision_does_not_round_the_similarities():
    q, m = (tensor.float() for tensor in inputs(8, 4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = masked_bound(q, m)
    assert torch.equal(value, masked_bound(q, m))


@pytest.mark.parametrize(
    ("anchors", "masked"),
    [((4, 3), (4, 3)), ((4, 3), (5, 2, 3)), ((4, 3), (4, 2, 5)), ((4, 3), (4, 0, 3)), ((4,), (4, 1, 3))],
)
def test_wrong_shapes_are_refused(anchors, masked):
    with pytest.raises(InputError, match=r"\(N, K, d\)"):
        masked_bound(torch.zeros(anchors), torch.zeros(masked))
