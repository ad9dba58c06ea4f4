"""Data sets from data loaders: MultiBench's forms of batches, each read once."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from coral_plugin.data import from_loaders, loader_batches
from coral_plugin.data.loaders import read_loaders
from coral_plugin.errors import InputError

LENGTHS = [2, 4, 1, 3, 4, 2]


def packed(seed=0, sizes=(3, 5), lengths=LENGTHS, labels=None):
    """MultiBench's affect batches of two samples: padded to their longest, with lengths and index."""
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, len(lengths), 2):
        part = torch.tensor(lengths[start : start + 2])
        values = []
        for size in sizes:
            value = torch.randn(len(part), int(part.max()), size, generator=generator, dtype=torch.float64)
            value[torch.arange(value.shape[1]) >= part[:, None]] = 0
            values.append(value)
        index = torch.arange(start, start + len(part))[:, None]
        truth = index % 2 if labels is None else labels[start : start + len(part)]
        yield values, [part for _ in sizes], index, truth


def rows(*columns, size=4, **options):
    return DataLoader(TensorDataset(*columns), batch_size=size, **options)


def labels(count=8):
    return torch.arange(count) % 2


def whole(split):
    return split.batch(torch.arange(len(split)))


def test_packed_batches():
    train = list(packed())
    loaded = read_loaders(train, list(packed(1)), list(packed(2)), modalities=["vision", "text"])
    data = loaded.data
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("vision", "sequence", (4, 3)), ("text", "sequence", (4, 5))
    ]  # fmt: skip
    assert loaded.timed
    assert data.train.columns["text"].lengths.tolist() == LENGTHS
    assert loaded.truths["train"].shape == (6, 1)
    assert (data.tasks[0].kind, data.train.targets["label"].tolist()) == ("classification", [0, 1, 0, 1, 0, 1])
    for at, (values, lengths, _, _) in enumerate(train):
        batch = data.train.batch(torch.tensor([2 * at, 2 * at + 1]))
        for name, theirs in zip(("vision", "text"), values, strict=True):
            assert torch.equal(batch[name], theirs.float())
            assert torch.equal(batch.padding[name], torch.arange(theirs.shape[1]) >= lengths[0][:, None])
            assert torch.equal(loaded.layouts[name].to_theirs(batch[name]), theirs.float())


def test_zeros_at_the_end_are_padding_without_lengths():
    series = torch.ones(8, 5, 3)
    series[1, 2:], series[2, 0] = 0, 0
    loaded = read_loaders(*(rows(series, torch.ones(8, 4, 2), labels()) for _ in range(3)))
    first, second = loaded.data.modalities
    assert (first.name, first.kind, second.name, second.kind) == ("modality0", "sequence", "modality1", "timeseries")
    assert loaded.data.train.columns["modality0"].lengths.tolist() == [5, 2, 5, 5, 5, 5, 5, 5]
    batch = loaded.data.train.batch(torch.tensor([1]))
    assert batch["modality0"].shape == (1, 2, 3)
    assert torch.equal(loaded.layouts["modality0"].to_theirs(batch["modality0"]), series[1:2])


def test_images_outside_0_to_1_are_told():
    loader = [(torch.linspace(-2, 2, 6 * 300).view(6, 3, 10, 10), torch.arange(6) % 2)]
    (note,) = from_loaders(loader, loader, loader, modalities=["picture"]).notes
    assert note.startswith(
        "image picture holds floats from -2 to 2: augmentations see them as shares of that range, 0 to 1"
    )


