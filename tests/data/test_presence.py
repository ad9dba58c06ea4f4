"""Samples that lack a modality: flags, what they hide, statistics, and every refusal."""

import numpy as np
import pytest
import torch

from coral_plugin.data import Modality, ModalityColumn, MultimodalData, Split, from_arrays
from coral_plugin.data.arrays import as_split
from coral_plugin.errors import InputError


@pytest.fixture
def flagged(tiny_arrays):
    """The tiny arrays, each modality absent in some samples of each split, and NaN or odd values there."""
    arrays = dict(tiny_arrays)
    for split, count in (("train", 24), ("valid", 8), ("test", 8)):
        for offset, name in enumerate(("table", "series", "image")):
            arrays[f"{split}/{name}/present"] = np.arange(count) % 3 != offset
    return arrays


def hidden(arrays, fill):
    """``arrays`` with other values wherever a sample lacks a modality."""
    changed = dict(arrays)
    for key, flags in arrays.items():
        if key.endswith("/present"):
            values = arrays[key.removesuffix("/present")].copy()
            values[~flags] = fill if values.dtype.kind == "f" else 255
            changed[key.removesuffix("/present")] = values
    return changed


@pytest.mark.parametrize("fill", [np.nan, np.inf, -1e30])
def test_what_absent_rows_hold_changes_nothing(flagged, fill):
    plain, odd = from_arrays(hidden(flagged, 0)), from_arrays(hidden(flagged, fill))
    assert plain.modalities == odd.modalities
    assert plain.fingerprint == odd.fingerprint
    for name, column in odd.train.columns.items():
        assert not column.values[~column.present].any(), name


def test_statistics_are_those_of_the_rows_that_are_there(flagged):
    data = from_arrays(hidden(flagged, np.nan))
    present = flagged["train/table"][flagged["train/table/present"]].astype(np.float64)
    assert data.modalities[0].mean == pytest.approx(present.mean(0), rel=1e-6)
    assert data.modalities[0].std == pytest.approx(present.std(0), rel=1e-6)
    series = flagged["train/series"][flagged["train/series/present"]]
    steps = np.concatenate([row[: 1 + np.flatnonzero(row.any(axis=1))[-1]] for row in series]).astype(np.float64)
    assert data.modalities[1].mean == pytest.approx(steps.mean(0), rel=1e-6)
    pixels = np.moveaxis(flagged["train/image"][flagged["train/image/present"]] / 255, 1, -1).reshape(-1, 3)
    assert data.modalities[2].std == pytest.approx(pixels.std(0), rel=1e-6)


def test_the_fingerprint_includes_the_flags_and_flags_without_an_absence_are_none(flagged, tiny_arrays):
    plain = from_arrays(tiny_arrays)
    assert from_arrays(hidden(flagged, 0)).fingerprint != plain.fingerprint
    other = dict(hidden(flagged, 0))
    other["test/table/present"] = other["test/table/present"].copy()
    other["test/table/present"][0] = True
    assert from_arrays(other).fingerprint != from_arrays(hidden(flagged, 0)).fingerprint
    full = tiny_arrays | {"train/table/present": np.ones(24, dtype=bool)}
    assert from_arrays(full).fingerprint == plain.fingerprint
    assert from_arrays(full).train.columns["table"].present is None


def test_batches_carry_the_flags(flagged):
    data = from_arrays(flagged)
    batch = data.test.batch(torch.tensor([0, 1, 4]))
    assert {name: present.tolist() for name, present in batch.present.items()} == {
        "table": [False, True, True],
        "series": [True, False, False],
        "image": [True, True, True],
    }
    assert batch["series"].shape[1] == int((~batch.padding["series"]).sum(1).max())
    assert data.test.subset(torch.tensor([1, 2])).presence()["series"].tolist() == [False, True]
    assert list(data.test.subset(torch.tensor([1, 4])).presence()) == ["series"]


def test_the_length_of_absent_rows_is_not_checked_and_says_nothing_about_the_kind():
    values = np.ones((4, 3, 2))
    values[1] = np.nan
    present = np.array([True, False, True, True])
    data = from_arrays({"train/a": values, "train/b": np.ones((4, 2)), "train/a/present": present})
    assert data.modalities[0].kind == "timeseries"
    assert data.train.columns["a"].lengths is None
    lengths = np.array([2, -5, 3, 1])
    data = from_arrays(
        {"train/a": values, "train/b": np.ones((4, 2)), "train/a/present": present, "train/a/length": lengths}
    )
    assert data.modalities[0].kind == "sequence"
    assert data.train.columns["a"].lengths.tolist() == [2, 1, 3, 1]
    new = {"a": values, "b": np.ones((4, 2)), "a/present": present.astype(np.uint8), "a/length": lengths}
    split = as_split(new, data.modalities)
    assert split.columns["a"].lengths.tolist() == [2, 1, 3, 1]
    assert split.columns["a"].presence().tolist() == present.tolist()


