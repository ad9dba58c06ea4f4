"""Noise on vectors, against going through the entries one by one."""

import pytest
import torch

from coral_plugin.evaluation.robustness.noise import tabular


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("level", [0.0, 0.3, 0.8, 1.0])
def test_entries_change_places_from_left_to_right(level):
    values = torch.arange(60.0).view(6, 10)
    hit = torch.rand(6, 10, generator=seeded(3)) < level
    expected = values.clone()
    for row in range(6):
        for j in range(1, 10):
            if hit[row, j]:
                expected[row, j - 1], expected[row, j] = expected[row, j].clone(), expected[row, j - 1].clone()
    swapped = tabular.swap_entries(values, level, seeded(3))
    assert torch.equal(swapped, expected)
    assert torch.equal(swapped.sort(dim=1).values, values)


def test_shares_ends_and_determinism():
    ones = torch.ones(400, 50)
    dropped = tabular.drop_entries(ones, 0.4, seeded())
    assert (dropped == 0).float().mean().item() == pytest.approx(0.4, abs=0.01)
    assert torch.equal(dropped, tabular.drop_entries(ones, 0.4, seeded()))
    lengths = torch.ones(400)
    assert torch.equal(tabular.tabular(ones, lengths, 0.0, seeded()), ones)
    assert not tabular.tabular(ones, lengths, 1.0, seeded()).any()


def test_one_column_has_no_neighbour():
    column = torch.ones(5, 1)
    assert torch.equal(tabular.swap_entries(column, 1.0, seeded()), column)
