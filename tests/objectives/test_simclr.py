"""SimCLR of each modality against specification 1.1 and 2.8."""

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.objectives import Step
from coral_plugin.objectives.simclr import Simclr, SimclrSettings


@pytest.mark.parametrize(("n", "missing"), [(1, False), (2, False), (3, False), (2, True), (3, True)])
def test_loss_is_the_mean_over_the_modalities(vectors, n, missing):
    objective = vectors.build(Simclr, n, temperature=0.3).eval()
    first, second = (vectors.batch(n, seed=seed) for seed in (1, 2))
    if missing:
        first, second = vectors.with_missing(first), vectors.with_missing(second)
    terms = objective.loss(Step(first, second, 0.5))
    one, two = objective.projected(first), objective.projected(second)
    expected = vectors.selves(lambda a, b: vectors.nt_xent(a, b, 0.3), one, two, first)
    assert list(terms) == ["self", "total"]
    assert torch.allclose(terms["total"], expected, atol=1e-10)


def test_it_trains_on_views_and_not_on_raw_samples(vectors):
    objective, first, second = vectors.build(Simclr).eval(), vectors.batch(), vectors.batch(seed=2)
    alone = objective.loss(Step(first, second, 0.0))["total"]
    assert torch.equal(alone, objective.loss(Step(first, second, 0.0, raw=vectors.batch(seed=9)))["total"])
    assert not Simclr.needs_raw


def test_modalities_do_not_see_each_other(vectors):
    objective, first, second = vectors.build(Simclr, 2), vectors.batch(), vectors.batch(seed=2)

    def gradients(shift):
        objective.zero_grad()
        views = [batch.with_values({**batch, "m1": batch["m1"] + shift}) for batch in (first, second)]
        objective.loss(Step(*views, 0.0))["total"].backward()
        return [[p.grad.clone() for p in objective.encoders[key].parameters()] for key in ("m_m0", "m_m1")]

    (before, own), (after, moved) = gradients(0.0), gradients(3.0)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(own, moved, strict=True))


def test_representation_is_all_encoders_side_by_side(vectors):
    objective, batch = vectors.build(Simclr, 3).eval(), vectors.batch(3)
    encoded, projected = objective.embed(batch), objective.projected(batch)
    assert {name: tuple(part.shape) for name, part in encoded.items()} == {f"m{i}": (6, 8) for i in range(3)}
    for name, part in encoded.items():
        assert torch.equal(objective.heads[f"m_{name}"](part), projected[name])


def test_presets_differ_in_the_width_of_the_heads():
    keys = ("network.head_hidden", "network.head_output")
    widths = {name: tuple(preset[key] for key in keys) for name, preset in Simclr.presets.items()}
    assert widths == {"paper": (4096, 256), "small_head": (512, 256)}


def test_invalid_temperature():
    with pytest.raises(InputError, match=r"method\.temperature must be positive, got 0"):
        SimclrSettings(temperature=0.0)
