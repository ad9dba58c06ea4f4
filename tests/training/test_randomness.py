"""Streams depend on seed, purpose and step alone."""

import torch

from coral_plugin.training.randomness import fold, generator


def test_streams_differ_by_seed_name_and_step():
    values = {fold(seed, name, step) for seed in (1, 2) for name in ("order", "step") for step in (0, 1)}
    assert len(values) == 8
    assert all(0 <= value < 2**63 for value in values)


def test_a_stream_can_be_drawn_again():
    first = torch.rand(5, generator=generator(3, "views", 7))
    torch.rand(100)
    assert torch.equal(first, torch.rand(5, generator=generator(3, "views", 7)))