def test_images_frames_and_tables():
    held = {
        "table": torch.randn(8, 4, dtype=torch.float64),
        "number": torch.randn(8),
        "picture": torch.randint(0, 256, (8, 6, 7, 3)).float(),
        "depth": torch.rand(8, 1, 6, 7),
        "frames": torch.randn(8, 16, 6, 7),
        "mask": torch.randint(0, 2, (8, 1, 6, 7)),
    }
    held["picture"][0, 0, 0, 0], held["mask"][0, 0, 0, 0] = 255, 1
    loaders = [rows(*held.values(), labels()) for _ in range(3)]
    loaded = read_loaders(*loaders, modalities=list(held), standardise=False)
    assert {m.name: (m.kind, m.shape) for m in loaded.data.modalities} == {
        "table": ("tabular", (4,)),
        "number": ("tabular", (1,)),
        "picture": ("image", (3, 6, 7)),
        "depth": ("image", (1, 6, 7)),
        "frames": ("timeseries", (16, 42)),
        "mask": ("image", (1, 6, 7)),
    }
    columns = loaded.data.train.columns
    assert columns["picture"].values.dtype == torch.uint8
    assert columns["depth"].values.dtype == columns["mask"].values.dtype == torch.float32
    assert loaded.data.notes == ("frames is read as 16 steps of (6, 7) values each",)
    batch = loaded.data.test.batch(torch.tensor([3, 0]))
    assert 0 <= batch["picture"].min() <= batch["picture"].max() <= 1
    for name, values in held.items():
        assert torch.equal(loaded.layouts[name].to_theirs(batch[name]), values[[3, 0]].float())


def test_kinds_and_prepare_have_the_last_word():
    data = from_loaders(
        *(rows(torch.randn(8, 20), torch.randn(8, 6, 32), labels()) for _ in range(3)),
        modalities=["stock", "force"],
        kinds={"stock": "timeseries", "force": "timeseries"},
        prepare={"force": lambda values: values.transpose(1, 2)},
    )
    assert [(m.kind, m.shape) for m in data.modalities] == [("timeseries", (20, 1)), ("timeseries", (32, 6))]


def test_noisy_test_sets_give_their_clean_one():
    clean, noisy = rows(torch.zeros(4, 3), labels(4)), rows(torch.ones(4, 3), labels(4))
    train = rows(torch.randn(8, 3), labels())
    for test in ({"image": [clean, noisy], "text": [noisy]}, {"image": clean}, clean):
        assert whole(from_loaders(train, train, test).test)["modality0"].sum() == 0
    for empty in ({}, {"image": []}):
        with pytest.raises(InputError, match="dictionary without a loader"):
            from_loaders(train, train, empty)


def test_each_loader_is_read_once():
    class Counting:
        def __init__(self):
            self.times = 0

        def __iter__(self):
            self.times += 1
            return iter([(torch.randn(4, 3), labels(4))])

    loaders = [Counting() for _ in range(3)]
    from_loaders(*loaders)
    assert [loader.times for loader in loaders] == [1, 1, 1]


def test_shuffled_loaders_give_the_same_data_and_leave_the_generator_alone():
    values = torch.arange(10.0)[:, None]

    def shuffled():
        return rows(values, labels(10), shuffle=True, drop_last=True)

    state = torch.get_rng_state()
    data = from_loaders(shuffled(), shuffled(), shuffled())
    assert torch.equal(torch.get_rng_state(), state)
    assert whole(data.train)["modality0"].flatten().tolist() == list(range(10))  # also the two of the last batch
    assert data.fingerprint == from_loaders(shuffled(), shuffled(), shuffled()).fingerprint


def test_samplers():
    values = torch.arange(10.0)[:, None]
    plain = rows(values, labels(10))
    weighted = rows(values, labels(10), sampler=WeightedRandomSampler(torch.ones(10), 30))
    some = rows(values, labels(10), sampler=SubsetRandomSampler([7, 2, 4, 1]))
    part = rows(values, labels(10), sampler=[3, 3, 0, 1])
    data = from_loaders(weighted, some, part)
    assert data.notes == ("the loader of train draws samples by weight; here each is taken once",)
    read = [whole(split)["modality0"].flatten().tolist() for split in data.splits().values()]
    assert read == [list(range(10)), [1, 2, 4, 7], [3, 3, 0, 1]]
    assert plain.sampler is not None


