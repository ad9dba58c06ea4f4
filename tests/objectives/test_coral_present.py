"""COrAL where samples lack modalities: what is absent reaches neither loss, gradient, statistics nor embedding."""

import copy
from dataclasses import replace
from itertools import combinations

import pytest
import torch

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.losses import cosine_embedding, nt_xent
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step
from coral_plugin.objectives.coral import Coral, CoralSettings

KINDS = (
    Modality(name="table", kind="tabular", shape=(5,), mean=(1.0,) * 5, std=(2.0,) * 5),
    Modality(name="text", kind="sequence", shape=(6, 4)),
    Modality(name="scan", kind="image", shape=(3, 8, 8)),
)
ENCODERS = {"text": "affect_transformer(layers=1, feedforward=8, dropout=0.0)"}
NETWORK = NetworkSettings(width=8, heads=2, head_hidden=6, head_output=5, encoders=ENCODERS)


def objective():
    torch.manual_seed(0)
    return Coral(KINDS, NETWORK, CoralSettings(masking="none")).double()


def a_batch(seed=1, size=8):
    generator = torch.Generator().manual_seed(seed)
    values = {m.name: torch.rand(size, *m.shape, generator=generator, dtype=torch.float64) for m in KINDS}
    lengths = torch.arange(size) % 6 + 1
    padding = {"text": torch.arange(6)[None] >= lengths[:, None]}
    rows = torch.arange(size)
    present = {"table": rows % 4 != 0, "text": rows % 3 != 1, "scan": rows != 6}
    return MultimodalBatch(values, padding, present=present)


def filled(batch, fill):
    """The batch with ``fill`` wherever a sample lacks a modality."""
    values = {name: value.clone() for name, value in batch.items()}
    for name, there in batch.present.items():
        values[name][~there] = fill
    return batch.with_values(values)


@pytest.mark.parametrize("fill", [0.0, 1e6, float("nan")])
def test_what_absent_rows_hold_changes_neither_loss_gradient_nor_embedding(fill):
    seen = []
    for first, second in ((a_batch(1), a_batch(2)), (filled(a_batch(1), fill), filled(a_batch(2), fill))):
        coral = objective()
        terms = coral.loss(Step(first, second, progress=0.5, generator=torch.Generator().manual_seed(0)))
        terms["total"].backward()
        seen.append([*terms.values(), *(p.grad for p in coral.parameters()), *coral.state_dict().values()])
        seen[-1] += coral.eval().embed(first).values()
        seen[-1] += coral.projected(first).values()
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))
    assert all(value.isfinite().all() for value in seen[0])


def rows_of(batch, rows):
    """The samples at ``rows`` as a batch of their own, without flags."""
    return MultimodalBatch(
        {name: value[rows] for name, value in batch.items()}, {name: mask[rows] for name, mask in batch.padding.items()}
    )


def test_terms_are_those_of_the_samples_that_have_the_modalities():
    """The definition, every part computed on a batch of those samples only, and the shared ones one by one."""
    views = [a_batch(seed).select(["table", "text"]) for seed in (1, 2)]
    # every sample has one of the two
    text = views[0].present["text"] | ~views[0].present["table"]
    views = [replace(view, present={**view.present, "text": text}) for view in views]
    torch.manual_seed(0)
    coral = Coral(KINDS[:2], NETWORK, CoralSettings(masking="none")).double()
    again = copy.deepcopy(coral)
    terms = coral.loss(Step(*views, progress=0.5))
    there = {"shared": torch.ones(8, dtype=torch.bool), **views[0].present}
    parts = []
    for view in views:
        shared = [
            again.shared(rows_of(view, [row]).select([name for name in view if view.present[name][row]]))
            for row in range(view.size)
        ]
        found = {"shared": again.shared_head(torch.cat(shared))}
        for name in view:
            own = there[name].nonzero().squeeze(1)
            found[name] = torch.full((view.size, 5), torch.nan, dtype=torch.float64)
            found[name][own] = again.unique_heads[f"m_{name}"](again._unique(rows_of(view, own), name))
        parts.append(found)
    one, two = parts
    contrast = {name: nt_xent(one[name][there[name]], two[name][there[name]], temperature=0.1).item() for name in one}
    apart = sum(
        cosine_embedding(part[a][there[a] & there[b]], part[b][there[a] & there[b]]).item()
        for part in parts
        for a, b in combinations(part, 2)
    )
    assert terms["shared"].item() == pytest.approx(contrast["shared"], rel=1e-9)
    assert terms["unique"].item() == pytest.approx(contrast["table"] + contrast["text"], rel=1e-9)
    assert terms["orthogonality"].item() == pytest.approx(apart, rel=1e-9)


@pytest.mark.parametrize("subset", [("table",), ("text",), ("scan", "text"), ("table", "scan")])
def test_embedding_a_subset_is_that_of_the_selected_batch(subset):
    coral = objective().eval()
    batch = replace(a_batch(), present={})
    absent = {name: torch.full((batch.size,), name in subset) for name in batch}
    flagged = coral.embed(filled(replace(batch, present=absent), float("nan")))
    selected = coral.embed(batch.select([name for name in batch if name in subset]))
    for name, part in flagged.items():
        if name in selected:
            torch.testing.assert_close(part, selected[name], rtol=1e-12, atol=1e-12)
        else:
            assert not part.any()
    assert set(selected) == {"shared", *(f"unique/{name}" for name in subset)}


@pytest.mark.parametrize("count", [0, 1])
def test_a_modality_that_almost_no_sample_of_a_batch_has(count):
    """No row, or one: nothing to contrast, and batch normalisation has no statistics; the rest goes on."""
    first, second = (
        replace(a_batch(seed), present={"table": torch.arange(8) < count}).select(["table", "text"]) for seed in (1, 2)
    )
    torch.manual_seed(0)
    coral = Coral(KINDS[:2], NETWORK, CoralSettings()).double()
    terms = coral.loss(Step(first, second, progress=0.5, generator=torch.Generator().manual_seed(0)))
    assert all(term.isfinite() for term in terms.values())
    terms["total"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in coral.parameters())
