"""Batches of a split: each sample once, in an order of seed and epoch."""

import pytest
import torch

from coral_plugin.data import Column, Split
from coral_plugin.errors import InputError
from coral_plugin.training.loader import BatchLoader


def split(n):
    return Split({"a": Column(torch.arange(n, dtype=torch.float32)[:, None])}, {})


@pytest.mark.parametrize(("n", "size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (9, 4, [4, 4]), (3, 64, [3])])
def test_batches_and_their_number(n, size, sizes):
    loader = BatchLoader(split(n), size, seed=0)
    batches = list(loader)
    assert [batch.size for batch in batches] == sizes
    assert len(loader) == len(sizes)
    seen = torch.cat([batch["a"][:, 0] for batch in batches]).tolist()
    assert len(set(seen)) == sum(sizes)


def test_order_follows_seed_and_epoch_alone():
    def order(seed, epoch):
        loader = BatchLoader(split(50), 8, seed)
        loader.sampler.set_epoch(epoch)
        return torch.cat([batch.index for batch in loader]).tolist()

    assert order(1, 3) == order(1, 3)
    assert order(1, 3) != order(1, 4)
    assert order(1, 3) != order(2, 3)


def test_one_sample_cannot_be_trained_on():
    with pytest.raises(InputError, match="at least two samples, got 1"):
        BatchLoader(split(1), 4, seed=0)