def test_samplers_of_a_part_of_the_data_set():
    """What they cannot draw, which may be the test samples, is not read."""
    values = torch.arange(10.0)[:, None]
    train = rows(values, labels(10), sampler=RandomSampler(range(6)))
    valid = rows(values, labels(10), sampler=SequentialSampler(range(2)))
    test = rows(values, labels(10), sampler=WeightedRandomSampler([0, 0, 0, 0, 0, 0, 1, 0.5, 0, 2], 5))
    data = from_loaders(train, valid, test)
    read = [whole(split)["modality0"].flatten().tolist() for split in data.splits().values()]
    assert read == [[0, 1, 2, 3, 4, 5], [0, 1], [6, 7, 9]]
    few = rows(values, labels(10), sampler=RandomSampler(range(6), num_samples=4))
    data = from_loaders(few, valid, test)
    assert data.notes[0] == "the loader of train draws 4 of 6 samples at a time; here all are taken"
    assert whole(data.train)["modality0"].flatten().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("truth", "task", "kind", "target"),
    [
        (torch.tensor([[0], [1]] * 4), None, "classification", torch.tensor([0, 1] * 4)),
        (torch.tensor([0.0, 1.0] * 4).double(), "classification", "classification", torch.tensor([0, 1] * 4)),
        (torch.tensor([[1, 0, 1], [0, 1, 0]] * 4), None, "multilabel", torch.tensor([[1, 0, 1], [0, 1, 0]] * 4)),
        (torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 4), "multilabel", "multilabel", torch.tensor([[1, 0], [0, 1]] * 4)),
        (torch.tensor([[0.5], [-1.0]] * 4), None, "regression", torch.tensor([0.5, -1.0] * 4)),
        (torch.tensor([3, 1] * 4), "regression", "regression", torch.tensor([3.0, 1.0] * 4)),
        (torch.arange(32.0).view(8, 2, 2), None, "regression", torch.arange(32.0).view(8, 4)),
        (torch.tensor([True, False] * 4), None, "classification", torch.tensor([1, 0] * 4)),
    ],
)
def test_labels(truth, task, kind, target):
    loaded = read_loaders(*(rows(torch.randn(8, 3), truth) for _ in range(3)), task=task)
    assert loaded.data.tasks[0].kind == kind
    assert torch.equal(loaded.data.train.targets["label"], target)
    assert torch.equal(loaded.truths["valid"], truth)  # as they were collated


def test_labels_may_be_left_alone():
    loaded = read_loaders(*(rows(torch.randn(8, 3), torch.tensor([-1, 7] * 4)) for _ in range(3)), task="none")
    assert loaded.data.tasks == ()
    assert loaded.truths["test"].tolist() == [-1, 7] * 4
    unlabelled = [[(torch.randn(4, 3), torch.randn(4, 2))]] * 3
    assert len(from_loaders(*unlabelled, labels=False).modalities) == 2


def test_a_valid_split_is_carved_and_said():
    data = from_loaders(rows(torch.randn(40, 3), labels(40)), test=rows(torch.randn(8, 3), labels()))
    assert (len(data.train), len(data.valid), len(data.test)) == (34, 6, 8)
    assert data.notes == ("no valid loader: 6 of train's samples were set aside (stratified, seed 0)",)


def test_floats_that_look_like_classes_are_told():
    loader = rows(torch.randn(8, 3), torch.tensor([0.0, 1.0] * 4))
    assert "task='classification'" in from_loaders(loader, loader, loader).notes[0]


