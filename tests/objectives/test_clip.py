"""CLIP against specification 1.2, 2.5 and 9; the range of its scale."""

import math
from functools import partial

import pytest
import torch

from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.objectives import Step
from coral_plugin.objectives.base import parameter_groups
from coral_plugin.objectives.clip import Clip, ClipSettings


def test_conformance(vectors, monkeypatch):
    clip = vectors.build(Clip)
    clip.logit_scale.data.fill_(math.log(1 / 0.07))  # in float64, to all digits
    monkeypatch.setattr(clip, "projected", lambda batch: {"m0": vectors.a[0], "m1": vectors.b[0]})
    terms = clip.loss(Step(vectors.batch(size=4), vectors.batch(size=4), 0.0))
    assert terms["total"].item() == pytest.approx(2.89281077, abs=1e-8)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_loss_is_the_mean_over_all_pairs_of_the_raw_samples(vectors, n, missing):
    clip = vectors.build(Clip, n).eval()
    clip.logit_scale.data.fill_(1.3)
    raw = vectors.batch(n, seed=3)
    raw = vectors.with_missing(raw) if missing else raw
    terms = clip.loss(Step(vectors.batch(n), vectors.batch(n, seed=2), 0.5, raw=raw))
    expected = vectors.pairs(partial(vectors.clip, scale=math.exp(1.3)), clip.projected(raw), raw)
    assert list(terms) == ["cross", "total"]
    assert torch.allclose(terms["total"], expected, atol=1e-10)
    assert torch.equal(terms["cross"], terms["total"])


def test_the_first_view_stands_in_for_raw(vectors):
    clip, first = vectors.build(Clip), vectors.batch()
    alone = clip.loss(Step(first, vectors.batch(seed=2), 0.0))["total"]
    assert torch.equal(alone, clip.loss(Step(vectors.batch(seed=5), vectors.batch(seed=6), 0.0, raw=first))["total"])
    assert Clip.needs_raw


def test_projections_are_linear_without_bias_and_not_normalised(vectors):
    clip = vectors.build(Clip, network={"width": 8, "head_output": 3000}).eval()
    encoded = {name: clip.encoders[f"m_{name}"](vectors.batch()) for name in ("m0", "m1")}
    for name, part in clip.projected(vectors.batch()).items():
        weight = clip.heads[f"m_{name}"].weight
        assert torch.allclose(part, encoded[name] @ weight.T)
        assert weight.std().item() == pytest.approx(8**-0.5, rel=0.02)
    assert {type(head).__name__ for head in clip.heads.values()} == {"Linear"}
    assert all(head.bias is None for head in clip.heads.values())


def test_represent(vectors):
    batch = vectors.batch()
    projected, encoded = vectors.build(Clip), vectors.build(Clip, represent="encoded")
    assert all(torch.equal(part, projected.projected(batch)[name]) for name, part in projected.embed(batch).items())
    assert {part.shape for part in projected.embed(batch).values()} == {(6, 5)}
    assert {part.shape for part in encoded.embed(batch).values()} == {(6, 8)}
    for name, part in encoded.embed(batch).items():
        assert torch.allclose(part @ encoded.heads[f"m_{name}"].weight.T, encoded.projected(batch)[name])
    with pytest.raises(InputError, match=r"method\.represent 'encoder'.*'encoded'.*projected"):
        ClipSettings(represent="encoder")


def test_the_scale_starts_at_one_over_007_without_weight_decay(vectors):
    clip = vectors.build(Clip)
    assert clip.scale().item() == pytest.approx(1 / 0.07, rel=1e-6)
    decayed, free = (group["params"] for group in parameter_groups(clip, 0.1))
    assert any(p is clip.logit_scale for p in free)
    assert not any(p is clip.logit_scale for p in decayed)


@pytest.mark.parametrize(("outside", "scale"), [(7.0, 100.0), (-3.0, 1.0)])
def test_a_scale_outside_its_range_is_put_back_where_it_is_used(vectors, outside, scale):
    clip, raw = vectors.build(Clip).eval(), vectors.batch()
    clip.logit_scale.data.fill_(outside)
    total = clip.loss(Step(raw, raw, 0.0))["total"]
    assert torch.allclose(total, vectors.clip(*clip.projected(raw).values(), scale=scale), atol=1e-9)
    assert clip.logit_scale.exp().item() == pytest.approx(scale)


def test_the_scale_neither_sticks_at_its_edge_nor_wanders_off(vectors, monkeypatch):
    """Wrong pairs push t out of its range at the lower edge; as soon as the pairs are right it comes back."""
    clip, batch = vectors.build(Clip), vectors.batch()
    rows, rate = batch["m0"], 0.1

    def step(shift):
        monkeypatch.setattr(clip, "projected", lambda given: {"m0": rows, "m1": rows.roll(shift, 0)})
        clip.logit_scale.grad = None
        clip.loss(Step(batch, batch, 0.0))["total"].backward()
        clip.logit_scale.data -= rate * clip.logit_scale.grad
        return clip.logit_scale.grad.item()

    clip.logit_scale.data.fill_(0.0)
    pushes = [step(shift=1) for _ in range(20)]
    assert min(pushes) > 0.1  # a gradient at the edge, step after step
    assert clip.logit_scale.item() == pytest.approx(-rate * pushes[-1])  # one step outside, not twenty
    assert step(shift=0) < 0
    assert clip.logit_scale.item() > 0


def test_presets():
    for preset, rates in (("paper", (1e-3, 1e-2)), ("trifeature", (3e-4, 1e-4))):
        values = Clip.presets[preset]
        assert (values["training.learning_rate"], values["training.weight_decay"]) == rates
    assert Clip.presets["trifeature"]["network.head_output"] == 512


def test_a_batch_with_one_modality_has_no_pairs(vectors):
    clip = vectors.build(Clip)
    one = MultimodalBatch({"m0": vectors.batch()["m0"]})
    with pytest.raises(InputError, match="two of them in the batch, got m0"):
        clip.loss(Step(one, one, 0.0))
