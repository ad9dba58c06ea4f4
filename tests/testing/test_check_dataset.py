"""Data sets that break the contract are named by what they break."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from coral_plugin.data import DatasetAdapter, from_arrays
from coral_plugin.data.inspection import Inspection
from coral_plugin.testing import check_dataset


@dataclass(frozen=True)
class Empty:
    """No settings."""


@dataclass
class Changeable:
    """Settings that can be changed after they were checked."""


def good(seed=0, **changed):
    rng = np.random.default_rng(seed)
    arrays = {f"{split}/{name}": rng.standard_normal((20, 3)) for split in ("train", "valid", "test") for name in "ab"}
    labels = {f"{split}/labels": np.arange(20) % 2 for split in ("train", "valid", "test")}
    return from_arrays({**arrays, **labels, **changed}, name="good")


class Good(DatasetAdapter):
    name, source, licence, Settings = "good", "drawn here", "MIT", Empty

    @classmethod
    def read(cls, path, settings):
        return good()


def test_ours_and_a_good_one_pass():
    assert check_dataset("digits").name == "digits"
    assert check_dataset(Good).fingerprint == good().fingerprint


class Unnamed(Good):
    licence = ""


class Unfinished(DatasetAdapter):
    name, source, licence, Settings = "unfinished", "drawn here", "MIT", Empty


class Unfrozen(Good):
    Settings = Changeable


class Incomplete(Good):
    recipe: ClassVar = ["network.width"]


class Random(Good):
    seeds = itertools.count()

    @classmethod
    def read(cls, path, settings):
        return good(next(cls.seeds))


class Untested(Good):
    @classmethod
    def read(cls, path, settings):
        data = good()
        return cls.assemble(data.modalities, data.tasks, {"train": data.train})


class Untargeted(Good):
    @classmethod
    def read(cls, path, settings):
        data = good()
        data.test.targets.clear()
        return data


class Unbounded(Good):
    @classmethod
    def read(cls, path, settings):
        data = good()
        data.valid.targets["label"][0] = 7
        return data


class Infinite(Good):
    @classmethod
    def read(cls, path, settings):
        data = good()
        data.test.columns["a"].values[0, 0] = torch.inf
        return data


class Misread(Good):
    expects = "a folder"

    @classmethod
    def inspect(cls, candidate):
        return Inspection("another", ("another",))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (good, "expected a subclass of DatasetAdapter"),
        (Unnamed, "found no licence"),
        (Unfinished, "found no read"),
        (Unfrozen, "Settings that are a frozen dataclass"),
        (Incomplete, "a recipe that maps"),
        (Random, "the same data in every loading"),
        (Untested, "a test split"),
        (Untargeted, r"test: targets of the tasks \['label'\]; found \[\]"),
        (Unbounded, "valid: targets of label from 0 to 1; found 0 to 7"),
        (Infinite, "values of test that are finite"),
    ],
)
def test_what_is_broken_is_named(dataset, message):
    with pytest.raises(AssertionError, match=message):
        check_dataset(dataset)


def test_an_inspection_names_its_data_set(tmp_path):
    with pytest.raises(AssertionError, match="an inspection that names good"):
        check_dataset(Misread, tmp_path)
