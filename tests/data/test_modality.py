"""What a modality may be, and how it scales values."""

import pytest
import torch

from coral_plugin.data import Modality
from coral_plugin.errors import InputError


def make(**changes):
    return Modality(**{"name": "audio", "kind": "sequence", "shape": (7, 3)} | changes)


@pytest.mark.parametrize(
    ("kind", "shape", "features", "temporal"),
    [
        ("sequence", (7, 3), 3, True),
        ("timeseries", (7, 3), 3, True),
        ("tabular", (5,), 5, False),
        ("image", (3, 8, 9), 3, False),
    ],
)
def test_kinds(kind, shape, features, temporal):
    modality = make(kind=kind, shape=shape)
    assert (modality.features, modality.temporal) == (features, temporal)


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "a\\b", "a=b", "a,b", "a\nb", "a\0b"])
def test_names_that_flags_and_keys_cannot_hold(name):
    with pytest.raises(InputError, match="plain text without slash, comma, '=' or line break"):
        make(name=name)


@pytest.mark.parametrize("name", ["Größe", "phone acc", "a.b", "keys", "x-1"])
def test_other_names_are_free(name):
    assert make(name=name).name == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "labels"}, "cannot be called 'labels'"),
        ({"name": "all"}, "cannot be called 'all'"),
        ({"kind": "video"}, "unknown kind 'video'; known: sequence, timeseries, tabular, image"),
        ({"shape": (3,)}, r"needs 2 dimensions per sample, each at least 1, got \(3,\)"),
        ({"shape": (0, 3)}, "each at least 1"),
        ({"mean": (0.0,) * 2, "std": (1.0,) * 3}, "has 3 features, but its mean has 2 entries"),
        ({"mean": (0.0,) * 3, "std": (1.0,) * 4}, "has 3 features, but its std has 4 entries"),
        ({"mean": (0.0,) * 3, "std": (1.0, 0.0, 1.0)}, "positive numbers"),
        ({"mean": (0.0,) * 3, "std": (1.0, float("nan"), 1.0)}, "positive numbers"),
        ({"mean": (0.0,) * 3}, "both mean and std"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        make(**changes)


def test_series_are_scaled_by_feature():
    modality = make(mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0))
    values = torch.randn(5, 7, 3)
    naive = torch.stack([(values[..., i] - (i + 1)) / 2**i for i in range(3)], dim=-1)
    assert torch.allclose(modality.standardise(values), naive)


def test_images_are_scaled_by_channel():
    modality = make(kind="image", shape=(2, 4, 4), mean=(0.5, 1.0), std=(0.25, 2.0))
    values = torch.rand(3, 2, 4, 4)
    naive = torch.stack([(values[:, 0] - 0.5) / 0.25, (values[:, 1] - 1) / 2], dim=1)
    assert torch.allclose(modality.standardise(values), naive)


def test_without_statistics_values_pass():
    values = torch.randn(5, 7, 3)
    assert make().standardise(values) is values


def test_whole_numbers_are_scaled_as_their_floats():
    counts = Modality(name="counts", kind="tabular", shape=(2,), mean=(12.7, 3.6), std=(3.9, 0.2))
    values = torch.tensor([[10, 3], [20, 4]])
    for kind in (torch.int64, torch.uint8):
        assert torch.equal(counts.standardise(values.to(kind)), counts.standardise(values.float()))
