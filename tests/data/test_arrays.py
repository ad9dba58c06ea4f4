"""From arrays to a data set: kinds, padding, statistics, labels, splits, and every refusal."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coral_plugin.data import Modality, Task, from_arrays, split_off
from coral_plugin.data.arrays import as_split
from coral_plugin.errors import InputError


def without(arrays, *starts):
    return {key: value for key, value in arrays.items() if not key.startswith(starts)}


def series(lengths, steps, before):
    """Series of ``lengths`` with ``before`` rows of zeros in front, and the rest behind; no inner row is zero."""
    values = np.zeros((len(lengths), steps, 2), dtype=np.float32)
    for row, (length, start) in enumerate(zip(lengths, before, strict=True)):
        values[row, start : start + length] = 1 + row + np.arange(2 * length).reshape(length, 2)
    return values


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_zeros_behind_are_padding_and_zeros_in_front_are_values(draw):
    steps = draw.draw(st.integers(1, 6))
    lengths = draw.draw(st.lists(st.integers(1, steps), min_size=1, max_size=5))
    before = [draw.draw(st.integers(0, steps - length)) for length in lengths]
    values, ends = series(lengths, steps, before), np.add(before, lengths)
    made = [from_arrays({"train/a": values}), from_arrays({"train/a": values, "train/a/length": ends})]
    for data in made:
        column = data.train.columns["a"]
        assert torch.equal(column.values, torch.from_numpy(values))
        assert (column.lengths is None) == (data.modalities[0].kind == "timeseries") == (min(ends) == steps)
        if min(ends) < steps:
            assert column.lengths.tolist() == ends.tolist()
    assert len({(data.fingerprint, data.modalities) for data in made}) == 1


def test_kinds_follow_the_dimensions(tiny_arrays):
    data = from_arrays(tiny_arrays)
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("table", "tabular", (5,)),
        ("series", "sequence", (6, 4)),
        ("image", "image", (3, 8, 8)),
    ]
    full = tiny_arrays | {"train/series": np.ones((24, 6, 4))}
    assert from_arrays(full).modalities[1].kind == "timeseries", "what test and valid hold decides nothing"
    assert from_arrays(full, kinds={"series": "sequence"}).modalities[1].kind == "sequence"
    forced = from_arrays(tiny_arrays, kinds={"series": "timeseries"})
    assert forced.train.columns["series"].lengths is None


def test_inner_zeros_and_samples_of_zeros_only():
    values = np.zeros((2, 5, 1))
    values[0, [1, 3]] = 1
    column = from_arrays({"train/a": values}).train.columns["a"]
    assert column.lengths.tolist() == [4, 1]
    assert column.values[0, :, 0].tolist() == [0, 1, 0, 1, 0]


def test_given_lengths_overrule_zeros():
    values = np.ones((2, 4, 1))
    values[0, 0] = 0
    column = from_arrays({"train/a": values, "train/a/length": np.array([3, 2])}).train.columns["a"]
    assert column.lengths.tolist() == [3, 2]
    assert column.values[..., 0].tolist() == [[0, 1, 1, 0], [1, 1, 0, 0]]


def test_statistics_are_those_of_trains_valid_steps(tiny_arrays):
    data = from_arrays(tiny_arrays)
    steps = [row[: 1 + np.flatnonzero(row.any(axis=1))[-1]].astype(np.float64) for row in tiny_arrays["train/series"]]
    naive = {
        "table": tiny_arrays["train/table"].astype(np.float64),
        "series": np.concatenate(steps),
        "image": np.moveaxis(tiny_arrays["train/image"] / 255, 1, -1).reshape(-1, 3),
    }
    for modality in data.modalities:
        assert modality.mean == pytest.approx(naive[modality.name].mean(0), rel=1e-6)
        assert modality.std == pytest.approx(naive[modality.name].std(0), rel=1e-6)


def test_statistics_leave_a_carved_valid_split_out(tiny_arrays):
    data = from_arrays(without(tiny_arrays, "valid"))
    kept = data.train.columns["table"].rows.numpy()
    assert len(kept) < 24
    assert data.modalities[0].mean == pytest.approx(tiny_arrays["train/table"][kept].mean(0), rel=1e-5)


def test_statistics_of_many_samples_far_from_zero():
    """More than one piece, and features whose deviation a difference of squares would lose."""
    values = 1e6 + np.random.default_rng(0).normal(size=(3000, 2))
    modality = from_arrays({"train/a": values.astype(np.float32)}).modalities[0]
    assert modality.std == pytest.approx(values.astype(np.float32).astype(np.float64).std(0), rel=1e-9)


def test_values_stay_as_they_are_and_may_stay_unscaled(tiny_arrays):
    data = from_arrays(tiny_arrays)
    assert torch.equal(data.test.columns["table"].values, torch.from_numpy(tiny_arrays["test/table"]))
    assert all(m.mean is m.std is None for m in from_arrays(tiny_arrays, standardise=False).modalities)


def test_a_constant_feature_keeps_its_scale():
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    values[:, 1] = 0.1
    modality = from_arrays({"train/a": values}).modalities[0]
    assert modality.std[1] == 1.0
    assert torch.isfinite(modality.standardise(torch.from_numpy(values))).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16])
def test_whole_numbers_of_images_are_pixels(dtype):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 1, 4, 4)).astype(dtype)
    pixels.flags.writeable = False
    data = from_arrays({"train/a": pixels})
    assert data.train.columns["a"].values.dtype == torch.uint8
    assert torch.allclose(data.train.batch(torch.arange(3))["a"], torch.from_numpy(pixels / 255).float())


def test_floats_of_images_stay_and_odd_ranges_are_said():
    values = np.random.default_rng(0).random((3, 1, 4, 4))
    assert from_arrays({"train/a": values}).notes == ()
    assert "shares of that range, 0 to 1" in from_arrays({"train/a": values * 255}).notes[0]


def test_inputs_may_be_tensors_lists_and_other_byte_orders(tiny_arrays):
    table = tiny_arrays["train/table"]
    made = [table, torch.from_numpy(table).requires_grad_(), table.tolist(), table.astype(">f4"), table.astype("f8")]
    assert len({from_arrays({"train/a": value}).fingerprint for value in made}) == 1


@pytest.mark.parametrize(
    ("labels", "kind", "classes", "shape"),
    [
        (np.arange(24) % 3, "classification", 3, (24,)),
        ((np.arange(24) % 2 == 0), "classification", 2, (24,)),
        ((np.arange(24) % 3)[:, None].astype(np.uint8), "classification", 3, (24,)),
        (np.linspace(-1, 1, 24), "regression", 1, (24,)),
        (np.linspace(-1, 1, 48).reshape(24, 2).astype(np.float16), "regression", 2, (24, 2)),
        (np.arange(72).reshape(24, 3) % 2, "multilabel", 3, (24, 3)),
    ],
)
def test_labels(tiny_arrays, labels, kind, classes, shape):
    data = from_arrays({"train/table": tiny_arrays["train/table"], "train/labels": labels}, valid_share=0.25)
    target = torch.cat([data.train.targets["label"], data.valid.targets["label"]])
    assert (data.tasks[0].kind, len(data.tasks[0].classes), tuple(target.shape)) == (kind, classes, shape)
    assert target.dtype == (torch.float32 if kind == "regression" else torch.int64)


def test_without_labels_nothing_is_carved(tiny_arrays):
    data = from_arrays({"train/table": tiny_arrays["train/table"]})
    assert (data.tasks, data.valid, data.test, data.notes) == ((), None, None, ())
    assert data.train.targets == {}


def test_class_names(tiny_arrays):
    assert from_arrays(tiny_arrays | {"classes": np.array([b"no", b"yes"])}).tasks[0].classes == ("no", "yes")
    assert from_arrays(tiny_arrays | {"classes": ["a", "b", "never seen"]}).tasks[0].classes == ("a", "b", "never seen")


def test_floats_that_look_like_classes_are_said(tiny_arrays):
    labels = {key: value.astype(float) for key, value in tiny_arrays.items() if key.endswith("labels")}
    data = from_arrays(tiny_arrays | labels)
    assert data.tasks[0].kind == "regression"
    wanted = "taken as regression; save integers, or for classes say task='classification'"
    assert any(wanted in note for note in data.notes)


def test_carving_is_stratified_disjoint_and_seeded(tiny_arrays):
    arrays = {"train/a": np.arange(200.0).reshape(100, 2), "train/labels": np.repeat([0, 1], [80, 20])}
    data = from_arrays(arrays, valid_share=0.2, seed=5)
    train, valid = (split.columns["a"].rows.tolist() for split in (data.train, data.valid))
    assert sorted(train + valid) == list(range(100))
    assert torch.bincount(data.valid.targets["label"]).tolist() == [16, 4]
    assert data.notes == ("no valid split: 20 of train's samples were set aside (stratified, seed 5)",)
    assert from_arrays(arrays, valid_share=0.2, seed=5).fingerprint == data.fingerprint
    assert from_arrays(arrays, valid_share=0.2, seed=6).fingerprint != data.fingerprint


def test_carving_that_cannot_be():
    data = from_arrays(
        {"train/a": np.eye(4), "valid/a": np.eye(4)} | {f"{s}/labels": range(4) for s in ("train", "valid")}
    )
    task = Task(name="label", kind="classification", classes=tuple("abcd"))
    with pytest.raises(
        InputError, match=r"Cannot set a valid split aside from 4 training samples: .* Give a valid split"
    ):
        split_off(data.train, task, 0.5, 0)
    with pytest.raises(InputError, match=r"must lie between 0 and 1, got 1\.5"):
        split_off(data.train, task, 1.5, 0)


TRAIN = np.ones((4, 3, 2), dtype=np.float32)
CLASSES = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "mine has no train split: .* It has nothing"),
        ({"test/a": TRAIN}, "no train split: .* It has test/a"),
        ({"train/labels": CLASSES}, "the train split has no modality"),
        ({"train": TRAIN}, "unknown key 'train'"),
        ({"train/a": TRAIN, "val/a": TRAIN}, r"unknown key 'val/a'. Did you mean 'valid'\? Keys"),
        ({"a": TRAIN}, "unknown key 'a'. Keys are <split>/<modality>"),
        ({3: TRAIN}, "unknown key '3'"),
        ({"train/a": TRAIN, "train/a/mask": TRAIN}, "unknown key 'train/a/mask'"),
        ({"train/a": TRAIN, "train/": TRAIN}, "unknown key 'train/'"),
        (
            {"train/a": TRAIN, "train/labels": CLASSES, "train/labels/length": CLASSES},
            "unknown key 'train/labels/length'",
        ),
        (
            {"train/a": TRAIN, "train/b/length": CLASSES + 1},
            "train/b/length gives lengths for a modality that is not there",
        ),
        ({"train/a": np.array(["x"])}, "train/a is of type <U1; only numbers"),
        ({"train/a": TRAIN * 1j}, "complex"),
        ({"train/a": [[1], [1, 2]]}, "train/a is no array of numbers"),
        ({"train/a": 3.0}, r"train/a is empty \(shape \(\)\)"),
        ({"train/a": np.zeros((0, 3))}, "train/a is empty"),
        ({"train/a": TRAIN * np.inf}, r"holds 24 values that are not finite, the first \(inf\) at \[0, 0, 0\]"),
        ({"train/a": np.full((4, 2), 1e300)}, r"train/a holds 1e\+300, which a 32-bit float cannot hold"),
        ({"train/a": np.ones(4)}, r"train/a has shape \(4,\); give \(N, d\)"),
        ({"train/a": np.ones((4, 1, 1, 1, 1))}, r"give \(N, d\) tabular, \(N, T, d\) series or \(N, C, H, W\)"),
        ({"train/a": np.full((4, 1, 2, 2), 256)}, "whole numbers from 256 to 256, but pixels are 0 to 255"),
        ({"train/a": np.ones((4, 1, 2, 2), dtype=int), "test/a": np.ones((4, 1, 2, 2))}, "save all splits in one way"),
        ({"train/a": TRAIN, "test/a": TRAIN[..., :1]}, r"test/a has samples of shape \(3, 1\), train has \(3, 2\)"),
        ({"train/a": TRAIN, "test/b": TRAIN}, "split test lacks modality a"),
        ({"train/a": TRAIN, "test/a": TRAIN, "test/b": TRAIN}, "split test has modality b, which train lacks"),
        ({"train/a,b": TRAIN}, "plain text"),
        ({"train/a": TRAIN, "train/a/length": CLASSES}, "length must be from 1 to 3, got 0 to 1"),
        ({"train/a": TRAIN, "train/a/length": CLASSES + 3}, "length must be from 1 to 3, got 3 to 4"),
        ({"train/a": TRAIN, "train/a/length": CLASSES + 1.0}, r"integers of shape \(4,\), got float64"),
        ({"train/a": TRAIN[:, 0], "train/a/length": CLASSES + 1}, "a is of kind tabular, of one length"),
        ({"train/a": TRAIN, "train/labels": CLASSES[:3]}, "unequal numbers of samples: train/a 4, train/labels 3"),
        (
            {"train/a": TRAIN, "train/labels": CLASSES, "test/a": TRAIN},
            "test/labels is missing, while train/labels is there",
        ),
        (
            {"train/a": TRAIN, "test/labels": CLASSES, "test/a": TRAIN},
            "train/labels is missing, while test/labels is there",
        ),
        (
            {"train/a": TRAIN, "train/labels": CLASSES, "test/a": TRAIN, "test/labels": CLASSES * 1.0},
            "one type and shape in every split",
        ),
        ({"train/a": TRAIN, "train/labels": np.ones((4, 2, 2))}, "one type and shape in every split"),
        (
            {"train/a": TRAIN, "train/labels": np.full(4, 2**64 - 1, dtype=np.uint64)},
            r"one class only \(18446744073709551615\)",
        ),
        ({"train/a": TRAIN, "train/labels": CLASSES * 0}, "one class only"),
        ({"train/a": TRAIN, "train/labels": np.full((4, 2), 2)}, r"0 or 1 \(multilabel\), got values from 2 to 2"),
        ({"train/a": TRAIN, "train/labels": np.full(4, 1e300)}, "train/labels holds values that a 32-bit float"),
        ({"train/a": TRAIN, "train/labels": CLASSES, "classes": ["a"]}, "classes has 1 names, but the labels need 2"),
        ({"train/a": TRAIN, "train/labels": CLASSES, "classes": ["a", "a"]}, "classes needs different names"),
    ],
)
def test_refusals(arrays, message):
    with pytest.raises(InputError, match=message) as caught:
        from_arrays(arrays, name="mine")
    assert "\n" not in str(caught.value)


def test_kinds_that_do_not_fit(tiny_arrays):
    with pytest.raises(InputError, match="a kind is given for audio, but the modalities are table, series, image"):
        from_arrays(tiny_arrays, kinds={"audio": "sequence"})
    with pytest.raises(InputError, match=r"'table' of \(N, 5\) cannot be of kind image; give another kind"):
        from_arrays(tiny_arrays, kinds={"table": "image"})


def test_as_split_treats_new_data_as_the_run_did(tiny_arrays):
    data = from_arrays(tiny_arrays)
    fresh = {key.removeprefix("test/"): value for key, value in tiny_arrays.items() if key.startswith("test/")}
    split = as_split(fresh, data.modalities)
    for name, column in data.test.columns.items():
        assert torch.equal(split.columns[name].values, column.values)
    assert torch.equal(split.columns["series"].lengths, data.test.columns["series"].lengths)
    longer = as_split(fresh | {"series": np.ones((8, 9, 4)), "series/length": np.full(8, 7)}, data.modalities)
    assert longer.columns["series"].lengths.tolist() == [7] * 8


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"b": TRAIN}, "new has no modality 'a'; it has b"),
        ({}, "it has nothing"),
        ({"a": TRAIN[..., :1]}, r"new: a has samples of shape \(3, 1\), the run was trained on \(3, 2\)"),
        ({"a": TRAIN * np.nan}, "not finite"),
        ({"a": TRAIN, "a/length": np.ones(3, dtype=int)}, "unequal numbers of samples: a 4, a/length 3"),
        ({"a": TRAIN, "a/length": np.ones(4, dtype=int)}, "a is of kind timeseries, of one length"),
    ],
)
def test_as_split_refuses(arrays, message):
    with pytest.raises(InputError, match=message):
        as_split(arrays, (Modality(name="a", kind="timeseries", shape=(3, 2)),), "new")
