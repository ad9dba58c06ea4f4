"""Columns and splits: what a batch is made of."""

import pytest
import torch

from coral_plugin.data import ModalityColumn, Split
from coral_plugin.errors import InputError


@pytest.fixture
def split():
    series = torch.arange(24.0).view(4, 3, 2)
    return Split(
        {
            "series": ModalityColumn(series, lengths=torch.tensor([1, 3, 2, 1])),
            "table": ModalityColumn(torch.arange(8.0).view(4, 2)),
        },
        {"label": torch.tensor([0, 1, 0, 1])},
    )


def test_a_batch_is_cut_to_its_longest_sample(split):
    batch = split.batch(torch.tensor([2, 0]))
    assert batch["series"].shape == (2, 2, 2)
    assert batch.padding["series"].tolist() == [[False, False], [False, True]]
    assert batch["table"].tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert batch.targets["label"].tolist() == [0, 0]
    assert batch.index.tolist() == [2, 0]
    assert "table" not in batch.padding


def test_bytes_become_shares_of_one():
    values, padding = ModalityColumn(torch.tensor([[[[0, 255]]], [[[51, 102]]]], dtype=torch.uint8)).take(
        torch.tensor([1])
    )
    assert padding is None
    assert torch.allclose(values, torch.tensor([[[[0.2, 0.4]]]]))


def test_rows_share_values():
    column = ModalityColumn(torch.arange(3.0)[:, None], rows=torch.tensor([2, 0, 2, 1]))
    assert len(column) == 4
    assert column.take(torch.tensor([0, 3]))[0].flatten().tolist() == [2.0, 1.0]
    part = column.subset(torch.tensor([3, 1]))
    assert part.values is column.values
    assert part.rows.tolist() == [1, 0]


def test_subset_of_a_subset(split):
    part = split.subset(torch.tensor([3, 1, 2])).subset(torch.tensor([2, 1]))
    batch = part.batch(torch.arange(2))
    assert batch["table"][:, 0].tolist() == [4.0, 2.0]
    assert batch.targets["label"].tolist() == [0, 1]
    assert batch.padding["series"].tolist() == [[False, False, True], [False, False, False]]


def test_batches_cover_all_samples_in_order(split):
    assert torch.cat([batch.index for batch in split.batches(3)]).tolist() == [0, 1, 2, 3]
    assert [batch.size for batch in split.batches(3)] == [3, 1]


def test_select_and_device(split):
    assert list(split.select(["table"]).columns) == ["table"]
    moved = split.to("meta")
    assert moved.device.type == moved.targets["label"].device.type == moved.columns["series"].lengths.device.type
    assert moved.device.type == "meta"


def test_wrong_sizes_are_refused(split):
    with pytest.raises(InputError, match="same number of samples"):
        Split(split.columns, {"label": torch.zeros(3)})
    with pytest.raises(InputError, match="4 rows needs as many lengths"):
        ModalityColumn(torch.zeros(4, 3, 2), lengths=torch.ones(3, dtype=torch.long))
    with pytest.raises(InputError, match="at least one modality"):
        Split({}, {})
