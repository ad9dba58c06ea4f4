"""A single process without Lightning's Fabric trains to the bits that it trains to with it."""

import pytest
import torch
from torch import nn

from coral_plugin.training import processes
from coral_plugin.training.alone import Alone
from coral_plugin.training.settings import TrainingSettings


def with_fabric(settings, accelerator):
    """As :func:`coral_plugin.training.processes.fabric` does in other formats."""
    from lightning_fabric import Fabric

    return Fabric(accelerator=accelerator, devices=1, precision=settings.precision)


@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_the_same_bits_as_with_fabric(run, same, monkeypatch, tmp_path, clip):
    ours = run(tmp_path / "ours", epochs=2, gradient_clip=clip)
    calls = []
    monkeypatch.setattr(processes, "fabric", lambda *arguments: calls.append(1) or with_fabric(*arguments))
    same(ours, run(tmp_path / "theirs", epochs=2, gradient_clip=clip))
    assert calls
    # and either goes on with what the other has begun
    same(ours, run(tmp_path / "ours", epochs=2, gradient_clip=clip, resume=True))


@pytest.mark.parametrize("settings", [{}, {"precision": "bf16-mixed"}, {"precision": "64-true"}])
def test_fabric_is_taken_where_there_is_something_to_convert(settings):
    chosen = processes.fabric(TrainingSettings(**settings), "cpu")
    assert isinstance(chosen, Alone) == (not settings)


def test_a_gpu_is_fabrics(monkeypatch):
    import lightning_fabric

    asked = []
    monkeypatch.setattr(lightning_fabric, "Fabric", lambda **settings: asked.append(settings))
    processes.fabric(TrainingSettings(), "cuda")
    assert [settings["accelerator"] for settings in asked] == ["cuda"]


@pytest.mark.parametrize("limit", [0.1, float("inf")])
def test_the_norm_is_that_before_clipping(limit):
    layer = nn.Linear(3, 1, bias=False)
    layer.weight.grad = torch.tensor([[2.0, 3.0, 6.0]])
    optimiser = torch.optim.SGD(layer.parameters())
    assert float(Alone().clip_gradients(layer, optimiser, max_norm=limit)) == 7.0
    assert float(layer.weight.grad.norm()) == pytest.approx(min(7.0, limit))


def test_a_norm_that_is_not_finite_leaves_the_gradients_to_be_looked_at():
    layer = nn.Linear(3, 1, bias=False)
    layer.weight.grad = torch.tensor([[2.0, float("nan"), 6.0]])
    optimiser = torch.optim.SGD(layer.parameters())
    assert Alone().clip_gradients(layer, optimiser, max_norm=float("inf")).isnan()
    assert layer.weight.grad.isnan().tolist() == [[False, True, False]]
