"""Labels in the forms that users have: what they stand for, under which names, and what is said of them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from coral_plugin.data import Modality, ModalityColumn, MultimodalData, Split, Task, from_arrays, from_loaders
from coral_plugin.data.labels import read_labels
from coral_plugin.errors import InputError

Y = np.array([0, 1, 2, 2, 1, 0] * 4)
TEST = np.array([2, 0, 1, 1])
WORDS = np.array(["cat", "dog", "owl"])


def read(train, test, **options):
    classes = {} if (given := options.pop("classes", None)) is None else {"classes": given}
    values = {"train/a": np.ones((len(train), 2)), "test/a": np.ones((len(test), 2))}
    return from_arrays({**values, "train/labels": train, "test/labels": test, **classes}, **options)


def targets(data):
    """Targets of train (as it was before valid was set aside) and of test."""
    order = torch.cat([split.columns["a"].rows for split in (data.train, data.valid)]).argsort()
    train = torch.cat([data.train.targets["label"], data.valid.targets["label"]])[order]
    return train.tolist(), data.test.targets["label"].tolist()


FORMS = {
    "from 0": (lambda y: y, ("0", "1", "2"), None),
    "from 1": (lambda y: y + 1, ("1", "2", "3"), "whole numbers: 3 classes, 1, 2, 3"),
    "signed": (lambda y: (y - 1).astype(">i2"), ("-1", "0", "1"), "whole numbers: 3 classes, -1, 0, 1"),
    "gaps": (lambda y: np.array([3, 7, 9], dtype=np.uint64)[y], ("3", "7", "9"), "3 classes, 3, 7, 9"),
    "large": (lambda y: np.array([-(2**62), 0, 2**62])[y], (f"-{2**62}", "0", f"{2**62}"), "3 classes"),
    "a column": (lambda y: torch.from_numpy(y)[:, None], ("0", "1", "2"), None),
    "text": (lambda y: WORDS[y], tuple(WORDS), "labels are text: 3 classes, cat, dog, owl"),
    "bytes": (lambda y: WORDS.astype("S")[y], tuple(WORDS), "labels are text"),
    "a list of text": (lambda y: WORDS[y].tolist(), tuple(WORDS), "labels are text"),
    "text of any length": (
        lambda y: WORDS.astype(np.dtypes.StringDType())[y] if hasattr(np.dtypes, "StringDType") else WORDS[y],
        tuple(WORDS),
        "labels are text",
    ),
    "objects": (lambda y: WORDS.astype(object)[y], tuple(WORDS), "labels are text"),
    "a series": (lambda y: pd.Series(WORDS[y]), tuple(WORDS), "labels are text"),
    "categories": (lambda y: pd.Categorical(WORDS[y]), tuple(WORDS), "labels are text"),
    "categories of numbers": (lambda y: pd.Series(pd.Categorical(y + 5)), ("5", "6", "7"), "3 classes, 5, 6, 7"),
    "a frame of one column": (lambda y: pd.DataFrame({"kind": WORDS[y]}), tuple(WORDS), "labels are text"),
    "nullable integers": (lambda y: pd.Series(y, dtype="Int64"), ("0", "1", "2"), None),
    "one-hot floats": (lambda y: np.eye(3, dtype=np.float32)[y], ("0", "1", "2"), "one-hot rows: taken as 3 classes"),
    "one-hot integers": (lambda y: np.eye(3, dtype=np.int64)[y], ("0", "1", "2"), "say task='multilabel'"),
    "one-hot flags": (lambda y: torch.eye(3, dtype=torch.bool)[y], ("0", "1", "2"), "one-hot rows"),
    "get_dummies": (lambda y: pd.get_dummies(WORDS[y]), tuple(WORDS), "one-hot rows: taken as 3 classes"),
}


@pytest.mark.parametrize("form", FORMS)
def test_classes(form):
    make, names, note = FORMS[form]
    data = read(make(Y), make(TEST))
    assert (data.tasks[0].kind, data.tasks[0].classes) == ("classification", names)
    assert targets(data) == (Y.tolist(), TEST.tolist())
    said = [line for line in data.notes if "labels" in line]
    assert len(said) == (note is not None)
    assert note is None or note in said[0]


@pytest.mark.parametrize("shift", [0, 1, -1])
def test_whole_floats_are_regressed_and_said_in_one_way(shift):
    data = read(Y * 1.0 + shift, TEST * 1.0 + shift)
    assert data.tasks[0].kind == "regression"
    (note,) = (line for line in data.notes if "labels" in line)
    assert note == (
        f"labels are whole numbers saved as floats ({shift}, {shift + 1}, {shift + 2}): taken as regression; save "
        "integers, or for classes say task='classification' (coral train: --source.task classification)"
    )
    classes = read(Y * 1.0 + shift, TEST * 1.0 + shift, task="classification")
    assert classes.tasks[0].classes == tuple(str(number + shift) for number in range(3))
    assert targets(classes) == (Y.tolist(), TEST.tolist())


def test_numbers_that_look_like_no_classes_are_not_said():
    rng = np.random.default_rng(0)
    for labels in (rng.normal(size=40), np.arange(40.0), rng.normal(size=(40, 2))):
        assert not any("labels" in note for note in read(labels, labels).notes)


def test_the_task_may_be_said():
    rows = np.eye(3)[Y]
    assert read(rows, rows, task="multilabel").tasks[0].kind == "multilabel"
    assert targets(read(rows, rows, task="multilabel"))[0] == rows.astype(int).tolist()
    assert read(rows, rows, task="regression").tasks[0].kind == "regression"
    assert targets(read(Y, TEST, task="regression")) == (Y.tolist(), TEST.tolist())
    assert read(Y, TEST, task="regression").train.targets["label"].dtype == torch.float32
    for task in ("multilabel", "regression"):
        assert not any("labels" in note for note in read(rows, rows, task=task).notes)


def test_an_unknown_task():
    with pytest.raises(InputError, match=r"Unknown task.*Did you mean 'regression'"):
        read(Y, TEST, task="regresion")


def test_flags_saved_as_floats_are_said():
    flags = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]] * 8)
    data = read(flags, flags)
    assert data.tasks[0].kind == "regression"
    assert "several labels per sample say task='multilabel'" in data.notes[0]


def test_many_whole_numbers_are_classes_and_said():
    ages = np.arange(600) % 60 + 18
    data = read(ages, ages)
    assert len(data.tasks[0].classes) == 60
    assert "60 different whole numbers: taken as classes; for quantities say task='regression'" in "; ".join(data.notes)
    assert read(ages, ages, task="regression").tasks[0].kind == "regression"
    with pytest.raises(InputError, match=r"train lacks, the first '90'.*for quantities say task='regression'"):
        read(ages, np.array([20, 90]))
    with pytest.raises(InputError, match="Are the labels quantities"):
        read(np.arange(40), np.arange(40))


def test_given_names():
    by_name = read(WORDS[Y], WORDS[TEST], classes=["owl", "newt", "dog", "cat"])
    assert by_name.tasks[0].classes == ("owl", "newt", "dog", "cat")
    assert targets(by_name)[1] == [0, 3, 2, 2]
    assert any(note.startswith("train has no sample of class newt (label: 1 of ") for note in by_name.notes)
    assert targets(read(Y, TEST, classes=WORDS)) == (Y.tolist(), TEST.tolist())
    numbers = read(Y + 1, TEST + 1, classes=["1", "2", "3", "4"])
    assert targets(numbers) == (Y.tolist(), TEST.tolist())
    ordered = read(Y * 2 - 5, TEST * 2 - 5, classes=WORDS)
    assert targets(ordered) == (Y.tolist(), TEST.tolist())
    assert "classes are named in the order of their labels: -5 is cat, -3 is dog, -1 is owl" in ordered.notes
    hot = read(np.eye(3)[Y], np.eye(3)[TEST], classes=WORDS)
    assert (hot.tasks[0].classes, targets(hot)) == (tuple(WORDS), (Y.tolist(), TEST.tolist()))


def test_classes_that_no_sample_of_test_has():
    data = read(WORDS[Y], WORDS[[0, 1, 1]])
    assert data.tasks[0].classes == tuple(WORDS)
    assert any(note.startswith("test has no sample of class owl (label: 1 of ") for note in data.notes)


@pytest.mark.parametrize(
    ("train", "test", "options", "message"),
    [
        (Y, TEST + 1, {}, "test/labels has 1 samples of classes that train lacks, the first '3'; leave them out, or l"),
        (WORDS[Y], np.array(["dog", "newt"]), {}, "of classes that train lacks, the first 'newt'"),
        (WORDS[Y], WORDS[TEST], {"classes": ["cat", "dog"]}, "has class 'owl', which is not under 'classes'"),
        (Y, TEST, {"classes": ["a", "b"]}, "classes has 2 names, but the labels need 3"),
        (
            Y.astype(float),
            TEST.astype(float),
            {"classes": ["a", "b", "c"]},
            "classes has 3 names, but the labels need 1; for classes say task='classification'",
        ),
        (np.eye(3)[Y], np.ones((2, 3)), {}, "test/labels has rows without exactly one 1, while every row of train"),
        (np.eye(3)[Y], np.eye(3)[TEST], {"classes": ["a", "b"]}, "classes has 2 names, but the labels need 3"),
        (np.eye(3)[Y * 0], np.eye(3)[TEST], {}, "one class only"),
        (WORDS[Y], TEST, {}, "one type and shape in every split"),
        (WORDS[Y], WORDS[TEST], {"task": "regression"}, "text .* names classes; give numbers for task 'regression'"),
        (Y, TEST, {"task": "multilabel"}, "those of a classification, not of task 'multilabel'"),
        (np.ones((24, 2)), np.ones((4, 2)), {"task": "classification"}, "those of a multilabel, not of task"),
        (Y + 0.5, TEST + 0.5, {"task": "classification"}, "no whole numbers, as task 'classification' needs them"),
        (np.where(Y == 1, None, WORDS[Y]), WORDS[TEST], {}, "train/labels lacks the label of 8 samples"),
        (["cat", "dog", float("nan")], ["cat"], {}, "train/labels lacks the label of 1 samples"),
        (np.where(Y == 1, " ", WORDS[Y]), WORDS[TEST], {}, "lacks the label of 8 samples .empty text"),
        # pandas 2.0 makes objects of it, later ones numbers
        (
            pd.Series([1, None, 2], dtype="Int64"),
            TEST,
            {},
            "train/labels (holds 1 value that is not finite|lacks the l)",
        ),
        (np.ma.masked_equal(Y, 2), TEST, {}, "train/labels lacks the label of 8 samples .masked"),
        (np.where(Y == 1, 5, WORDS.astype(object)[Y]), WORDS[TEST], {}, "train/labels is of type object; labels are"),
        (np.array([b"\xff", b"a"] * 6), TEST, {}, "text that is not UTF-8"),
        (np.array(["a", "b\n"] * 6), np.array(["a"]), {}, "printable"),
        (np.zeros(24, dtype="M8[s]"), TEST, {}, "train/labels is of type datetime64"),
        (np.arange(20_000), TEST, {}, "20000 classes, more than 10000; for quantities say task='regression'"),
        (np.full(24, 1e300), TEST * 1.0, {"task": "classification"}, "too large for a class"),
    ],
)
def test_refusals(train, test, options, message):
    with pytest.raises(InputError, match=message) as caught:
        read(train, test, **options)
    assert "\n" not in str(caught.value)


def test_loaders_read_labels_in_the_same_way():
    def loader(labels):
        return [(torch.ones(len(labels), 2), torch.as_tensor(labels))]

    for make, names in ((FORMS["from 1"][0], ("1", "2", "3")), (FORMS["one-hot floats"][0], ("0", "1", "2"))):
        data = from_loaders(loader(make(Y)), loader(make(TEST)), loader(make(TEST)))
        assert data.tasks[0].classes == names
        assert data.train.targets["label"].tolist() == Y.tolist()
        assert data.test.targets["label"].tolist() == TEST.tolist()
        assert sum("labels are" in note for note in data.notes) == 1
    with pytest.raises(InputError, match="classes that train lacks, the first '3'"):
        from_loaders(loader(Y), loader(TEST), loader(TEST + 3))
    notes = from_loaders(loader(Y), loader(TEST), loader(TEST % 2)).notes
    assert "test has no sample of class 2 (label: 1 of 3); scores and chance are over the 2 that occur" in notes


def test_absent_classes_are_told_of_any_data_set():
    """Whoever made it, once: with how many, and what becomes of them."""
    task = Task(name="mood", kind="classification", classes=("low", "middle", "high"))
    genres = Task(name="genres", kind="multilabel", classes=("drama", "war"))
    columns = {"a": ModalityColumn(values=torch.zeros(4, 2))}

    def split(mood, war):
        genre = torch.stack([torch.ones(4, dtype=torch.int64), torch.tensor(war)], dim=1)
        return Split(columns=columns, targets={"mood": torch.tensor(mood), "genres": genre})

    modality = Modality(name="a", kind="tabular", shape=(2,))
    data = MultimodalData(
        name="d", modalities=(modality,), tasks=(task, genres),
        train=split([0, 0, 1, 1], [0, 0, 0, 1]), test=split([1, 2, 2, 2], [0, 0, 0, 0]),
    )  # fmt: skip
    told = (
        "train has no sample of class high (mood: 1 of 3); no probe can predict it, and test has 3 of its samples",
        "test has no sample of class low (mood: 1 of 3); scores and chance are over the 2 that occur",
        "test has no sample of label war (genres: 1 of 2); its F1 there is 0",
    )
    assert data.notes == data.to("cpu").select(["a"]).notes == told
    full = split([0, 1, 2, 2], [0, 1, 0, 0])
    assert dataclasses.replace(data, train=full, test=full, notes=()).notes == ()


@pytest.mark.parametrize(("offset", "unit", "said"), [(1.7e9, 1.0, True), (0.0, 1.0, False), (1e5, 1e4, False)])
def test_regression_targets_that_32_bits_round_are_told(offset, unit, said):
    """UNIX time in seconds: numbers of 32 bits are 128 apart there."""
    labels = offset + unit * np.random.default_rng(0).normal(size=40)
    task, _, notes = read_labels({"train": labels}, None, ["train"], "x")
    assert task.kind == "regression"
    assert any("labels differ by less than 32-bit floats can tell" in note for note in notes) == said


def test_bytes_from_loaders_that_are_no_utf_8_stay_different_classes():
    loader = [(torch.randn(2, 3), [b"\xe4", b"\xf6"])]
    assert len(from_loaders(loader, loader, loader).tasks[0].classes) == 2
