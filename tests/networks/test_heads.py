"""The projection head: MLP3 of METHODS 1.3."""

import torch

from coral_plugin.networks import projection_head


def test_matches_the_definition_in_training_mode():
    torch.manual_seed(0)
    head = projection_head(5, 7, 3).double()
    first, second, third = (m for m in head if isinstance(m, torch.nn.Linear))
    x = torch.randn(6, 5, dtype=torch.float64)

    def normed(z):
        return (z - z.mean(0)) / torch.sqrt(((z - z.mean(0)) ** 2).mean(0) + 1e-5)

    hidden = normed(x @ first.weight.T + first.bias).clamp_min(0)
    hidden = normed(hidden @ second.weight.T + second.bias).clamp_min(0)
    assert torch.allclose(head(x), hidden @ third.weight.T + third.bias)


def test_count_of_parameters():
    """d h + h, h h + h, h o + o, and two times 2 h of the normalisations."""
    head = projection_head(40)
    assert sum(p.numel() for p in head.parameters()) == 40 * 512 + 512 + 512**2 + 512 + 512 * 256 + 256 + 4 * 512
