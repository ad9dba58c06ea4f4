"""Gentle push: windows of trajectories as MultiBench cuts them."""

import h5py
import numpy as np
import pytest
import torch

from coral_plugin.adapters.push import MEANS, STDS, Push, PushSettings
from coral_plugin.augmentations import build_augmenter
from coral_plugin.data.adapter import check_choices
from coral_plugin.errors import InputError, MachineError
from coral_plugin.registry import DATASETS
from coral_plugin.runs.settings import make_settings

from . import formats


@pytest.fixture
def folder(tmp_path):
    return formats.push(tmp_path / "cache", counts=(4, 2, 2), steps=44)


def test_the_windows(folder):
    assert DATASETS.get("push") is Push
    data = Push.load(str(folder))
    # 44 steps: two windows of 16 from step 0 on, two from step 8 on
    assert [len(split) for split in data.splits().values()] == [16, 8, 8]
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("gripper_pos", "timeseries", (16, 3)),
        ("gripper_sensors", "timeseries", (16, 7)),
        ("image", "timeseries", (16, 1024)),
        ("control", "timeseries", (16, 7)),
    ]
    batch = data.train.batch(torch.arange(16))
    with h5py.File(next(folder.glob("*1000.hdf5"))) as file:
        second = {key: file["trajectory1"][key][()] for key in file["trajectory1"]}
    for row, rows in ((4, slice(0, 16)), (5, slice(16, 32)), (6, slice(8, 24)), (7, slice(24, 40))):
        np.testing.assert_array_equal(batch["gripper_pos"][row], second["eef_pos"][rows])
        np.testing.assert_array_equal(batch["image"][row].reshape(16, 32, 32), second["image"][rows])
        np.testing.assert_array_equal(batch["gripper_sensors"][row, :, :6], second["force"][rows])
        np.testing.assert_array_equal(batch["gripper_sensors"][row, :, 6], second["contact"][rows])
        place = (second["Cylinder0_pos"][rows, :2] - np.array(MEANS["state"])) / np.array(STDS["state"])
        np.testing.assert_allclose(batch.targets["position"][row].view(16, 2), place, atol=1e-5)
    # control: the place one step before, the way from there, and whether it touches
    moved = np.diff(second["eef_pos"], axis=0, prepend=second["eef_pos"][:1])
    np.testing.assert_allclose(batch["control"][6, :, :3], second["eef_pos"][7:23], atol=1e-6)
    np.testing.assert_allclose(batch["control"][4, :, 3:6], moved[:16], atol=1e-6)


@pytest.mark.parametrize("frames", ["series", "channels"])
def test_the_recipe_fits_both_forms_of_frames(folder, frames):
    augmentations = make_settings("coral", "push").augmentations
    data = Push.load(str(folder), PushSettings(frames=frames))
    batch = data.train.batch(torch.arange(4))
    assert set(build_augmenter(augmentations, data.modalities)(batch)) == set(batch)


def test_plain_names_frames_and_last_step(tmp_path):
    folder = formats.push(tmp_path / "plain", counts=(2, 1, 1), cached=False)
    data = Push.load(str(folder), PushSettings(frames="channels", target="last", length=8))
    assert [(m.kind, m.shape) for m in data.modalities][2] == ("image", (8, 32, 32))
    assert data.tasks[0].classes == ("x", "y")
    every = Push.load(str(folder), PushSettings(length=8))
    assert torch.equal(data.test.targets["position"], every.test.targets["position"][:, -2:])
    assert every.tasks[0].classes[:3] == ("x 0", "y 0", "x 1")


@pytest.mark.parametrize("statistics", ["train", "multibench"])
def test_statistics(folder, statistics):
    data = Push.load(str(folder), PushSettings(statistics=statistics))
    sensors = data.train.columns["gripper_sensors"].values
    expected = sensors.mean((0, 1)).tolist() if statistics == "train" else MEANS["gripper_sensors"]
    assert data.modalities[1].mean == pytest.approx(expected, abs=1e-5)
    assert (data.modalities[2].mean is None) == (statistics == "multibench")  # it leaves pictures as they are


@pytest.mark.parametrize("settings", [{"length": 1}, {"target": "first"}, {"frames": "x"}, {"statistics": "all"}])
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        check_choices(PushSettings(**settings))


def test_short_trajectories(folder):
    with pytest.raises(InputError, match=r"no trajectory of 100 steps; set --source.length lower"):
        Push.load(str(folder), PushSettings(length=100))


def test_too_large_is_refused_unread(folder, monkeypatch):
    monkeypatch.setattr("coral_plugin.machine.memory", lambda: 10_000)
    with pytest.raises(MachineError, match="with 176 steps: this takes"):
        Push.load(str(folder))


def test_it_trains_and_regresses(folder, tmp_path, coral):
    status, out, err = coral(
        "train", "--dataset", "push", "--data", folder, "--epochs", 1, "--output", tmp_path / "run", "--quiet",
        "--modalities", "gripper_pos,control", "--source.target", "last",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert "position" in out
    assert "raw: gripper_pos" in out


@pytest.mark.multibench
def test_the_samples_are_multibenchs(folder, multibench):
    """Scaled with its constants; its loader shuffles, so its data sets are compared."""
    task = multibench("datasets.gentle_push.data_loader").PushTask
    multibench("fannypack").data.set_cache_path(str(folder))
    train, valid, test = task.get_dataloader(16, batch_size=4)
    data = Push.load(str(folder), PushSettings(statistics="multibench"))
    for split, loader in zip(data.splits().values(), (train, valid, test["image"][0]), strict=True):
        assert len(split) == len(loader.dataset)
        batch = split.batch(torch.arange(len(split)))
        for row, (*values, states) in enumerate(loader.dataset):
            for modality, theirs in zip(data.modalities, values, strict=True):
                ours = modality.standardise(batch[modality.name][row])
                torch.testing.assert_close(ours.view(theirs.shape), torch.from_numpy(theirs), atol=2e-5, rtol=1e-5)
            ours = batch.targets["position"][row].view(16, 2)
            torch.testing.assert_close(ours, torch.from_numpy(states), atol=1e-6, rtol=0)
