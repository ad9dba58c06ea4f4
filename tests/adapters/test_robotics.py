"""Vision & Touch: every step with the next one as its target, split by trajectory."""

import h5py
import numpy as np
import pytest
import torch

from coral_plugin.adapters.robotics import Robotics, RoboticsSettings
from coral_plugin.adapters.robotics_layout import files_of_trajectories, split_trajectories
from coral_plugin.data.adapter import check_choices
from coral_plugin.errors import InputError, MachineError
from coral_plugin.registry import DATASETS
from coral_plugin.runs.settings import make_settings

from . import formats

EXTRAS = ("depth", "action")


@pytest.fixture
def folder(tmp_path):
    return formats.robotics(tmp_path / "triangle_real_data", trajectories=6, chunks=2, steps=5, side=16)


def held(folder, **settings):
    return Robotics.load(str(folder), RoboticsSettings(side=16, **settings))


def test_it_is_registered_with_its_recipe():
    assert DATASETS.get("robotics") is Robotics
    augmentations = make_settings("coral", "robotics", modalities=("image", "force")).augmentations
    assert augmentations == {"image": "simclr", "force": "noise+drop"}


def test_steps_and_their_next_ones(folder):
    data = held(folder, extras=EXTRAS)
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("image", "image", (3, 16, 16)),
        ("force", "timeseries", (32, 6)),
        ("proprio", "tabular", (8,)),
        ("depth", "image", (1, 16, 16)),
        ("action", "tabular", (4,)),
    ]
    assert [(t.name, t.kind, t.classes) for t in data.tasks] == [
        ("ee_next", "regression", ("x", "y", "z", "yaw")), ("contact_next", "classification", ("free", "contact"))
    ]  # fmt: skip
    files = files_of_trajectories(folder)
    cut = split_trajectories(sorted(files), 42, (0.1, 0.2))
    assert [len(split) for split in data.splits().values()] == [4 * 8, 8, 8]
    for label, split in data.splits().items():
        batch, row = split.batch(torch.arange(len(split))), 0
        for path in (path for name in cut[label] for path in files[name]):
            with h5py.File(path) as file:
                for step in range(4):
                    image = (batch["image"][row] * 255).round().byte().permute(1, 2, 0)
                    np.testing.assert_array_equal(image, file["image"][step])
                    force = np.tanh(file["ee_forces_continuous"][step, -32:])
                    np.testing.assert_allclose(batch["force"][row], force, atol=1e-6)
                    np.testing.assert_allclose(batch["proprio"][row], file["proprio"][step, :8], atol=1e-6)
                    np.testing.assert_allclose(batch["depth"][row, 0], file["depth_data"][step, ..., 0], atol=1e-6)
                    np.testing.assert_allclose(batch["action"][row], file["action"][step + 1], atol=1e-6)
                    ee = file["proprio"][step + 1, :4]
                    np.testing.assert_allclose(batch.targets["ee_next"][row], ee, atol=1e-6)
                    assert batch.targets["contact_next"][row] == (file["contact"][step + 1].sum() > 0)
                    row += 1
        assert row == len(split)


@pytest.mark.parametrize("count", [3, 4, 20, 150])
def test_no_trajectory_is_in_two_splits(count):
    names = [f"t{i}" for i in range(count)]
    cut = split_trajectories(names, 42, (0.1, 0.2))
    assert sorted(name for own in cut.values() for name in own) == sorted(names)
    assert min(map(len, cut.values())) >= 1
    greedy = split_trajectories(names, 42, (0.49, 0.5))
    assert sorted(name for own in greedy.values() for name in own) == sorted(names)
    assert min(map(len, greedy.values())) >= 1
    if count == 150:
        assert [len(own) for own in cut.values()] == [105, 15, 30]
    assert cut == split_trajectories(names, 42, (0.1, 0.2)) != split_trajectories(names, 43, (0.1, 0.2))


def test_pictures_with_channels_first_are_turned(tmp_path, folder):
    first = formats.robotics(tmp_path / "first", trajectories=6, chunks=2, steps=5, side=16, channels_first=True)
    assert held(first).fingerprint == held(folder).fingerprint


def test_smaller_pictures_and_one_task(folder):
    data = Robotics.load(str(folder), RoboticsSettings(side=8, tasks=("contact",)))
    assert data.modalities[0].shape == (3, 8, 8)
    assert data.train.columns["image"].values.dtype == torch.uint8
    assert [task.name for task in data.tasks] == ["contact_next"]
    assert "6 trajectories: 4 train, 1 valid, 1 test (seed 42)" in data.notes


def test_contact_of_one_class(folder):
    for path in folder.iterdir():
        with h5py.File(path, "a") as file:
            file["contact"][...] = False
    with pytest.raises(InputError, match=r"one class of contact_next; give --source\.tasks \[ee\]"):
        held(folder)
    assert [task.name for task in held(folder, tasks=("ee",)).tasks] == ["ee_next"]


@pytest.mark.parametrize(
    "settings",
    [
        {"extras": ("depth", "depth")}, {"extras": ("image",)}, {"tasks": ("yaw",)}, {"tasks": ()},
        {"side": 4}, {"seed": -1}, {"valid_share": 0.0}, {"valid_share": 0.5, "test_share": 0.5},
    ],
)  # fmt: skip
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        check_choices(RoboticsSettings(**settings))


def test_too_large_is_refused_unread(folder, monkeypatch):
    monkeypatch.setattr("coral_plugin.machine.memory", lambda: 10_000)
    with pytest.raises(MachineError, match=r"48 steps of image, force, proprio: this takes .*Set --source.side lower"):
        held(folder)


@pytest.mark.multibench
@pytest.mark.parametrize("output", ["contact_next", "ee_yaw_next"])
def test_the_samples_are_multibenchs(folder, multibench, output):
    """Its last sample of a file is a random one, ours the last; the others are the same."""
    own = multibench("datasets.robotics.MultimodalManipulationDataset").MultimodalManipulationDataset
    process = multibench("datasets.robotics.ProcessForce").ProcessForce
    steps = [process(32, "force", tanh=True), process(32, "unpaired_force", tanh=True)]
    files = files_of_trajectories(folder)
    cut = split_trajectories(sorted(files), 42, (0.1, 0.2))
    paths = [str(path) for name in cut["train"] for path in files[name]]
    theirs = own(paths, transform=lambda sample: steps[1](steps[0](sample)), episode_length=5)
    batch = held(folder, extras=EXTRAS).train.batch(torch.arange(32))
    for row in (row for row in range(32) if row % 4 != 3):
        sample = {key: torch.from_numpy(np.asarray(value)).float() for key, value in theirs[row].items()}
        assert torch.equal((batch["image"][row] * 255).round().permute(1, 2, 0), sample["image"])
        torch.testing.assert_close(batch["force"][row].T, sample["force"])
        torch.testing.assert_close(batch["proprio"][row], sample["proprio"])
        torch.testing.assert_close(batch["depth"][row].permute(1, 2, 0), sample["depth"])
        torch.testing.assert_close(batch["action"][row], sample["action"])
        target = batch.targets["ee_next" if output == "ee_yaw_next" else "contact_next"][row]
        torch.testing.assert_close(target.float().view(-1), sample[output])


def test_pictures_of_0_to_1_are_refused(folder):
    for path in folder.glob("*.h5"):
        with h5py.File(path, "r+") as file:
            fractions = file["image"][()].astype(np.float32) / 255
            del file["image"]
            file["image"] = fractions
    with pytest.raises(InputError, match=r"image holds fractions up to .*: multiply by 255"):
        held(folder)
