"""The contract of a data set: what is checked before it reads, and what it is built from."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest

from coral_plugin.data import DatasetAdapter, Modality, from_arrays
from coral_plugin.data.adapter import check_choices, check_seed
from coral_plugin.errors import InputError, UnknownNameError


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
        return path, settings


class Generated(Files):
    name, expects = "generated", ""


def test_paths_are_demanded_or_refused():
    assert Files.load("x", Choices(size="large")) == ("x", Choices(size="large"))
    assert Generated.load() == ("", Choices())
    with pytest.raises(InputError, match=r"'files' reads files of yours: give --data PATH, a file of numbers\.$"):
        Files.load()
    with pytest.raises(InputError, match=r"'generated' reads no file: leave out --data x\.$"):
        Generated.load("x")


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
