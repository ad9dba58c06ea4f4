"""A batch is an ordered mapping that keeps padding, targets and index beside its values."""

from dataclasses import replace

import pytest
import torch

from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import InputError


@pytest.fixture
def batch():
    return MultimodalBatch(
        tensors={"text": torch.randn(4, 5, 2), "table": torch.randn(4, 3)},
        padding={"text": torch.zeros(4, 5, dtype=torch.bool)},
        targets={"label": torch.arange(4)},
        index=torch.arange(4),
    )


def test_mapping(batch):
    assert list(batch) == ["text", "table"]
    assert len(batch) == 2
    assert batch["table"] is batch.tensors["table"]
    assert dict(batch.items()).keys() == batch.tensors.keys()
    assert "audio" not in batch
    assert (batch.size, batch.device.type) == (4, "cpu")
    assert MultimodalBatch({}).size == 0


def test_select_keeps_what_belongs(batch):
    table = batch.select(["table"])
    assert (list(table), table.padding, table.targets) == (["table"], {}, batch.targets)
    assert list(batch.select(("table", "text"))) == ["table", "text"]
    assert batch.select(["text"]).padding["text"] is batch.padding["text"]
    with pytest.raises(InputError, match="lacks audio; it has text, table"):
        batch.select(["audio", "text"])


def test_to_moves_everything(batch):
    moved = batch.to("meta")
    tensors = [*moved.values(), *moved.padding.values(), *moved.targets.values(), moved.index]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert MultimodalBatch(batch.tensors).to("cpu").index is None


def test_a_view_has_other_values_only(batch):
    values = {name: value + 1 for name, value in batch.items()}
    view = batch.with_values(values)
    assert view["text"] is values["text"]
    assert (view.padding, view.index) == (batch.padding, batch.index)


def test_unequal_sizes_are_refused():
    with pytest.raises(InputError, match=r"same number of samples, got {'a': 2, 'b': 3}"):
        MultimodalBatch({"a": torch.zeros(2, 1), "b": torch.zeros(3, 1)})


def test_padding_that_fits_nothing_is_refused():
    mask = torch.zeros(2, 4, dtype=torch.bool)
    with pytest.raises(InputError, match=r"Padding of 'a' is \(2, 4\), but its values are \(2, 3, 1\)"):
        MultimodalBatch({"a": torch.zeros(2, 3, 1)}, {"a": mask})
    with pytest.raises(InputError, match="no values"):
        MultimodalBatch({"a": torch.zeros(2, 3, 1)}, {"b": mask})


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.float32])
def test_masks_are_bool(dtype):
    values = {"a": torch.zeros(2, 3, 1)}
    with pytest.raises(InputError, match=f"Padding of 'a' must be bool, True where a step is padding, got {dtype}"):
        MultimodalBatch(values, {"a": torch.zeros(2, 3, dtype=dtype)})
    with pytest.raises(InputError, match=f"Presence of 'a' must be bool, True where .* modality, got {dtype}"):
        MultimodalBatch(values, present={"a": torch.ones(2, dtype=dtype)})


def test_a_loader_pins_everything(batch, monkeypatch):
    from torch.utils.data._utils.pin_memory import pin_memory

    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor.clone())
    batch = replace(batch, present={"table": torch.ones(4, dtype=torch.bool)})
    copy = pin_memory(batch)
    assert len(pinned) == 6
    assert (copy.padding.keys(), copy.targets.keys(), copy.present.keys()) == ({"text"}, {"label"}, {"table"})
    assert torch.equal(copy.index, batch.index)


def test_what_is_computed_once_is_kept_for_this_batch_and_these_values(batch):
    calls = []

    def compute():
        calls.append(0)
        return batch["table"].sum()

    first = batch.once("sum", batch["table"], compute)
    assert batch.once("sum", batch["table"], compute) is first
    assert len(calls) == 1
    batch.once("another", batch["table"], compute)
    batch.select(["table"]).once("sum", batch["table"], compute)
    batch.with_values(dict(batch)).once("sum", batch["table"], compute)
    assert len(calls) == 4
    # other values of the same shape, which nobody has changed either
    batch.once("sum", batch["table"].clone(), compute)
    batch.once("sum", batch["table"], compute)
    assert len(calls) == 6
    batch["table"].add_(1)
    assert batch.once("sum", batch["table"], compute) == batch["table"].sum()
    assert batch.once("sum", batch["table"].clone(), compute) is not first
    assert len(calls) == 8


def test_values_whose_changes_torch_does_not_count_are_not_kept():
    with torch.inference_mode():
        batch = MultimodalBatch({"x": torch.zeros(2, 1)})
        before = batch.once("sum", batch["x"], batch["x"].sum)
        batch["x"].add_(1)
        assert (before, batch.once("sum", batch["x"], batch["x"].sum)) == (0, 2)
