"""The adapter reads what users have on disk."""

import numpy as np
import pytest
import torch

from coral_plugin.adapters.arrays import ArraysSettings, NpzArrays
from coral_plugin.data import from_arrays
from coral_plugin.data.adapter import check_choices
from coral_plugin.errors import InputError
from coral_plugin.io.npz import write_npz
from coral_plugin.registry import DATASETS


@pytest.fixture
def saved(tmp_path):
    """A function that writes arrays as NumPy itself does, and returns the path."""

    def save(arrays, name="mine.npz"):
        np.savez_compressed(tmp_path / name, **arrays)
        return str(tmp_path / name)

    return save


def test_it_is_registered_with_its_settings():
    assert DATASETS.get("arrays") is NpzArrays
    assert NpzArrays.Settings is ArraysSettings


def test_round_trip(saved, tmp_path, tiny_arrays):
    data = NpzArrays.load(saved(tiny_arrays | {"classes": np.array(["no", "yes"]), "meta/note": np.array("any text")}))
    direct = from_arrays(tiny_arrays)
    assert data.name == "mine"
    assert data.fingerprint == direct.fingerprint
    assert data.modalities == direct.modalities
    assert data.tasks[0].classes == ("no", "yes")
    write_npz(tmp_path / "again.npz", tiny_arrays)
    assert NpzArrays.load(str(tmp_path / "again.npz")).fingerprint == data.fingerprint


def test_settings_reach_the_data(saved, tiny_arrays):
    path = saved({key: value for key, value in tiny_arrays.items() if not key.startswith("valid/")})
    data = NpzArrays.load(
        path, ArraysSettings(standardise=False, valid_share=0.25, seed=3, kinds={"series": "timeseries"})
    )
    assert (len(data.train), len(data.valid)) == (18, 6)
    assert data.modalities[1].kind == "timeseries"
    assert all(m.mean is None for m in data.modalities)
    assert "seed 3" in data.notes[0]
    other = NpzArrays.load(path, ArraysSettings(seed=4, valid_share=0.25))
    assert not torch.equal(other.valid.columns["table"].rows, data.valid.columns["table"].rows)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"valid_share": 1.0}, "valid_share must lie between 0 and 1, got 1.0"),
        ({"valid_share": 0.0}, "between 0 and 1"),
        ({"seed": -1}, "seed must be from 0"),
        ({"kinds": {"a": "series"}}, "Unknown value of kinds 'series'. Did you mean 'timeseries'"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        check_choices(ArraysSettings(**settings))


def test_no_path():
    with pytest.raises(InputError, match=r"give --data PATH, an \.npz file \(keys train/<modality>, train/labels"):
        NpzArrays.load()


def test_wrong_content_is_named_with_the_file(saved, tiny_arrays):
    with pytest.raises(
        InputError, match=r"mine: unknown key 'training/table'\. Did you mean 'train'\? Keys are <split>/<modality>"
    ):
        NpzArrays.load(saved(tiny_arrays | {"training/table": tiny_arrays["train/table"]}))
    with pytest.raises(InputError, match="mine: split test lacks modality series, which train has"):
        NpzArrays.load(saved({key: value for key, value in tiny_arrays.items() if key != "test/series"}))
    with pytest.raises(InputError, match=r"unequal numbers of samples: .*valid/series 3.*valid/labels 8"):
        NpzArrays.load(saved(tiny_arrays | {"valid/series": tiny_arrays["valid/series"][:3]}))
    broken = tiny_arrays["train/series"].copy()
    broken[3, 1, 2] = np.nan
    broken[5, 0, 0] = np.inf
    with pytest.raises(
        InputError, match=r"train/series holds 2 values .* not finite, the first \(nan\) at \[3, 1, 2\]"
    ):
        NpzArrays.load(saved(tiny_arrays | {"train/series": broken}))


def test_python_objects_are_refused(saved, tiny_arrays):
    with pytest.raises(InputError, match="train/text holds Python objects, which can run code"):
        NpzArrays.load(saved(tiny_arrays | {"train/text": np.array([{}] * 24, dtype=object)}))


def test_wearables(shared_data):
    data = NpzArrays.load(str(shared_data / "wearables" / "wearables.npz"))
    assert [m.name for m in data.modalities] == ["phone_acc", "phone_gyro", "watch_acc", "watch_gyro"]
    assert {(m.kind, m.shape) for m in data.modalities} == {("timeseries", (50, 3))}
    assert {name: len(split) for name, split in data.splits().items()} == {"train": 2337, "valid": 498, "test": 735}
    assert (data.tasks[0].classes[2], len(data.tasks[0].classes), data.notes) == ("WALKING", 5, ())
    scaled = data.modalities[0].standardise(data.train.columns["phone_acc"].values).flatten(0, 1)
    assert torch.allclose(scaled.mean(0), torch.zeros(3), atol=1e-3)
    assert torch.allclose(scaled.std(0), torch.ones(3), atol=1e-3)


def test_mosi(shared_data):
    data = NpzArrays.load(str(shared_data / "mosi" / "mosi_utterance.npz"))
    assert [(m.name, m.kind, m.features) for m in data.modalities] == [
        ("vision", "tabular", 100),
        ("audio", "tabular", 73),
        ("text", "tabular", 100),
    ]
    assert {name: len(split) for name, split in data.splits().items()} == {"train": 1252, "valid": 195, "test": 752}
    batch = next(data.test.batches(16))
    assert all(
        torch.isfinite(m.standardise(batch[m.name])).all() and batch[m.name].shape == (16, m.features)
        for m in data.modalities
    )