def test_what_is_missing_is_said_once_a_split(flagged):
    notes = [note for note in from_arrays(flagged).notes if "lack a modality" in note]
    assert notes == [
        f"of {count} samples of {split} some lack a modality: table in {a}, series in {b}, image in {c}"
        for split, count, a, b, c in (("train", 24, 8, 8, 8), ("valid", 8, 3, 3, 2), ("test", 8, 3, 3, 2))
    ]


def test_floats_of_absent_images_say_nothing_about_their_range():
    image = np.random.default_rng(0).random((4, 1, 4, 4))
    image[0] = 900
    arrays = {"train/a": image, "train/b": np.ones((4, 2)), "train/a/present": np.arange(4) > 0}
    assert not any("expect [0, 1]" in note for note in from_arrays(arrays).notes)


def test_a_modality_may_be_absent_everywhere_but_in_train(tiny_arrays):
    arrays = tiny_arrays | {"test/table": np.full((8, 5), np.nan), "test/table/present": np.zeros(8, dtype=bool)}
    data = from_arrays(arrays)
    assert not data.test.columns["table"].presence().any()
    arrays |= {"train/table/present": np.zeros(24, dtype=bool)}
    with pytest.raises(InputError, match="no sample of train has modality table"):
        from_arrays(arrays)


A, B, FLAGS = np.ones((3, 2)), np.ones((3, 4)), np.array([True, False, True])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train/a/present": FLAGS * 1.0}, r"train/a/present must say .* True or False \(N,\); got float64"),
        ({"train/a/present": FLAGS * 2}, "train/a/present must say for each sample"),
        ({"train/a/present": FLAGS[:, None]}, r"got bool \(3, 1\)"),
        ({"train/a/present": FLAGS[:2]}, "unequal numbers of samples: .*train/a/present 2"),
        ({"train/c/present": FLAGS}, "train/c/present gives presence for a modality that is not there"),
        ({"train/labels": np.arange(3), "train/labels/present": FLAGS}, "unknown key 'train/labels/present'"),
        ({"train/a/present/x": FLAGS}, "unknown key 'train/a/present/x'"),
        (
            {"train/a/present": FLAGS, "train/b/present": ~FLAGS & False | np.array([True, False, False])},
            "mine: sample 1 of train has no modality at all, as 1 of 3 there; leave them out",
        ),
        ({"train/a": np.full((3, 2), np.nan), "train/a/present": FLAGS}, "train/a holds 4 values that are not finite"),
        ({"test/a": A, "train/a/present": FLAGS}, "split test lacks modality b, .* test/b/present, all False"),
    ],
)
def test_refusals(arrays, message):
    with pytest.raises(InputError, match=message) as caught:
        from_arrays({"train/a": A, "train/b": B, **arrays}, name="mine")
    assert "\n" not in str(caught.value)


def test_a_selection_that_leaves_a_sample_with_nothing_is_refused(flagged):
    data = from_arrays(flagged)
    assert [m.name for m in data.select(["image", "table"]).modalities] == ["image", "table"]
    with pytest.raises(InputError, match="Sample 0 of split 'train' of arrays has none of table, as 8 of 24 there"):
        data.select(["table"])


def test_any_adapter_that_brings_a_sample_without_modalities_is_refused():
    modalities = (Modality(name="a", kind="tabular", shape=(2,)),)
    split = Split({"a": ModalityColumn(torch.zeros(3, 2), present=torch.tensor([True, True, False]))}, {})
    with pytest.raises(InputError, match="Sample 2 of split 'train' of x has none of a"):
        MultimodalData(name="x", modalities=modalities, tasks=(), train=split)


MODALITIES = (
    Modality(name="a", kind="tabular", shape=(2,)),
    Modality(name="s", kind="sequence", shape=(5, 3)),
    Modality(name="i", kind="image", shape=(3, 8, 8)),
)


def test_new_data_may_leave_modalities_out():
    split = as_split({"a": np.ones((4, 2))}, MODALITIES)
    assert list(split.columns) == ["a", "s", "i"]
    assert {name: present.any().item() for name, present in split.presence().items()} == {"s": False, "i": False}
    batch = split.batch(torch.arange(4))
    assert {name: tuple(value.shape) for name, value in batch.items()} == {
        "a": (4, 2),
        "s": (4, 1, 3),
        "i": (4, 3, 8, 8),
    }
    assert split.columns["i"].values.numel() == 3 * 8 * 8, "no memory for what is not there"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"b": A}, "new has no modality 'a', 's', 'i'; it has b"),
        ({"a": A, "S": B}, "new has no modality 's', but 'S'; call it as the run does, or leave it out"),
        ({"a": A, "s/present": FLAGS}, "s/present is given without s"),
        ({"a": A, "a/present": FLAGS}, "new: sample 1 has no modality at all"),
        ({"a": A * np.nan, "a/present": FLAGS}, "not finite"),
    ],
)
def test_new_data_refused(arrays, message):
    with pytest.raises(InputError, match=message):
        as_split(arrays, MODALITIES, "new")
