"""CMC against specification 1.1, 2.7 and 9."""

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.objectives import Step
from coral_plugin.objectives.cmc import Cmc, CmcSettings


def test_conformance(vectors, monkeypatch):
    objective = vectors.build(Cmc, 3)
    given = {"m0": vectors.a[0], "m1": vectors.a[1], "m2": vectors.b[0]}
    monkeypatch.setattr(objective, "projected", lambda batch: given)
    batch = vectors.batch(3, size=4)
    assert objective.loss(Step(batch, batch, 0.0))["total"].item() == pytest.approx(6.13294496, abs=1e-8)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_loss_is_the_mean_over_all_pairs_of_the_raw_samples(vectors, n, missing):
    objective = vectors.build(Cmc, n, temperature=0.3).eval()
    raw = vectors.batch(n, seed=3)
    raw = vectors.with_missing(raw) if missing else raw
    terms = objective.loss(Step(vectors.batch(n), vectors.batch(n, seed=2), 0.5, raw=raw))
    expected = vectors.pairs(lambda a, b: vectors.nt_xent(a, b, 0.3), objective.projected(raw), raw)
    assert list(terms) == ["cross", "total"]
    assert torch.allclose(terms["total"], expected, atol=1e-10)


def test_the_first_view_stands_in_for_raw(vectors):
    objective, first = vectors.build(Cmc), vectors.batch()
    alone = objective.loss(Step(first, vectors.batch(seed=2), 0.0))["total"]
    assert torch.equal(
        alone, objective.loss(Step(vectors.batch(seed=5), vectors.batch(seed=6), 0.0, raw=first))["total"]
    )
    assert Cmc.needs_raw


def test_linear_heads_without_bias_on_the_encoders_that_are_represented(vectors):
    objective, batch = vectors.build(Cmc, 3), vectors.batch(3)
    encoded = objective.embed(batch)
    assert {part.shape for part in encoded.values()} == {(6, 8)}
    for name, part in objective.projected(batch).items():
        assert objective.heads[f"m_{name}"].bias is None
        assert torch.allclose(part, encoded[name] @ objective.heads[f"m_{name}"].weight.T)


def test_presets_hold_the_published_widths():
    assert {name: preset["network.head_output"] for name, preset in Cmc.presets.items()} == {"paper": 256, "affect": 13}


def test_invalid_temperature():
    with pytest.raises(InputError, match=r"method\.temperature must be positive, got -1"):
        CmcSettings(temperature=-1.0)