GOOD = [(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))]
BAD = {
    "text": ("batches", "is no loader of batches, but 'batches'"),
    "None": (None, "is no loader of batches, but an object of type NoneType"),
    "number": (3, "is no loader of batches, but 3"),
    "dictionary": ({"x": GOOD}, "is no loader of batches, but an object of type dict"),
    "nothing": ([], "gave no batch; a generator gives its batches once only"),
    "batches of dictionaries": ([{"x": torch.ones(4)}], "train, batch 0 is a dict, not"),
    "label alone": ([(torch.ones(4),)], "has 1 entries; expected"),
    "a sample": ([(torch.randn(3), torch.tensor(1))], "is one sample, not a batch"),
    "a sample of numbers": ([(torch.randn(3), 1)], "has 1 in place 1, not a tensor"),
    "texts": ([(np.array(["a"] * 4), torch.ones(4))], "in place 0, not a tensor"),
    "complex numbers": ([(torch.ones(4, 2, dtype=torch.complex64), torch.ones(4))], "in place 0, not a tensor"),
    "unequal parts": ([(torch.ones(4, 3), torch.ones(3))], r"has parts of \[4, 3\] samples"),
    "changing modalities": ([*GOOD, (torch.ones(2, 3), torch.ones(2, 3), torch.ones(2))], "batch 1 has 2 modalities"),
    "changing shapes": ([*GOOD, (torch.ones(2, 5), torch.tensor([0, 1]))], r"is \(2, 5\), the first batch was"),
    "changing labels": ([*GOOD, (torch.ones(2, 3), torch.ones(2, 3))], "they need one shape"),
    "NaN": ([(torch.full((4, 3), torch.nan), torch.tensor([0, 1, 0, 1]))], "holds 12 values that no 32-bit float"),
    "too large": ([(torch.full((4, 3), 1e300, dtype=torch.float64), torch.tensor([0, 1, 0, 1]))], "12 values that no"),
    "flattened sequences": ([([torch.ones(2, 8)], [torch.tensor([8, 8])], torch.ones(2, 1), torch.tensor([0, 1]))],
                            "without flatten_time_series"),
    "lengths past the end": ([([torch.ones(2, 3, 4)], [torch.tensor([3, 4])], torch.ones(2, 1), torch.tensor([0, 1]))],
                             "lengths 0 must be from 1 to 3, got 3 to 4"),
    "float lengths": ([([torch.ones(2, 3, 4)], [torch.ones(2)], torch.ones(2, 1), torch.tensor([0, 1]))],
                      "must be whole numbers"),
    "lengths for some": ([([torch.ones(2, 3, 4)], [], torch.ones(2, 1), torch.tensor([0, 1]))], "but 0 lengths"),
    "one class": ([(torch.randn(4, 3), torch.zeros(4).long())], "has one class only"),
    "NaN as label": ([(torch.randn(4, 3), torch.tensor([0.0, torch.nan, 1.0, 2.0]))], "labels of train are not all"),
    "video": ([(torch.randn(4, 5, 3, 8, 8), torch.tensor([0, 1, 0, 1]))], "which no kind of modality fits"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_refused(case):
    loader, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        from_loaders(loader, loader, loader)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modalities": ["a", "b"]}, r"names 2 \(a, b\), batches have 1"),
        ({"kinds": {"modality1": "image"}}, "kinds has modality1, but the modalities are modality0"),
        ({"prepare": {"x": torch.relu}}, "prepare has x"),
        ({"prepare": {"modality0": lambda values: values[0]}}, r"prepare made \(3,\) of a batch of \(4, 3\)"),
        ({"prepare": {"modality0": lambda _: None}}, "prepare made NoneType"),
        ({"task": "multilabel"}, "those of a classification, not of task 'multilabel'"),
        ({"classes": ["a"]}, "classes has 1 names"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        from_loaders(GOOD, GOOD, GOOD, **options)


def test_labels_that_are_no_classes():
    loader = [(torch.randn(4, 3), torch.tensor([0.5, 1.0, 0.0, 1.0]))]
    with pytest.raises(InputError, match="no whole numbers, as task 'classification' needs them"):
        from_loaders(loader, loader, loader, task="classification")


def test_splits_of_different_forms():
    with pytest.raises(InputError, match="samples of modality0 have shape"):
        from_loaders(GOOD, GOOD, [(torch.randn(4, 5), torch.tensor([0, 1, 0, 1]))])
    with pytest.raises(InputError, match="batches of different forms"):
        from_loaders(GOOD, GOOD, list(packed()))


def test_a_loader_without_end_is_left(monkeypatch):
    monkeypatch.setattr(loader_batches, "memory", lambda: 100_000)
    endless = itertools.repeat((torch.randn(100, 10), labels(100)))
    with pytest.raises(InputError, match=r"gave 1300 samples, 0\.0 GiB, and has not ended; half of this"):
        from_loaders(endless)


def test_a_name_is_not_given_twice():
    """The second would take the place of the first, and one modality be gone without a word."""
    loader = [(torch.randn(4, 3), torch.randn(4, 2), torch.tensor([0, 1, 0, 1]))]
    with pytest.raises(InputError, match="modalities names 'a' twice"):
        from_loaders(loader, loader, loader, modalities=["a", "a"])


def test_pictures_of_16_bits_without_sign():
    pictures = (torch.arange(4 * 300) % 200).view(4, 3, 10, 10).to(torch.uint16)
    loader = [(pictures, torch.arange(4) % 2)]
    assert from_loaders(loader, loader, loader).train.columns["modality0"].values.dtype == torch.uint8
