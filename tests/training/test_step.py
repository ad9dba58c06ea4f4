import pytest
import torch
from torch import nn

from coral_plugin.training.settings import TrainingSettings
from coral_plugin.training.step import _AdamW


def train(cls, steps, state=None):
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    weights, optimiser_state = state or (None, None)
    optimiser = cls(layer.parameters(), lr=TrainingSettings().learning_rate, fused=True)
    if state:
        layer.load_state_dict(weights)
        optimiser.load_state_dict(optimiser_state)
    values = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        optimiser.zero_grad()
        layer(values).square().sum().backward()
        optimiser.step()
    return layer.state_dict(), optimiser.state_dict()


@pytest.mark.parametrize(("first", "second"), [(torch.optim.AdamW, _AdamW), (_AdamW, torch.optim.AdamW)])
def test_the_optimiser_is_torchs_to_the_last_bit_and_goes_on_with_its_state(first, second):
    whole, going_on = train(first, 4), train(second, 2, train(first, 2))
    assert all(torch.equal(whole[0][name], going_on[0][name]) for name in whole[0])
    for ours, theirs in zip(whole[1]["state"].values(), going_on[1]["state"].values(), strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_hook_of_the_user_is_still_called():
    layer, seen = nn.Linear(2, 1), []
    optimiser = _AdamW(layer.parameters())
    optimiser.register_step_post_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    layer(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    assert len(seen) == 1
    assert layer.weight.requires_grad
