"""Data frames of polars are tables with names, as those of pandas are."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from coral_plugin.data import from_arrays
from coral_plugin.data.arrays import as_split
from coral_plugin.errors import InputError
from coral_plugin.runs.columns import by_modality

VALUES = np.random.default_rng(0).normal(size=(12, 4))


class Frame:
    """What this package uses of ``polars.DataFrame``, which is not among the libraries of the tests."""

    def __init__(self, values, columns):
        self.values, self.columns, self.shape = values, list(columns), values.shape

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __getitem__(self, place):
        rows, columns = place
        return Frame(self.values[rows, columns], [self.columns[at] for at in columns])


class Series(Frame):
    def __init__(self, values):
        super().__init__(values, ())


@pytest.fixture(autouse=True)
def polars(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", SimpleNamespace(DataFrame=Frame, Series=Series))


def test_a_frame_names_its_features_and_a_series_is_one_column():
    data = from_arrays({"train/a": Frame(VALUES[:, :3], "xyz"), "train/b": Series(VALUES[:, 3])})
    assert [(m.shape, m.feature_names) for m in data.modalities] == [((3,), ("x", "y", "z")), ((1,), ())]
    with pytest.raises(InputError, match=r"a has columns \['y', 'x', 'z'\], those of train are"):
        as_split({"a": Frame(VALUES[:, [1, 0, 2]], "yxz")}, data.modalities)


def test_the_columns_of_a_frame_are_found_by_name():
    data = from_arrays({"train/a": Frame(VALUES[:, :2], "xy"), "train/b": Frame(VALUES[:, 2:], "uv")})
    arrays = by_modality(Frame(VALUES[:, [3, 0, 2, 1]], "vxuy"), None, data.modalities)
    np.testing.assert_array_equal(arrays["a"], VALUES[:, :2])
    np.testing.assert_array_equal(arrays["b"], VALUES[:, 2:])
