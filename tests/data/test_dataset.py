"""A data set keeps its splits in step."""

import pytest
import torch

from coral_plugin.data import Modality, ModalityColumn, MultimodalData, Split, from_arrays
from coral_plugin.data.dataset import fingerprint
from coral_plugin.errors import InputError


@pytest.fixture
def data(tiny_arrays):
    return from_arrays(tiny_arrays, name="tiny")


def test_splits_and_what_is_trained_on(data):
    assert list(data.splits()) == ["train", "valid", "test"]
    assert data.unlabelled is data.train
    other = MultimodalData(name="x", modalities=data.modalities, tasks=data.tasks, train=data.train, pretrain=data.test)
    assert other.unlabelled is data.test
    assert list(other.splits()) == ["pretrain", "train"]


def test_select(data):
    part = data.select(["image", "table"])
    assert [m.name for m in part.modalities] == ["image", "table"]
    assert all(list(split.columns) == ["image", "table"] for split in part.splits().values())
    assert len(part.valid) == len(data.valid)
    with pytest.raises(InputError, match="tiny has no modality audio; it has table, series, image"):
        data.select(["audio"])
    with pytest.raises(InputError, match="once, and at least one"):
        data.select(["image", "image"])
    with pytest.raises(InputError, match="once, and at least one"):
        data.select([])


def test_split_tensors_are_moved_once(tiny_arrays):
    """Train and a valid split carved out of it share their values, on the other device too."""
    del tiny_arrays["valid/table"], tiny_arrays["valid/series"], tiny_arrays["valid/image"], tiny_arrays["valid/labels"]
    data = from_arrays(tiny_arrays)
    moved = data.to("meta")
    assert moved.train.device.type == moved.test.device.type == "meta"
    for name in ("table", "series", "image"):
        assert data.train.columns[name].values is data.valid.columns[name].values
        assert moved.train.columns[name].values is moved.valid.columns[name].values
        assert moved.train.columns[name].values is not moved.test.columns[name].values


def test_wrong_splits_are_refused(data):
    with pytest.raises(InputError, match="Split 'test' of x has"):
        MultimodalData(
            name="x", modalities=data.modalities, tasks=(), train=data.train, test=data.test.select(["table"])
        )
    with pytest.raises(InputError, match="different names"):
        MultimodalData(name="x", modalities=data.modalities[:1] * 2, tasks=(), train=data.train)
    empty = Split({"a": ModalityColumn(torch.zeros(0, 2))}, {})
    with pytest.raises(InputError, match="Split 'train' of x has no samples"):
        MultimodalData(name="x", modalities=(Modality(name="a", kind="tabular", shape=(2,)),), tasks=(), train=empty)


def test_fingerprint_follows_the_content(tiny_arrays):
    first = from_arrays(tiny_arrays)
    assert first.fingerprint == from_arrays(tiny_arrays, standardise=False).fingerprint
    assert len(first.fingerprint) == 64
    assert first.fingerprint == fingerprint(first.splits())
    tiny_arrays["test/labels"] = 1 - tiny_arrays["test/labels"]
    assert first.fingerprint != from_arrays(tiny_arrays).fingerprint
