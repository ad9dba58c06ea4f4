"""FOCAL against specification 2.9 and the numbers of its own loss class."""

from itertools import combinations

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses import cosine_embedding
from coral_plugin.objectives import Step
from coral_plugin.objectives.focal import Focal, FocalSettings


def test_conformance(vectors, monkeypatch):
    """``FOCALLoss`` of github.com/tomoyoshki/focal on one window per recording, its ranking term left out."""
    a, b = vectors.wide_a, vectors.wide_b
    objective = vectors.build(Focal, network={"head_output": 4})
    views = {"m0": a[0], "m1": b[0]}, {"m0": a[1], "m1": b[1]}
    monkeypatch.setattr(objective, "project_two", lambda one, two, heads: views)
    terms = objective.loss(Step(vectors.batch(size=4), vectors.batch(size=4, seed=2), 0.0))
    found = {name: value.item() for name, value in terms.items()}
    assert found == pytest.approx(
        {
            "shared": 3.670214726798248,
            "private": 5.756378814851153,
            "orthogonality": 2.0060111138223387,
            "total": 15.444626883116417,
        },
        abs=1e-8,
    )


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_terms_match_the_definition(vectors, n, missing):
    objective = vectors.build(Focal, n, network={"head_output": 6}, temperature=0.4, orthogonality_weight=2.0).eval()
    first, second = vectors.batch(n), vectors.batch(n, seed=2)
    if missing:
        first, second = vectors.with_missing(first), vectors.with_missing(second)
    terms = objective.loss(Step(first, second, 0.5))
    views = objective.projected(first), objective.projected(second)
    names = [f"m{i}" for i in range(n)]
    shared = private = orthogonality = 0.0
    for name in names:
        rows = vectors.present(first, name)
        private += vectors.nt_xent(*(view[f"unique/{name}"][rows] for view in views), 0.4)
        for view in views:
            orthogonality += cosine_embedding(view[f"shared/{name}"][rows], view[f"unique/{name}"][rows])
    for a, b in combinations(names, 2):
        both = vectors.present(first, a, b)
        for view in views:
            shared += vectors.nt_xent(view[f"shared/{a}"][both], view[f"shared/{b}"][both], 0.4)
            orthogonality += cosine_embedding(view[f"unique/{a}"][both], view[f"unique/{b}"][both])
    assert list(terms) == ["shared", "private", "orthogonality", "total"]
    assert torch.allclose(terms["shared"], shared, atol=1e-10)
    assert torch.allclose(terms["private"], private, atol=1e-10)
    assert torch.allclose(terms["orthogonality"], orthogonality, atol=1e-10)
    assert torch.allclose(terms["total"], shared + private + 2 * orthogonality, atol=1e-10)


def test_halves_of_the_projection_are_the_parts_behind_the_heads(vectors):
    objective, batch = vectors.build(Focal, network={"head_output": 6}).eval(), vectors.batch()
    halves, whole = objective.projected(batch), objective.project(batch, objective.heads)
    assert list(halves) == ["shared/m0", "shared/m1", "unique/m0", "unique/m1"]
    for name, part in whole.items():
        assert torch.equal(torch.cat([halves[f"shared/{name}"], halves[f"unique/{name}"]], dim=1), part)
    assert {name: tuple(part.shape) for name, part in objective.embed(batch).items()} == {"m0": (6, 8), "m1": (6, 8)}


def test_an_odd_output_has_no_halves(vectors):
    with pytest.raises(InputError, match="two halves; 5 is odd"):
        vectors.build(Focal)


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", 0.0), ("shared_weight", -1.0), ("orthogonality_weight", float("nan"))]
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=f"method.{name}"):
        FocalSettings(**{name: value})
