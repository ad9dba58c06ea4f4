"""Data sets that break the contract are named by what they break."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from coral_plugin.data import DatasetAdapter, from_arrays
from coral_plugin.data.inspection import Inspection
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import make_settings
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


def test_a_name_other_than_that_of_the_entry_point_is_found(monkeypatch):
    monkeypatch.setattr(DATASETS.get("digits"), "name", "figures")
    with pytest.raises(AssertionError, match=r"the name of its entry point, 'digits'; found name = 'figures'"):
        check_dataset("digits")


@dataclass(frozen=True)
class Nested:
    inner: Empty = Empty()


def test_settings_that_no_file_holds_are_refused():
    class Inside(Good):
        Settings = Nested

    with pytest.raises(InputError, match=r"source\.inner is of type Empty, which config\.yaml does not hold"):
        check_dataset(Inside)


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


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"network.widht": 32}, "recipe of good: Unknown network setting 'widht'. Did you mean 'width'"),
        ({"network.width": "wide"}, "recipe of good: network.width must be of type int, got 'wide'"),
        ({"nets.width": 3}, "recipe of good: Unknown group of settings 'nets'"),
        ({"augmentations": {"aa": "noise"}}, "recipe of good: Augmentations name the modality aa, but there are a, b"),
        ({"augmentations": {"a": "noisy"}}, "recipe of good: Unknown augmentation 'noisy'. Did you mean 'noise'"),
        ({"augmentations": "noise(std=-1)"}, "recipe of good: Setting std of augmentation 'noise' needs one number"),
        (
            {"augmentations": {"a": "noise(sdt=1)"}},
            "recipe of good: Unknown setting of augmentation noise 'sdt'. Did you mean 'std'?",
        ),
        ({"network.encoders": {"c": "mlp"}}, "recipe: encoders of the modalities a, b; found c"),
    ],
)
def test_a_recipe_that_no_run_takes_is_named(recipe, message):
    cls = type("Cooked", (Good,), {"recipe": recipe})
    with pytest.raises(AssertionError) as caught:
        check_dataset(cls)
    assert message in str(caught.value)
    check_dataset(type("Sound", (Good,), {"recipe": {"network.width": 8, "augmentations": {"a": "noise@1"}}}))


@pytest.mark.parametrize(
    ("recipe", "chosen", "blamed"),
    [
        ({"network.widht": 32}, {}, True),
        ({"augmentations": {"a": "noisy"}}, {}, True),
        ({"augmentations": "noisy"}, {}, True),
        ({"augmentations": {"a": "noise"}}, {"augmentations": {"b": "noisy"}}, False),
        ({"network.width": 8}, {"network__width": -1}, False),
    ],
)
def test_a_run_blames_the_recipe_for_its_mistakes_alone(recipe, chosen, blamed):
    DATASETS.add("good", type("Cooked", (Good,), {"recipe": recipe}))
    try:
        with pytest.raises(InputError) as caught:
            run(make_settings("coral", "good", training__device="cpu", training__epochs=1, **chosen), quiet=True)
    finally:
        DATASETS.remove("good")
    assert str(caught.value).startswith("recipe of good: ") is blamed


def test_an_inspection_names_its_data_set(tmp_path):
    with pytest.raises(AssertionError, match="an inspection that names good"):
        check_dataset(Misread, tmp_path)
