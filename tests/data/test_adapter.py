"""The contract of a data set: what is checked before it reads, and what it is built from."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
import torch

from coral_plugin.data import DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task, from_arrays
from coral_plugin.data.adapter import check_choices, check_seed
from coral_plugin.errors import DefectError, InputError, UnknownNameError


@dataclass(frozen=True)
class Choices:
    size: Literal["small", "large"] = "small"
    parts: tuple[Literal["a", "b"], ...] = ()
    kinds: dict[str, Literal["table", "series"]] = field(default_factory=dict)
    free: str = ""
    numbers: tuple[int, ...] = ()


class Files(DatasetAdapter):
    name, source, licence, Settings, expects = "files", "nowhere", "none", Choices, "a file of numbers"

    @classmethod
    def read(cls, path, settings):
        cls.seen = path, settings
        return from_arrays({"train/table": np.zeros((4, 2))})


class Generated(Files):
    name, expects = "generated", ""


def test_paths_are_demanded_or_refused():
    assert isinstance(Files.load("x", Choices(size="large")), MultimodalData)
    assert Files.seen == ("x", Choices(size="large"))
    Generated.load()
    assert Generated.seen == ("", Choices())
    with pytest.raises(InputError, match=r"'files' reads files of yours: give --data PATH, a file of numbers\.$"):
        Files.load()
    with pytest.raises(InputError, match=r"'generated' reads no file: leave out --data x\.$"):
        Generated.load("x")


def test_what_is_read_is_a_data_set():
    broken = type("Broken", (Files,), {"name": "broken", "read": classmethod(lambda cls, path, settings: None)})
    with pytest.raises(DefectError, match=r"'broken' .* failed: TypeError: read returned .*NoneType'>, not Multimodal"):
        broken.load("x")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": "larg"}, "Unknown value of size 'larg'. Did you mean 'large'"),
        ({"parts": ("a", "c")}, "Unknown value of parts 'c'"),
        ({"kinds": {"x": "serie"}}, "Unknown value of kinds 'serie'. Did you mean 'series'"),
    ],
)
def test_choices_are_checked_before_anything_is_read(wrong, message):
    with pytest.raises(UnknownNameError, match=message):
        Files.load("x", Choices(**wrong))
    check_choices(Choices(size="large", parts=("b", "a"), kinds={"x": "table"}, free="anything", numbers=(3,)))


def split(count=6, width=3, targets=None):
    labels = torch.arange(count) % 2
    return Split(
        {"table": ModalityColumn(torch.zeros(count, width))}, {"label": labels} if targets is None else targets
    )


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"test": split()}, "files needs a train split, got test."),
        ({"training": split()}, "Unknown split of files 'training'. Did you mean 'train'?"),
        ({"train": split(), "test": split(targets={})}, "files: split test has no targets of task label"),
        ({"train": split(), "test": split(width=4)},
         "files: test has samples of table of shape (4,), but the modality is declared with (3,)."),
        ({"train": split(), "test": split(targets={"label": torch.arange(6)})},
         "files: targets of label in test run from 0 to 5, but 2 classes are named: indices are from 0 to 1."),
        ({"train": split(targets={"label": torch.rand(6)})},
         "files: targets of label in train must be whole numbers (N,), got torch.float32 (6,)."),
        ({"train": Split({"tabel": split().columns["table"]}, {})},
         "files: split train has ['tabel'], but its modalities are ['table']."),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_named_in_one_line(splits, message):
    modalities = [Modality(name="table", kind="tabular", shape=(3,))]
    tasks = [Task(name="label", kind="classification", classes=("a", "b"))]
    Files.assemble(modalities, tasks, {"train": split(), "pretrain": split(targets={})})
    with pytest.raises(InputError) as caught:
        Files.assemble(modalities, tasks, splits)
    assert str(caught.value).startswith(message)


def test_a_regression_of_several_outputs_has_a_column_for_each():
    modalities = [Modality(name="table", kind="tabular", shape=(3,))]
    tasks = [Task(name="label", kind="regression", classes=("x", "y"))]
    Files.assemble(modalities, tasks, {"train": split(targets={"label": torch.rand(6, 2)})})
    with pytest.raises(InputError, match=r"have shape \(6,\), but 2 columns are named"):
        Files.assemble(modalities, tasks, {"train": split(targets={"label": torch.rand(6)})})


def test_settings_that_are_no_instance_are_refused():
    with pytest.raises(InputError, match=r"^Settings of data set 'files' are an instance of Choices, got \{'size"):
        Files.load("x", {"size": "large"})


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_that_numpy_does_not_take(seed):
    check_seed(2**32 - 1)
    with pytest.raises(InputError, match=rf"seed must be from 0 to 4294967295, got {seed}"):
        check_seed(seed)


def test_parts_become_a_data_set_with_statistics_of_train():
    rng = np.random.default_rng(0)
    arrays = {"train/table": rng.normal(5, 2, (40, 3)), "test/table": rng.normal(5, 2, (20, 3))}
    arrays |= {"train/labels": np.arange(40) % 2, "test/labels": np.arange(20) % 2}
    data = from_arrays(arrays, name="x")
    bare = [Modality(name="table", kind="tabular", shape=(3,))]
    made = Files.assemble(bare, data.tasks, data.splits(), ["a note"])
    assert (made.name, made.tasks, made.notes[0]) == ("files", data.tasks, "a note")
    assert made.fingerprint == data.fingerprint
    assert made.modalities[0].mean == data.modalities[0].mean
    plain = Files.assemble(bare, data.tasks, data.splits(), fit_statistics=False)
    assert plain.modalities[0].mean is None
