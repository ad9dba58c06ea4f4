"""The concat critic against the MLP of concatenated pairs that it stands for."""

import pytest
import torch

from coral_plugin.networks.critics import ConcatCritic


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 5), (3, 7)])
def test_scores_are_the_mlp_of_every_concatenated_pair(n, m):
    torch.manual_seed(0)
    critic, u, v = ConcatCritic(3, 4, 6).double(), torch.randn(n, 3).double(), torch.randn(m, 4).double()
    scores = critic(u, v)
    assert scores.shape == (n, m)
    for i in range(n):
        for j in range(m):
            hidden = critic.joint(torch.cat([u[i], v[j]])).clamp(min=0)
            expected = critic.score(critic.hidden(hidden).clamp(min=0))
            assert torch.allclose(scores[i, j], expected[0], atol=1e-12)


def test_gradients_of_inputs_and_parameters():
    torch.manual_seed(1)
    critic = ConcatCritic(2, 3, 4).double()
    u, v = torch.randn(3, 2).double().requires_grad_(), torch.randn(3, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(critic, (u, v))
    critic(u, v).square().sum().backward()
    assert all(p.grad.any() for p in critic.parameters())


def test_size_by_the_formula():
    hidden = 512
    count = (40 + 40) * hidden + hidden + hidden * hidden + hidden + hidden + 1
    assert sum(p.numel() for p in ConcatCritic(40, 40).parameters()) == count
