"""Streams depend on seed, purpose, step and process alone."""

import zlib

import numpy as np
import torch

from coral_plugin.training.randomness import fold, generator


def test_streams_differ_by_seed_name_step_and_process():
    values = {
        fold(seed, name, step, rank)
        for seed in (1, 2)
        for name in ("order", "step")
        for step in (0, 1)
        for rank in (0, 1, 2)
    }
    assert len(values) == 24
    assert all(0 <= value < 2**63 for value in values)


def test_process_0_draws_what_a_single_process_draws():
    words = np.random.SeedSequence((3, zlib.crc32(b"step"), 7)).generate_state(1, np.uint64)
    assert fold(3, "step", 7) == fold(3, "step", 7, rank=0) == int(words[0]) >> 1


def test_a_stream_can_be_drawn_again():
    first = torch.rand(5, generator=generator(3, "views", 7))
    torch.rand(100)
    assert torch.equal(first, torch.rand(5, generator=generator(3, "views", 7)))
