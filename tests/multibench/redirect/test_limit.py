"""Fewer samples than there are."""

import copy

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, SubsetRandomSampler, WeightedRandomSampler

from coral_plugin.multibench.redirect.limit import Fewer, limited


class Files(Dataset):
    dataset_path = ("a", "b")

    def __getitem__(self, index):
        return torch.tensor([index])

    def __len__(self):
        return 10


def seen(loader):
    return torch.cat(list(loader)).flatten().tolist()


def test_samples_are_spread_over_all():
    assert seen(limited(DataLoader(Files(), 3), 4)) == [0, 2, 5, 7]
    assert seen(limited(DataLoader(Files(), 3), 10)) == list(range(10))


def test_order_and_batches_stay_as_they_were():
    ordered, mixed = limited(DataLoader(Files(), 2), 5), limited(DataLoader(Files(), 2, shuffle=True), 5)
    torch.manual_seed(0)
    orders = {tuple(seen(mixed)) for _ in range(20)}
    assert len(orders) > 1
    assert {tuple(sorted(order)) for order in orders} == {tuple(seen(ordered))}
    assert ordered.batch_size == 2


@pytest.mark.parametrize("sampler", [SubsetRandomSampler(range(10)), WeightedRandomSampler(torch.ones(10), 10)])
def test_samplers_of_multibench(sampler):
    assert len(seen(limited(DataLoader(Files(), 3, sampler=sampler), 4))) == 4


def test_a_last_batch_is_only_dropped_where_one_is_left():
    assert len(seen(limited(DataLoader(Files(), 4, drop_last=True), 3))) == 3
    assert len(seen(limited(DataLoader(Files(), 4, drop_last=True), 6))) == 4


def test_what_is_around_loaders_stays():
    loader = DataLoader(Files(), 5)
    cut = limited(((loader, loader, {"image": [loader, loader]}), [0.5, 0.5]), 3)
    assert [len(each.dataset) for each in (cut[0][0], cut[0][2]["image"][1])] == [3, 3]
    assert cut[1] == [0.5, 0.5]
    assert limited(loader, None) is loader


def test_attributes_of_the_data_set_are_there_and_copies_work():
    fewer = limited(DataLoader(Files(), 5), 3).dataset
    assert fewer.dataset_path == ("a", "b")
    assert copy.deepcopy(fewer).dataset_path == ("a", "b")
    assert fewer[-1].tolist() == [6]
    with pytest.raises(IndexError):
        fewer[3]
    assert len(Fewer([1, 2, 3], 2)) == 2
