"""Cross+Self against specification 1.1, 2.6 and 9."""

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.objectives import Step
from coral_plugin.objectives.cross_self import CrossSelf, CrossSelfSettings


def test_conformance(vectors, monkeypatch):
    """Cross (A_0, B_0), self (A_1, A_2) and (B_1, B_2)."""
    objective = vectors.build(CrossSelf)
    raw, first, second = (vectors.batch(size=4, seed=seed) for seed in (1, 2, 3))
    given = {id(batch): {"m0": vectors.a[k], "m1": vectors.b[k]} for k, batch in enumerate((raw, first, second))}
    monkeypatch.setattr(objective, "projected", lambda batch: given[id(batch)])
    monkeypatch.setattr(objective, "project_two", lambda one, two, heads: (given[id(one)], given[id(two)]))
    total = objective.loss(Step(first, second, 0.0, raw=raw))["total"]
    assert total.item() == pytest.approx(13.28680534, abs=1e-8)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_terms_match_the_definition(vectors, n, missing):
    objective = vectors.build(CrossSelf, n, temperature=0.4, self_weight=3.0).eval()
    first, second, raw = (vectors.batch(n, seed=seed) for seed in (1, 2, 3))
    if missing:
        first, second, raw = (vectors.with_missing(batch) for batch in (first, second, raw))
    terms = objective.loss(Step(first, second, 0.5, raw=raw))

    def naive(a, b):
        return vectors.nt_xent(a, b, 0.4)

    cross = vectors.pairs(naive, objective.projected(raw), raw)
    own = vectors.selves(naive, objective.projected(first), objective.projected(second), first)
    assert list(terms) == ["cross", "self", "total"]
    assert torch.allclose(terms["cross"], cross, atol=1e-10)
    assert torch.allclose(terms["self"], own, atol=1e-10)
    assert torch.allclose(terms["total"], cross + 3 * own, atol=1e-10)


def test_two_modalities_are_the_published_sum(vectors):
    """The pair, and half of each self term."""
    objective = vectors.build(CrossSelf).eval()
    first, second, raw = (vectors.batch(seed=seed) for seed in (1, 2, 3))
    one, two, plain = (objective.projected(batch) for batch in (first, second, raw))
    selves = [vectors.nt_xent(one[name], two[name]) for name in ("m0", "m1")]
    expected = vectors.nt_xent(plain["m0"], plain["m1"]) + 0.5 * (selves[0] + selves[1])
    assert torch.allclose(objective.loss(Step(first, second, 0.0, raw=raw))["total"], expected, atol=1e-10)


def test_the_first_view_stands_in_for_raw(vectors):
    objective, first, second = vectors.build(CrossSelf).eval(), vectors.batch(), vectors.batch(seed=2)
    without, given = objective.loss(Step(first, second, 0.0)), objective.loss(Step(first, second, 0.0, raw=first))
    assert torch.equal(without["total"], given["total"])
    assert CrossSelf.needs_raw


def test_represented_by_the_encoders_in_front_of_the_heads(vectors):
    objective, batch = vectors.build(CrossSelf).eval(), vectors.batch()
    encoded, projected = objective.embed(batch), objective.projected(batch)
    assert {name: tuple(part.shape) for name, part in encoded.items()} == {"m0": (6, 8), "m1": (6, 8)}
    for name, part in encoded.items():
        assert torch.equal(objective.heads[f"m_{name}"](part), projected[name])


def test_preset_is_comms_recipe():
    expected = {
        "network.head_hidden": 1024,
        "network.head_output": 256,
        "training.learning_rate": 3e-4,
        "training.weight_decay": 1e-4,
    }
    assert expected.items() <= CrossSelf.presets["paper"].items()


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", 0.0), ("temperature", float("nan")), ("self_weight", -1.0), ("self_weight", float("inf"))],
)
def test_invalid_settings(name, value):
    with pytest.raises(InputError, match=rf"method\.{name}"):
        CrossSelfSettings(**{name: value})
