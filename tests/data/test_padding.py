"""Zeros at the ends of series: train decides what they are, through whichever door they come, and it is said."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from coral_plugin.adapters.arrays import ArraysSettings, NpzArrays
from coral_plugin.data import from_arrays, from_loaders
from coral_plugin.data.arrays import as_split
from coral_plugin.data.padding import trailing_lengths
from coral_plugin.errors import InputError

COUNTS = {"train": 40, "valid": 10, "test": 20}


@pytest.fixture
def full():
    """Series of one length, no step of which is zero."""
    generator = np.random.default_rng(0)
    return {label: generator.uniform(1, 2, (count, 6, 2)).astype(np.float32) for label, count in COUNTS.items()}


def through_arrays(splits, _folder, kinds=None):
    return from_arrays({f"{label}/a": values for label, values in splits.items()}, kinds=kinds)


def through_a_file(splits, folder, kinds=None):
    np.savez(folder / "x.npz", **{f"{label}/a": values for label, values in splits.items()})
    return NpzArrays.load(str(folder / "x.npz"), ArraysSettings(kinds=kinds or {}))


def through_loaders(splits, _folder, kinds=None):
    loaders = {
        label: DataLoader(TensorDataset(torch.from_numpy(values), torch.arange(len(values)) % 2), batch_size=7)
        for label, values in splits.items()
    }
    return from_loaders(**loaders, modalities=["a"], kinds=kinds)


@pytest.fixture(params=[through_arrays, through_a_file, through_loaders])
def read(request, tmp_path):
    return lambda splits, kinds=None: request.param(splits, tmp_path, kinds)


def test_lengths_end_with_the_last_step_that_is_not_zero():
    values = np.zeros((3, 4, 2))
    values[0, 1, 1], values[1, 3, 0] = 5.0, -1.0
    assert trailing_lengths(values).tolist() == [2, 4, 1]


def test_a_zero_row_in_test_changes_nothing_of_train_and_is_a_value(read, full):
    before = read(full)
    full["test"] = full["test"].copy()
    full["test"][3, -1] = 0
    data = read(full)
    assert data.modalities == before.modalities
    assert data.modalities[0].kind == "timeseries"
    column = data.test.columns["a"]
    assert column.lengths is None
    assert torch.equal(column.values, torch.from_numpy(full["test"]))
    assert before.notes == ()
    assert len(data.notes) == 1
    assert data.notes[0].startswith(
        "a: 1 of 20 samples of test end with rows of zeros, which are values (in train there is no padding); where "
        "they are padding, say kinds={'a': 'sequence'}"
    )


@pytest.mark.parametrize(("padded", "kind"), [(1, "timeseries"), (2, "sequence"), (40, "sequence")])
def test_train_decides_by_the_share_of_its_samples_and_says_how_to_decide_otherwise(read, full, padded, kind):
    full["train"][:padded, 4:] = 0
    data = read(full)
    assert data.modalities[0].kind == kind
    opposite = {"timeseries": "sequence", "sequence": "timeseries"}[kind]
    assert len(data.notes) == 1
    assert data.notes[0].startswith(f"a: {padded} of 40 samples of train end with rows of zeros, which are ")
    assert ("taken for padding" in data.notes[0]) == (kind == "sequence")
    assert f"say kinds={{'a': '{opposite}'}}" in data.notes[0]
    column = read(full, {"a": opposite}).train.columns["a"]
    assert (column.lengths is None) == (opposite == "timeseries")
    if column.lengths is not None:
        assert column.lengths[:padded].tolist() == [4] * padded


def test_leading_zeros_are_values_and_their_place_is_kept(read, full):
    starts = np.arange(40) % 4
    for label, values in full.items():
        for row, start in enumerate(starts[: len(values)]):
            full[label][row, :start] = 0
            full[label][row, start + 2 :] = 0
    data = read(full)
    for label, split in data.splits().items():
        column = split.columns["a"]
        assert torch.equal(column.values, torch.from_numpy(full[label]))
        assert column.lengths.tolist() == (starts[: len(full[label])] + 2).tolist()
    assert [note.partition(",")[0] for note in data.notes] == [
        "a: 40 of 40 samples of train end with rows of zeros",
        "a: 30 of 40 samples of train begin with rows of zeros",
    ]
    new = as_split({"a": full["test"]}, data.modalities)
    assert torch.equal(new.columns["a"].values, torch.from_numpy(full["test"]))
    assert torch.equal(new.columns["a"].lengths, data.test.columns["a"].lengths)


def test_only_samples_that_have_the_modality_count(full):
    full["train"][:10, 3:] = 0
    arrays = {f"train/{name}": full["train"] for name in "ab"}
    flagged = from_arrays(arrays | {"train/a/present": np.arange(40) >= 10})
    assert [m.kind for m in flagged.modalities] == ["timeseries", "sequence"]
    assert not any(note.startswith("a: ") for note in flagged.notes)
    some = from_arrays(arrays | {"train/a/present": np.arange(40) >= 5})
    assert some.notes[0].startswith("a: 5 of 35 samples of train end with rows of zeros, which are taken for padding")


def test_lengths_of_train_leave_nothing_to_guess_but_other_splits_without_lengths(full):
    full["test"][2:, 5:] = 0
    arrays = {f"{label}/a": values for label, values in full.items()} | {"train/a/length": np.arange(40) % 6 + 1}
    data = from_arrays(arrays)
    assert data.train.columns["a"].lengths.tolist() == (np.arange(40) % 6 + 1).tolist()
    assert data.test.columns["a"].lengths.tolist() == [6, 6] + [5] * 18
    assert [note.partition(",")[0] for note in data.notes] == ["a: 18 of 20 samples of test end with rows of zeros"]


def test_lengths_that_train_does_not_have_are_not_passed_over(full):
    arrays = {f"{label}/a": values for label, values in full.items()} | {"test/a/length": np.full(20, 5)}
    with pytest.raises(InputError, match=r"test/a/length is given, but a is of kind timeseries.*--kind a=sequence"):
        from_arrays(arrays)
    assert from_arrays(arrays, kinds={"a": "sequence"}).test.columns["a"].lengths.tolist() == [5] * 20
    assert from_arrays(arrays | {"test/a/length": np.full(20, 6)}).modalities[0].kind == "timeseries"


def test_embedding_keeps_the_zeros_of_series_of_one_length(full):
    modalities = from_arrays({"train/a": full["train"]}).modalities
    full["test"][:, -2:] = 0
    column = as_split({"a": full["test"]}, modalities).columns["a"]
    assert column.lengths is None
    assert torch.equal(column.values, torch.from_numpy(full["test"]))
