"""Valid steps in groups of similar length: nothing lost, nothing twice, and less padding."""

import pytest
import torch

from coral_plugin.networks.packing import Packing

LENGTHS = torch.tensor([3, 16, 1, 9, 4, 16, 8, 2])
PADDING = torch.arange(16)[None] >= LENGTHS[:, None]


@pytest.mark.parametrize("in_groups", [True, False])
def test_every_valid_step_is_packed_once_and_comes_back(in_groups):
    batch = torch.randn(8, 16, 3)
    packing = Packing(PADDING, in_groups=in_groups)
    steps = packing.pack(batch)
    assert len(steps) == int(LENGTHS.sum()) == sum(group.steps for group in packing.groups)
    assert torch.equal(packing.unpack(steps), batch.masked_fill(PADDING[..., None], 0))


@pytest.mark.parametrize("in_groups", [True, False])
def test_a_group_holds_whole_samples(in_groups):
    batch = torch.arange(8.0)[:, None, None].expand(8, 16, 1)  # each step knows its sample
    packing = Packing(PADDING, in_groups=in_groups)
    parts = packing.pack(batch).split([group.steps for group in packing.groups])
    seen = []
    for group, part in zip(packing.groups, parts, strict=True):
        rows = group.unpack(part)
        assert torch.equal(group.pack(rows), part)
        for row, padding in zip(rows, group.padding, strict=True):
            (sample,) = row[~padding].unique().tolist()
            assert int((~padding).sum()) == LENGTHS[int(sample)]
            seen.append(sample)
    assert sorted(seen) == list(range(8))


def test_groups_have_samples_within_a_factor_of_two_and_fewer_pairs_of_steps():
    groups = Packing(PADDING).groups
    assert [tuple(group.padding.shape) for group in groups] == [(3, 16), (1, 8), (4, 4)]
    assert sum(group.padding.shape[0] * group.padding.shape[1] ** 2 for group in groups) < 8 * 16**2 / 2
    assert [tuple(group.padding.shape) for group in Packing(PADDING, in_groups=False).groups] == [(8, 16)]


def test_padding_inside_a_sample_is_padding():
    padding = torch.tensor([[False, True, False, True], [False, False, True, True]])
    packing = Packing(padding)
    batch = torch.randn(2, 4, 3)
    assert torch.equal(packing.unpack(packing.pack(batch)), batch.masked_fill(padding[..., None], 0))


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (3, 4)])
def test_batches_without_samples_or_without_steps(shape):
    packing = Packing(torch.ones(shape, dtype=torch.bool))
    assert packing.pack(torch.randn(*shape, 2)).shape == (0, 2)
    assert packing.unpack(torch.zeros(0, 2)).shape == (*shape, 2)
