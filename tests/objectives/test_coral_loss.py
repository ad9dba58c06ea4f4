"""COrAL's loss: terms against the definition and specification 9, and which view hides which modality."""

import math
from itertools import combinations

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step
from coral_plugin.objectives.coral import Coral, CoralSettings

STAGES = (0.05, 0.35, 0.55, 0.75)


def modalities(n):
    return tuple(Modality(name=f"m{i}", kind="tabular", shape=(3,)) for i in range(n))


def objective(n=2, **settings):
    torch.manual_seed(0)
    network = NetworkSettings(width=8, heads=2, head_hidden=6, head_output=5)
    encoders = {f"m{i}": lambda of, width: nn.Sequential(nn.Linear(3, 40), nn.Unflatten(1, (5, 8))) for i in range(n)}
    return Coral(modalities(n), network, CoralSettings(**settings), encoders)


def a_batch(n=2, size=6, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return MultimodalBatch({f"m{i}": torch.randn(size, 3, generator=generator) for i in range(n)})


def with_parts(coral, monkeypatch, first, second):
    """``coral`` whose heads return the given tensors, ``(shared, unique, unique, ...)`` for each view."""
    names = ["shared", *(f"unique/{m.name}" for m in coral.modalities)]
    views = iter([dict(zip(names, view, strict=True)) for view in (first, second)])
    monkeypatch.setattr(coral, "project_embedded", lambda parts, batch: next(views))
    n, size = len(coral.modalities), len(first[0])
    return coral.loss(Step(a_batch(n, size), a_batch(n, size), progress=0.0))


def conformance(function, factor, shift, step):
    return [
        torch.tensor(
            [[function(factor * (m + 1) * (i + shift) + step * (j + 1)) for j in range(3)] for i in range(4)],
            dtype=torch.float64,
        )
        for m in range(3)
    ]


A, B = conformance(math.sin, 0.7, 1, 1.3), conformance(math.cos, 0.5, 2, 0.9)
VIEWS = (A[2], A[0], A[1]), (B[2], B[0], B[1])


@pytest.mark.parametrize(("weight", "total"), [(10.0, 32.17946061), (1.0, 11.44698295)])
def test_conformance_with_the_released_code(monkeypatch, weight, total):
    coral = objective(orthogonality="squared_cosine", orthogonality_weight=weight)
    terms = with_parts(coral, monkeypatch, *VIEWS)
    assert terms["shared"].item() == pytest.approx(3.836661, abs=1e-6)
    assert terms["unique"].item() == pytest.approx(3.132172 + 2.174541, abs=2e-6)
    assert terms["orthogonality"].item() == pytest.approx((7.721649 + 7.969251 + 7.345187) / 10, abs=1e-6)
    assert terms["total"].item() == pytest.approx(total, abs=1e-8)


def test_conformance_of_the_papers_orthogonality(monkeypatch):
    terms = with_parts(objective(), monkeypatch, *VIEWS)
    assert terms["orthogonality"].item() == pytest.approx(1.07694541, abs=1e-8)
    assert terms["total"].item() == pytest.approx(3.83666146 + 3.13217179 + 2.174541 + 1.07694541, abs=1e-6)


def naive_nt_xent(a, b, temperature):
    rows = [v / v.norm() for v in (*a, *b)]
    n, total = len(a), 0.0
    for i, row in enumerate(rows):
        below = sum(torch.exp(row @ other / temperature) for j, other in enumerate(rows) if j != i)
        total = total - (row @ rows[(i + n) % (2 * n)] / temperature - torch.log(below))
    return total / (2 * n)


def naive_info_nce(a, b, temperature):
    a, b = [v / v.norm() for v in a], [v / v.norm() for v in b]
    total = 0.0
    for i, row in enumerate(a):
        below = sum(torch.exp(row @ other / temperature) for j, other in enumerate(b) if j != i)
        total = total - (row @ b[i] / temperature - torch.log(below))
    return total / len(a)


def cosines(a, b):
    return [u @ v / (u.norm() * v.norm()) for u, v in zip(a, b, strict=True)]


def naive_cosine(a, b):
    return sum(max(c, torch.zeros_like(c)) for c in cosines(a, b)) / len(a)


def naive_squared(a, b):
    return sum(c * c for c in cosines(a, b)) / len(a)


@pytest.mark.parametrize(("contrast", "naive"), [("nt_xent", naive_nt_xent), ("info_nce", naive_info_nce)])
@pytest.mark.parametrize(("orthogonality", "penalty"), [("cosine", naive_cosine), ("squared_cosine", naive_squared)])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_terms_match_the_definition(monkeypatch, n, orthogonality, penalty, contrast, naive):
    first, second = torch.randn(2, n + 1, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    settings = {"shared_weight": 2.0, "unique_weight": 3.0, "orthogonality_weight": 5.0, "temperature": 0.4}
    coral = objective(n, contrast=contrast, orthogonality=orthogonality, **settings)
    terms = with_parts(coral, monkeypatch, first, second)
    shared = naive(first[0], second[0], 0.4)
    unique = sum(naive(first[i], second[i], 0.4) for i in range(1, n + 1))
    orthogonal = sum(penalty(view[i], view[j]) for view in (first, second) for i, j in combinations(range(n + 1), 2))
    expected = {"shared": shared, "unique": unique, "orthogonality": orthogonal}
    expected["total"] = 2 * shared + 3 * unique + 5 * orthogonal
    assert list(terms) == list(expected)
    for name, value in expected.items():
        assert torch.allclose(terms[name], value, atol=1e-10), name


def test_loss_is_computed_from_the_projected_parts_of_the_two_views():
    coral = objective(3, masking="none").double().eval()
    first, second = (MultimodalBatch({k: v.double() for k, v in a_batch(3, seed=seed).items()}) for seed in (1, 2))
    one, two = coral.projected(first), coral.projected(second)
    terms = coral.loss(Step(first, second, progress=0.9))
    assert torch.allclose(terms["shared"], naive_nt_xent(one["shared"], two["shared"], 0.1), atol=1e-9)
    unique = sum(naive_nt_xent(one[f"unique/m{i}"], two[f"unique/m{i}"], 0.1) for i in range(3))
    assert torch.allclose(terms["unique"], unique, atol=1e-9)


def spied_masks(coral, monkeypatch, steps=1, progress=0.0, n=2, seed=0):
    """``mask_ratios`` of every call of the shared pathway, two a step."""
    seen, fuse = [], coral.shared.fuse

    def spy(tokens, padding, mask_ratios=None, generator=None):
        seen.append(mask_ratios)
        return fuse(tokens, padding, mask_ratios, generator)

    monkeypatch.setattr(coral.shared, "fuse", spy)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _ in range(steps):
            coral.loss(Step(a_batch(n), a_batch(n, seed=2), progress, generator))
    return seen


@pytest.mark.parametrize(
    ("n", "first", "second"), [(2, ["m0"], ["m1"]), (3, ["m0", "m1"], ["m2"]), (4, ["m0", "m1"], ["m2", "m3"])]
)
def test_fixed_partition_masks_the_first_half_in_the_first_view(monkeypatch, n, first, second):
    coral = objective(n, mask_partition="fixed", masking="constant")
    masks = spied_masks(coral, monkeypatch, steps=3, n=n)
    assert masks == [dict.fromkeys(first, 0.75), dict.fromkeys(second, 0.75)] * 3


@pytest.mark.parametrize("n", [2, 3])
def test_random_partition_is_drawn_anew_for_each_batch(monkeypatch, n):
    masks = spied_masks(objective(n), monkeypatch, steps=40, n=n)
    names = {f"m{i}" for i in range(n)}
    pairs = [(frozenset(a), frozenset(b)) for a, b in zip(masks[::2], masks[1::2], strict=True)]
    assert all(a | b == names and not a & b for a, b in pairs)
    assert len(set(pairs)) == (2 if n == 2 else 6)
    counts = [sum(name in a for a, _ in pairs) for name in names]
    assert all(8 < count < 32 for count in counts)  # 20 expected, deviation 3.2


@pytest.mark.parametrize("partition", ["random", "fixed"])
@pytest.mark.parametrize(
    ("settings", "ratios"),
    [
        ({}, STAGES),
        ({"mask_stages": (0.2, 0.8)}, (0.2, 0.2, 0.8, 0.8)),
        ({"masking": "constant", "mask_ratio": 0.4}, (0.4,) * 4),
        ({"masking": "none"}, (0.0,) * 4),
    ],
)
def test_ratio_by_progress(monkeypatch, settings, ratios, partition):
    coral = objective(mask_partition=partition, **settings)
    for progress, ratio in zip((0.0, 0.25, 0.5, 0.75), ratios, strict=True):
        for late in (progress, progress + 0.249):
            with monkeypatch.context() as patch:
                masks = spied_masks(coral, patch, progress=late)
            assert [list(mask.values()) for mask in masks] == [[ratio], [ratio]]
            assert coral.used == {"mask_ratio": ratio}


def test_masked_tokens_reach_the_fusion_as_zeros_and_the_others_whole(monkeypatch):
    coral = objective(mask_partition="fixed", masking="constant", mask_ratio=0.5)
    seen, fusion = [], coral.shared.fusion.forward
    monkeypatch.setattr(coral.shared.fusion, "forward", lambda *args: (seen.append(args[0]), fusion(*args))[1])
    coral.loss(Step(a_batch(size=500), a_batch(size=500, seed=2), 0.0, torch.Generator().manual_seed(0)))
    shares = [[(view[name] == 0).all(-1).double().mean().item() for name in ("m0", "m1")] for view in seen]
    assert shares[0][0] == pytest.approx(0.5, abs=5 * (0.25 / 2500) ** 0.5)
    assert shares[1][1] == pytest.approx(0.5, abs=5 * (0.25 / 2500) ** 0.5)
    assert (shares[0][1], shares[1][0]) == (0, 0)


def test_masks_touch_the_shared_term_only():
    """The unique pathways see whole modalities, so their term does not depend on the masks."""
    terms = [
        objective(masking="constant", mask_ratio=ratio).eval().loss(Step(a_batch(), a_batch(seed=2), 0.0))
        for ratio in (0.0, 1.0)
    ]
    assert torch.equal(terms[0]["unique"], terms[1]["unique"])
    assert not torch.allclose(terms[0]["shared"], terms[1]["shared"])


def test_embed_and_projected_are_never_masked(monkeypatch):
    coral = objective(masking="constant", mask_ratio=1.0)
    seen, fuse = [], coral.shared.fuse

    def spy(tokens, padding, mask_ratios=None, generator=None):
        seen.append(mask_ratios)
        return fuse(tokens, padding, mask_ratios, generator)

    monkeypatch.setattr(coral.shared, "fuse", spy)
    state = torch.get_rng_state()
    coral.train().embed(a_batch()), coral.projected(a_batch()), coral.eval().embed(a_batch())
    assert seen == [None] * 3
    assert torch.equal(torch.get_rng_state(), state)


def test_the_passed_generator_decides_whatever_ran_before():
    coral = objective(3, masking="constant", mask_ratio=0.5).eval()

    def total(noise, seed):
        torch.manual_seed(noise)
        generator = torch.Generator().manual_seed(seed)
        return coral.loss(Step(a_batch(3), a_batch(3, seed=2), 0.0, generator))["total"]

    assert torch.equal(total(1, 5), total(2, 5))
    assert not torch.equal(total(1, 5), total(1, 6))


def test_views_may_come_without_a_modality():
    coral = objective(3)
    first, second = (a_batch(3, seed=seed).select(["m0", "m2"]) for seed in (1, 2))
    terms = coral.loss(Step(first, second, 0.5))
    assert all(term.isfinite() for term in terms.values())
