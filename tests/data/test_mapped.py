"""Memory-mapped arrays: what is read batch by batch is what the same arrays in memory give."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from coral_plugin.data import ModalityColumn, from_arrays
from coral_plugin.data.arrays import as_split
from coral_plugin.data.split import Split
from coral_plugin.data.stored import StoredValues
from coral_plugin.errors import InputError
from coral_plugin.io.mapped import map_npy, mapping_of, pieces
from coral_plugin.runs.columns import pack


@pytest.fixture
def mapped(tmp_path):
    """A function that puts arrays into files and returns their mappings; labels and flags stay in memory."""

    def write(arrays):
        written = dict(arrays)
        for number, (key, array) in enumerate(arrays.items()):
            if key.count("/") == 1 and not key.endswith("labels"):
                np.save(tmp_path / f"{number}.npy", array)
                written[key] = map_npy(tmp_path / f"{number}.npy")
        return written

    return write


def assert_same(stored, held):
    assert stored.fingerprint == held.fingerprint
    assert stored.modalities == held.modalities
    assert stored.notes == held.notes
    for label, split in held.splits().items():
        index = torch.tensor([5, 0, 3])
        batch, other = stored.splits()[label].batch(index), split.batch(index)
        for name, values in other.items():
            assert isinstance(stored.splits()[label].columns[name].values, StoredValues)
            assert torch.equal(batch[name], values)
            assert batch[name].dtype == values.dtype
        assert set(batch.padding) == set(other.padding)
        assert all(torch.equal(batch.padding[name], mask) for name, mask in other.padding.items())
        assert all(torch.equal(batch.present[name], flags) for name, flags in other.present.items())


def test_kinds_padding_statistics_and_fingerprint_are_those_of_memory(tiny_arrays, mapped):
    assert_same(from_arrays(mapped(tiny_arrays)), from_arrays(tiny_arrays))


def test_layouts_types_and_offsets_are_converted_as_a_batch_is_taken(mapped):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 40), ("test", 8)):
        arrays[f"{split}/photo"] = rng.integers(0, 256, (count, 12, 10, 3), dtype=np.uint8)
        arrays[f"{split}/gray"] = rng.integers(0, 256, (count, 9, 9))
        arrays[f"{split}/time"] = 1.7e9 + rng.normal(size=(count, 2))
        arrays[f"{split}/frames"] = rng.normal(size=(count, 6, 2, 3)).astype(np.float16)
    kinds = {"frames": "timeseries"}
    stored = from_arrays(mapped(arrays), kinds=kinds)
    assert stored.modalities[2].offset is not None
    assert_same(stored, from_arrays(arrays, kinds=kinds))


def test_missing_modalities_are_zero_and_their_rows_are_never_looked_at(mapped):
    rng = np.random.default_rng(0)
    arrays = {"train/a": rng.normal(size=(30, 4, 2)), "train/b": rng.normal(size=(30, 3)) + 1e8}
    present = np.arange(30) % 3 > 0
    arrays["train/a"][~present] = np.nan
    arrays["train/b"][~present[::-1]] = np.inf
    arrays["train/a"][::4, 3] = 0
    arrays |= {"train/a/present": present, "train/b/present": present[::-1]}
    arrays["train/a/present"] |= ~arrays["train/b/present"]
    arrays["train/a"] = np.nan_to_num(arrays["train/a"], nan=7.0)
    arrays["train/a"][~arrays["train/a/present"]] = np.nan
    assert_same(from_arrays(mapped(arrays)), from_arrays(arrays))


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_padding_may_hold_anything(mapped, precision):
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 6, 30)
    zeros = {"train/a": rng.normal(size=(30, 6, 2)).astype(precision), "train/a/length": lengths}
    padding = np.arange(6) >= lengths[:, None]
    zeros["train/a"][padding] = 0
    for fill in (np.nan, np.inf, -999, *([1e300] if precision == np.float64 else [])):
        filled = {**zeros, "train/a": zeros["train/a"].copy()}
        filled["train/a"][padding] = fill
        before = filled["train/a"].copy()
        assert_same(from_arrays(mapped(filled)), from_arrays(zeros))
        held = from_arrays(filled)
        assert torch.equal(held.train.columns["a"].values, from_arrays(zeros).train.columns["a"].values)
        assert held.modalities == from_arrays(zeros).modalities
        np.testing.assert_array_equal(filled["train/a"], before, err_msg="the user's array is left as it is")
        packed = pack({"a": filled["train/a"], "a/length": lengths})
        assert len(as_split({key: packed[key] for key in packed.dtype.names}, held.modalities)) == 30
    filled["train/a"][0, 0, 0] = np.nan
    for version in (filled, mapped(filled)):
        with pytest.raises(InputError, match=r"train/a holds 1 value .* \(nan\) at \[0, 0, 0\]"):
            from_arrays(version)


def test_values_that_are_not_finite_are_named_as_in_memory(mapped, monkeypatch):
    arrays = {"train/a": np.zeros((40, 3), np.float32)}
    arrays["train/a"][17, 1] = np.nan
    monkeypatch.setattr("coral_plugin.io.mapped.PIECE", 60)
    stored = mapped(arrays)
    assert [start for start, _ in pieces(stored["train/a"])] == list(range(0, 40, 5))
    for version in (arrays, stored):
        with pytest.raises(InputError, match=r"train/a holds 1 value .* \(nan\) at \[17, 1\]"):
            from_arrays(version)


def test_a_pickle_holds_the_place_in_the_file_and_no_values(mapped):
    arrays = {"train/photo": np.random.default_rng(0).integers(0, 256, (64, 40, 40, 3), dtype=np.uint8)}
    split = from_arrays(mapped(arrays)).train
    content = pickle.dumps(split)
    assert len(content) < 10_000
    loaded = pickle.loads(content)
    assert mapping_of(loaded.columns["photo"].values.read.array) is not None
    index = torch.tensor([63, 7])
    assert torch.equal(loaded.batch(index)["photo"], split.batch(index)["photo"])


def test_a_mapping_that_may_be_changed_without_its_file_is_held_in_memory(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 2), np.float32))
    private = np.load(tmp_path / "a.npy", mmap_mode="c")
    private[0] = 5
    column = from_arrays({"train/a": private}).train.columns["a"]
    assert isinstance(column.values, torch.Tensor)
    assert column.values[0].tolist() == [5, 5]


def test_a_file_that_is_stored_column_by_column_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(np.zeros((4, 3))))
    with pytest.raises(InputError, match="ascontiguousarray"):
        map_npy(tmp_path / "a.npy")


def test_stored_values_go_where_the_split_goes(mapped):
    split = from_arrays(mapped({"train/a": np.arange(12.0, dtype=np.float32).reshape(6, 2)})).train
    moved = split.to("meta")
    assert moved.device.type == "meta"
    assert split.subset(torch.tensor([4, 2])).batch(torch.tensor([1]))["a"].tolist() == [[4, 5]]
    assert len(replace(split, columns={"a": split.columns["a"]})) == 6


def test_no_warning_about_memory_that_is_read_only(mapped):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = from_arrays(mapped({"train/a": np.random.default_rng(0).normal(size=(30, 2))}))
        assert isinstance(data.train, Split)
        assert isinstance(data.train.columns["a"], ModalityColumn)
        data.train.batch(torch.tensor([0, 1]))
