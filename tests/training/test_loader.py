"""Batches of a split: each sample once, in an order of seed and epoch, shared among processes."""

import pytest
import torch

from coral_plugin.data import ModalityColumn, Split
from coral_plugin.errors import InputError
from coral_plugin.training.loader import BatchLoader


def split(n):
    return Split({"a": ModalityColumn(torch.arange(n, dtype=torch.float32)[:, None])}, {})


def epoch(n, number, *, seed=0, size=8, rank=0, world=1):
    loader = BatchLoader(split(n), size, seed, rank, world)
    steps = range(number * len(loader), (number + 1) * len(loader))
    return [loader.batch(step).index.tolist() for step in steps]


@pytest.mark.parametrize(("n", "size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (9, 4, [4, 4]), (3, 64, [3])])
def test_batches_and_their_number(n, size, sizes):
    loader = BatchLoader(split(n), size, seed=0)
    batches = list(loader)
    assert [batch.size for batch in batches] == sizes == [loader.size(step) for step in range(len(sizes))]
    assert len(loader) == len(sizes)
    seen = torch.cat([batch["a"][:, 0] for batch in batches]).tolist()
    assert len(set(seen)) == sum(sizes)


def test_order_follows_seed_and_epoch_alone():
    assert epoch(50, 3, seed=1) == epoch(50, 3, seed=1)
    assert epoch(50, 3, seed=1) != epoch(50, 4, seed=1)
    assert epoch(50, 3, seed=1) != epoch(50, 3, seed=2)


def test_a_batch_does_not_depend_on_those_before_it():
    walked = BatchLoader(split(50), 8, seed=1)
    everything = [walked.batch(step).index.tolist() for step in range(3 * len(walked))]
    for step in (17, 2, 9):
        assert BatchLoader(split(50), 8, seed=1).batch(step).index.tolist() == everything[step]


@pytest.mark.parametrize("world", [2, 3, 5])
def test_processes_share_each_batch_without_overlap(world):
    whole = epoch(29, 1, size=7)  # 29 = 4 x 7 + 1, and the single one is left out
    shares = [epoch(29, 1, size=7, rank=rank, world=world) for rank in range(world)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert sorted(index for part in parts for index in part) == sorted(batch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("n", "size", "world"), [(10, 4, 3), (2, 8, 3), (40, 2, 3)])
def test_a_batch_that_is_too_small_for_the_processes_is_refused(n, size, world):
    with pytest.raises(InputError, match=f"does not give each of {world} processes one; take fewer processes"):
        BatchLoader(split(n), size, 0, 0, world)


def test_one_sample_cannot_be_trained_on():
    with pytest.raises(InputError, match="at least two samples, got 1"):
        BatchLoader(split(1), 4, seed=0)


@pytest.mark.parametrize(("n", "samples", "size"), [(10, 37, 4), (10, 30, 7), (10, 6, 4), (8, 17, 16)])
def test_a_pass_of_another_length_repeats_the_split_in_new_orders(n, samples, size):
    loader, equal = BatchLoader(split(n), size, seed=3, samples=samples), BatchLoader(split(samples), size, seed=3)
    assert [loader.size(step) for step in range(len(loader))] == [equal.size(step) for step in range(len(equal))]
    seen = torch.cat([batch.index for batch in loader]).tolist()
    assert len(seen) == loader.samples == equal.samples == samples - (samples % size == 1)
    rounds = [seen[at : at + n] for at in range(0, len(seen), n)]
    assert all(len(set(each)) == len(each) for each in rounds)
    whole = [each for each in rounds if len(each) == n]
    assert len({tuple(each) for each in whole}) == len(whole)


def test_processes_share_batches_of_a_repeated_split():
    whole = BatchLoader(split(10), 6, seed=3, samples=40)
    shares = [BatchLoader(split(10), 6, 3, rank, 2, samples=40) for rank in range(2)]
    for step in range(len(whole)):
        index = torch.cat([share.batch(step).index for share in shares])
        assert sorted(index.tolist()) == sorted(whole.batch(step).index.tolist())
