"""DeCUR against specification 2.11 and the numbers of its own loss."""

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses.cross_correlation import barlow_twins, decoupled
from coral_plugin.objectives import Step
from coral_plugin.objectives.decur import Decur, DecurSettings


def test_conformance(vectors, monkeypatch):
    """The mean of the three losses of the released training, on A_0, A_1 and B_0, B_1 of specification 9, 4 columns."""
    a, b = vectors.wide_a, vectors.wide_b
    objective = vectors.build(Decur, network={"head_output": 4}, common_share=0.75)
    views = {"m0": a[0], "m1": b[0]}, {"m0": a[1], "m1": b[1]}
    monkeypatch.setattr(objective, "project_two", lambda one, two, heads: views)
    total = objective.loss(Step(vectors.batch(size=4), vectors.batch(size=4, seed=2), 0.0))["total"]
    assert total.item() == pytest.approx(5.3459035617213715, abs=1e-8)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_terms_are_those_within_and_between_modalities(vectors, n, missing):
    objective = vectors.build(Decur, n, redundancy_weight=0.1, common_share=0.6).eval()
    first, second = vectors.batch(n), vectors.batch(n, seed=2)
    if missing:
        first, second = vectors.with_missing(first), vectors.with_missing(second)
    terms = objective.loss(Step(first, second, 0.5))
    one, two = objective.projected(first), objective.projected(second)
    names = [f"m{i}" for i in range(n)]
    expected = {}
    for name in names:
        present = vectors.present(first, name)
        expected[f"within/{name}"] = barlow_twins(one[name][present], two[name][present], redundancy_weight=0.1)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            both = vectors.present(first, a, b)
            expected[f"between/{a}/{b}"] = decoupled(one[a][both], one[b][both], common=3, redundancy_weight=0.1)
    assert list(terms) == [*expected, "total"]
    for name, value in expected.items():
        assert torch.allclose(terms[name], value, atol=1e-10), name
    assert torch.allclose(terms["total"], sum(expected.values()) / len(expected), atol=1e-10)


def test_represented_by_the_encoders_in_front_of_the_heads(vectors):
    objective, batch = vectors.build(Decur).eval(), vectors.batch()
    assert {name: tuple(part.shape) for name, part in objective.embed(batch).items()} == {"m0": (6, 8), "m1": (6, 8)}
    assert not [name for name, _ in objective.heads.named_parameters() if name.endswith("0.bias")]


@pytest.mark.parametrize(("name", "value"), [("common_share", 0.0), ("common_share", 1.5), ("redundancy_weight", -1.0)])
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=f"method.{name}"):
        DecurSettings(**{name: value})


def test_presets_are_the_published_recipes():
    assert Decur.presets["paper"]["network.head_output"] == 8192
    assert Decur.presets["depth"]["method.common_share"] == 0.75
