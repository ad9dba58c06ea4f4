"""What an encoder computes without weights is computed once for each view, with the same loss in every objective."""

import pytest
import torch

from coral_plugin.data import Modality, MultimodalBatch, Task
from coral_plugin.networks import NetworkSettings
from coral_plugin.networks.encoders.gabor import GaborEnergy
from coral_plugin.objectives import Step
from coral_plugin.registry import OBJECTIVES

PHOTOS = tuple(
    Modality(name=name, kind="image", shape=(3, 12, 12), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    for name in ("left", "right")
)
NETWORK = NetworkSettings(
    width=16, heads=2, encoders=dict.fromkeys(("left", "right"), "small_conv(channels=4, orientations=2)")
)
TRAINED = [name for name in OBJECTIVES.names() if OBJECTIVES.get(name).trains]


def computed(self, key, values, compute):
    return compute()


def gradients(name, present, count=None):
    """Terms of the loss and gradients of all weights, of two views of the same samples."""
    method = OBJECTIVES.get(name)
    torch.manual_seed(0)
    objective = method(PHOTOS, NETWORK, method.Settings())
    objective.prepare((Task(name="kind", kind="classification", classes=("no", "yes")),))
    objective.train()
    for module in objective.modules():
        if count is not None and isinstance(module, GaborEnergy):
            module.register_forward_hook(lambda *_: count.append(0))
    stream = torch.Generator().manual_seed(1)
    views = [
        MultimodalBatch(
            {m.name: torch.rand(8, 3, 12, 12, generator=stream) for m in PHOTOS},
            targets={"kind": torch.arange(8) % 2},
            present=present,
        )
        for _ in range(2)
    ]
    terms = objective.loss(Step(*views, 0.5, torch.Generator().manual_seed(2)))
    terms["total"].backward()
    return terms, {key: p.grad for key, p in objective.named_parameters()}


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("name", TRAINED)
def test_every_objective_has_the_same_loss_and_gradients(name, missing, monkeypatch):
    present = {"right": torch.arange(8) != 3} if missing else {}
    shared = gradients(name, present)
    monkeypatch.setattr(MultimodalBatch, "once", computed)
    torch.testing.assert_close(gradients(name, present), shared, rtol=0, atol=0)


def test_two_pathways_compute_it_once_for_each_view_and_modality():
    calls = []
    gradients("coral", {}, calls)
    assert len(calls) == 2 * len(PHOTOS)
