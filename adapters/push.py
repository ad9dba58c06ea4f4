"""Gentle push (MultiBench's MuJoCo Push): windows of simulated trajectories, from HDF5 files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import dataset_of, group_of, member_names, open_hdf5
from coral_plugin.machine import require_memory

from .shared import content_of, require_folder, with_progress

if TYPE_CHECKING:
    import h5py

_FILES = {"train": "gentle_push_1000.hdf5", "valid": "gentle_push_10.hdf5", "test": "gentle_push_300.hdf5"}
_SIDE = 32
# shape of one step: what MultiBench makes of a trajectory
_STEP_SHAPES = {"gripper_pos": (3,), "gripper_sensors": (7,), "image": (_SIDE, _SIDE), "control": (7,)}
_STORED: dict[str, tuple[int | None, ...]] = {
    "eef_pos": (None, 3),
    "force": (None, 6),
    "contact": (None,),
    "Cylinder0_pos": (None, None),
    "image": (None, _SIDE, _SIDE),
}
# with which MultiBench scales what it reads
MEANS = {
    "gripper_pos": (0.46806443, -0.0017836, 0.88028437),
    "gripper_sensors": (0.49182904, 0.045039989, -3.2791464, -0.0033874984, 0.011552566, -0.00084817986, 0.21303751),
    "control": (0.46594709, -0.0025247163, 0.88094306, 0.0001293995, -0.000054364675, -0.00061112235, 0.22041667),
    "state": (0.4970164, -0.00916641),
}
STDS = {
    "gripper_pos": (0.02410769, 0.02341035, 0.04018243),
    "gripper_sensors": (1.6152629, 1.666905, 1.9186896, 0.14219016, 0.14232528, 0.01675198, 0.40950698),
    "control": (0.02239027, 0.02356066, 0.0405312, 0.00054858, 0.0005754, 0.00046352, 0.41451886),
    "state": (0.0572766, 0.06118315),
}


@dataclass(frozen=True, kw_only=True)
class PushSettings:
    """How the trajectories are read.

    Attributes:
        length: Number of steps per window.
        target: Steps of a window at which the place of the object is predicted: ``all``, as in MultiBench, or ``last``.
        frames: Form of a window's grey pictures: a ``series`` of 1024 values per step, or the ``channels`` of one
            image, for encoders of images.
        statistics: Mean and standard deviation that scale the inputs: those of the windows of ``train``, or the
            constants of ``multibench``. The target has the unit of MultiBench's constants either way, as its errors
            have.
    """

    length: int = 16
    target: Literal["all", "last"] = "all"
    frames: Literal["series", "channels"] = "series"
    statistics: Literal["train", "multibench"] = "train"

    def __post_init__(self) -> None:
        if self.length < 2:
            raise InputError(f"length must be at least 2 steps, got {self.length}.")


class Push(DatasetAdapter):
    """Gentle push (MultiBench's MuJoCo Push): the place of an object that a robot pushes, sees and feels."""

    name = "push"
    source = "Lee et al. 2020, linked by MultiBench: https://github.com/pliang279/MultiBench#mujoco-push-gentle-push"
    licence = "unknown; ask the authors"
    Settings = PushSettings
    # a place that is turned or scaled, or a picture that is cropped, is that of another object
    recipe: ClassVar[Mapping[str, Any]] = {
        "plain_augmentations": "none",  # the place of the object in the picture is what is predicted
        "augmentations": {
            "gripper_pos": "drop+noise",
            "gripper_sensors": "drop+noise",
            "image": "noise",
            "control": "drop+noise",
        },
    }
    expects = (
        f"MultiBench's gentle push ({', '.join(_FILES.values())}, as downloaded or as fannypack's cache names them)"
    )

    @classmethod
    def read(cls, path: str, settings: PushSettings) -> MultimodalData:
        """Windows of the gripper's place, of force and contact, of pictures 32 x 32 and of the robot's motion.

        Raises:
            InputError: a file that is missing or damaged, or trajectories shorter than a window.
            MachineError: the windows do not fit into memory.
        """
        files = _require_files(Path(path))
        windows = {label: _windows(files[label], settings.length) for label in SPLITS}
        steps = [""] if settings.target == "last" else [f" {step}" for step in range(settings.length)]
        axes = tuple(f"{axis}{step}" for step in steps for axis in "xy")
        task = Task(name="position", kind="regression", classes=axes)
        splits = {
            label: Split(
                {name: ModalityColumn(_shaped(arrays.pop(name), name, settings)) for name in _STEP_SHAPES},
                {task.name: _target(arrays["state"], settings)},
            )
            for label, arrays in windows.items()
        }
        modalities = (_modality(name, splits["train"].columns[name], settings) for name in _STEP_SHAPES)
        return cls.assemble(modalities, (task,), splits, fit_statistics=settings.statistics == "train")

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """A folder of trajectories, or one of its files."""
        if candidate.kind == "folder":
            files = _find_files(candidate.path)
            notes = [f"{name} is missing" for label, name in _FILES.items() if label not in files]
        elif candidate.kind == "hdf5":
            files, notes = {"this file": candidate.path}, ["--data takes the folder that has all of them"]
        else:
            return None
        arrays: dict[str, np.ndarray] = {}
        for label, path in files.items():
            with open_hdf5(path, cls.expects) as file:
                if "trajectory0" not in file:
                    return None
                for key, values in _numbers(file, str(path)).items():
                    arrays[f"{label}/{key}"] = values
        return Inspection("gentle push, trajectories", (cls.name,), arrays, notes=tuple(notes)) if files else None


def _find_files(folder: Path) -> dict[str, Path]:
    """``{split: file}`` of the files that are present; a name may begin with its place on Google Drive."""
    files = {}
    for label, name in _FILES.items():
        pattern = rf"(.*-)?{re.escape(name)}"
        matching = [path for path in sorted(folder.glob("*.hdf5")) if re.fullmatch(pattern, path.name)]
        if matching:
            files[label] = matching[0]
    return files


def _require_files(folder: Path) -> dict[str, Path]:
    files = _find_files(require_folder(folder, f"one with {Push.expects}"))
    if missing := [_FILES[label] for label in SPLITS if label not in files]:
        content = content_of(folder)
        real = "; the recordings of real pushes (kloss_*.hdf5) have no test split" if "kloss" in content else ""
        raise InputError(f"{folder} lacks {', '.join(missing)}; it has {content}{real}.")
    return files


def _target(state: np.ndarray, settings: PushSettings) -> torch.Tensor:
    """``(N, 2 * length)``, or ``(N, 2)`` at the last step."""
    mean, std = (np.asarray(table["state"], dtype=np.float32) for table in (MEANS, STDS))
    scaled = (state - mean) / std
    return torch.from_numpy((scaled[:, -1:] if settings.target == "last" else scaled).reshape(len(state), -1))


def _shaped(values: np.ndarray, name: str, settings: PushSettings) -> torch.Tensor:
    if name == "image" and settings.frames == "series":
        values = values.reshape(len(values), settings.length, _SIDE * _SIDE)
    return torch.from_numpy(values)


def _modality(name: str, column: ModalityColumn, settings: PushSettings) -> Modality:
    kind = "image" if name == "image" and settings.frames == "channels" else "timeseries"
    modality = Modality(name=name, kind=kind, shape=tuple(column.values.shape[1:]))  # type: ignore[arg-type]
    if settings.statistics == "multibench" and name in MEANS:
        return replace(modality, mean=MEANS[name], std=STDS[name])
    return modality


def _windows(path: Path, length: int) -> dict[str, np.ndarray]:
    """Windows of ``length`` steps at the offsets 0 and ``length // 2`` of every trajectory, as MultiBench cuts them.

    Returns:
        ``(N, length, ...)`` of each modality, and of ``state``, the place of the object on the table.

    Raises:
        InputError: a file that is damaged or of another kind, or without any trajectory that is long enough.
        MachineError: the windows do not fit into memory.
    """
    with open_hdf5(path, Push.expects) as file:
        groups = _trajectories(file, str(path))
        steps = sum(_count_steps(group, f"{path}: {name}") for name, group in groups.items())
        values = sum(int(np.prod(shape)) for shape in _STEP_SHAPES.values()) + 2
        # every step is in two windows, and is read once
        require_memory(3 * 4 * steps * values, f"{path} with {steps:,} steps")
        pieces: dict[str, list[np.ndarray]] = {key: [] for key in (*_STEP_SHAPES, "state")}
        for name in with_progress(list(groups), path.name):
            for key, whole in _series(groups[name], f"{path}: {name}").items():
                for offset in (0, length // 2):
                    count = max(0, len(whole) - offset) // length
                    pieces[key].append(whole[offset : offset + count * length].reshape(count, length, *whole.shape[1:]))
    windows = {key: np.concatenate(parts) for key, parts in pieces.items()}
    if not len(windows["state"]):
        raise InputError(f"{path} has no trajectory of {length} steps; set --source.length lower.")
    return windows


def _numbers(file: h5py.File, place: str) -> dict[str, np.ndarray]:
    """Steps of each trajectory, and all but the pictures, step after step of all trajectories.

    Raises:
        InputError: an array is missing or of another shape.
    """
    groups = _trajectories(file, place)
    numbers = {"steps": np.array([_count_steps(group, f"{place}: {name}") for name, group in groups.items()])}
    for key in (key for key in _STORED if key != "image"):
        numbers[key] = np.concatenate([group[key][()] for group in groups.values()])
    return numbers


def _trajectories(file: h5py.File, place: str) -> dict[str, h5py.Group]:
    """The groups ``trajectory0``, ... in the order of their numbers.

    Raises:
        InputError: there are none.
    """
    numbers = [match.group(1) for match in (re.fullmatch(r"trajectory(\d{1,9})", str(name)) for name in file) if match]
    if not numbers:
        content = member_names(file)
        raise InputError(f"{place} has no group 'trajectory0', ...; it has {content}. Expected {Push.expects}.")
    return {
        name: group_of(file, name, place) for name in (f"trajectory{number}" for number in sorted(numbers, key=int))
    }


def _count_steps(group: h5py.Group, place: str) -> int:
    """Number of steps of one trajectory.

    Raises:
        InputError: an array is missing, or the arrays have different numbers of steps.
    """
    counts = {key: dataset_of(group, key, place, shape).shape[0] for key, shape in _STORED.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"{place}: unequal numbers of steps: {', '.join(f'{k} {n}' for k, n in counts.items())}.")
    return int(counts["image"])


def _series(group: h5py.Group, place: str) -> Mapping[str, np.ndarray]:
    """``(T, ...)`` of each modality and of the state."""
    raw = {key: group[key][()].astype(np.float32) for key in _STORED}
    for key, values in raw.items():
        if not np.isfinite(values).all():
            first = [int(index) for index in np.argwhere(~np.isfinite(values))[0]]
            raise InputError(f"{place}: {key} holds values that are not finite, the first at {first}.")
    if raw["Cylinder0_pos"].shape[1] < 2:
        raise InputError(
            f"{place}: Cylinder0_pos has shape {raw['Cylinder0_pos'].shape}, expected x and y of each step."
        )
    position, contact = raw["eef_pos"], raw["contact"][:, None]
    before = np.concatenate([position[:1], position[:-1]])
    return {
        "gripper_pos": position,
        "gripper_sensors": np.concatenate([raw["force"], contact], axis=1),
        "image": raw["image"],
        "control": np.concatenate([before, position - before, contact], axis=1),
        "state": raw["Cylinder0_pos"][:, :2],
    }
