"""COrAL with ``alignment_weight``: each modality alone is pulled to all of them in the shared pathway."""

import copy

import pytest
import torch

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.losses import info_nce, nt_xent
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step
from coral_plugin.objectives.coral import Coral, CoralSettings

KINDS = (
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="text", kind="sequence", shape=(6, 4)),
    Modality(name="scan", kind="image", shape=(3, 8, 8)),
)
NAMES = [kind.name for kind in KINDS]
ENCODERS = {"text": "affect_transformer(layers=1, feedforward=8, dropout=0.0)"}
NETWORK = NetworkSettings(width=8, heads=2, head_hidden=6, head_output=5, encoders=ENCODERS)


def objective(**settings):
    torch.manual_seed(0)
    return Coral(KINDS, NETWORK, CoralSettings(**{"masking": "none", **settings})).double()


def a_batch(seed, *, missing=True, labels=None):
    generator = torch.Generator().manual_seed(seed)
    values = {m.name: torch.rand(8, *m.shape, generator=generator, dtype=torch.float64) for m in KINDS}
    padding = {"text": torch.arange(6)[None] >= (torch.arange(8) % 6 + 1)[:, None]}
    rows = torch.arange(8)
    present = {"table": rows % 4 != 0, "text": rows % 3 != 1, "scan": rows != 6} if missing else {}
    return MultimodalBatch(values, padding, {} if labels is None else {"y": labels}, present=present)


def step(first=None, second=None):
    views = (first or a_batch(1), second or a_batch(2))
    return Step(*views, progress=0.9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("contrast", "loss"), [("nt_xent", nt_xent), ("info_nce", info_nce)])
def test_the_term_is_that_of_its_definition(contrast, loss):
    """By hand from the networks: no masks, so that nothing is drawn; some samples lack modalities."""
    coral = objective(alignment_weight=0.5, contrast=contrast, temperature=0.2)
    first, second = a_batch(1), a_batch(2)
    by_hand, whole, alone = copy.deepcopy(coral), [], []
    for batch in (first, second):
        tokens, padding = by_hand.shared.tokenise(batch)
        whole.append(by_hand.shared_head(by_hand.shared.fusion(tokens, padding)))
        alone.append({})
        for name in NAMES:
            rows = batch.present[name]
            fused = by_hand.shared.fusion({name: tokens[name]}, {name: padding[name]})
            alone[-1][name] = by_hand.shared_head(fused[rows])
    terms = coral.loss(step(first, second))
    expected = sum(
        (
            loss(alone[0][name], whole[1][first.present[name]], temperature=0.2)
            + loss(alone[1][name], whole[0][first.present[name]], temperature=0.2)
        )
        / 2
        for name in NAMES
    )
    assert list(terms) == ["shared", "unique", "orthogonality", "alignment", "total"]
    assert terms["alignment"].item() == pytest.approx(expected.item(), rel=1e-12)
    terms["alignment"].backward()
    expected.backward()
    for (name, ours), other in zip(coral.named_parameters(), by_hand.parameters(), strict=True):
        assert (ours.grad is None) == (other.grad is None), name
        assert ours.grad is None or torch.allclose(ours.grad, other.grad, rtol=1e-9, atol=1e-12), name
    without = sum(terms[name] for name in ("shared", "unique", "orthogonality"))
    assert terms["total"].item() == pytest.approx((without + 0.5 * expected).item(), rel=1e-12)


def test_without_weight_the_loss_is_the_papers_to_the_bit():
    plain, plus = objective(masking="increasing"), objective(masking="increasing", alignment_weight=1.0)
    terms, more = plain.loss(step()), plus.loss(step())
    assert "alignment" not in terms
    # the head's batch norm sees the views of each call alone
    assert all(torch.equal(terms[name], more[name]) for name in ("shared", "unique", "orthogonality"))


def test_the_whole_is_masked_and_the_single_modality_is_not(monkeypatch):
    values, given = [], []
    for ratio in (0.0, 1.0):
        coral = objective(alignment_weight=1.0, masking="constant", mask_ratio=ratio)
        each = coral.shared.fuse_each
        monkeypatch.setattr(
            coral.shared, "fuse_each", lambda tokens, *more, each=each: given.append(tokens) or each(tokens, *more)
        )
        values.append(coral.loss(step())["alignment"].item())
    assert values[0] != pytest.approx(values[1], rel=1e-3)
    for unmasked, masked in ((given[0], given[2]), (given[1], given[3])):
        assert all(torch.equal(unmasked[name], masked[name]) for name in NAMES)


def test_the_unique_pathways_are_not_touched():
    coral = objective(alignment_weight=1.0)
    coral.loss(step())["alignment"].backward()
    unique = (*coral.unique_encoders.parameters(), *coral.unique.parameters(), *coral.unique_heads.parameters())
    assert all(parameter.grad is None for parameter in unique)


def test_samples_of_a_class_are_positives_where_labels_are_used():
    def aligned(labels=None, **settings):
        coral = objective(alignment_weight=1.0, **settings)
        coral.labels = "y"
        views = (a_batch(seed, missing=False, labels=labels) for seed in (1, 2))
        return coral.loss(step(*views))["alignment"].item()

    alone = aligned()
    assert aligned(torch.arange(8), positives="class") == pytest.approx(alone, rel=1e-12), "a class is a sample"
    assert aligned(torch.arange(8) % 2, positives="class") != pytest.approx(alone, rel=1e-3)


def test_the_preset():
    assert Coral.presets["plus"] == {**Coral.presets["paper"], "method.alignment_weight": 1.0}
