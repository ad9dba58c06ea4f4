"""Gentle push: where the object is that a robot pushes, by what it sees, feels and does (MultiBench's MuJoCo Push)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import open_hdf5

from .push_layout import FILES, MEANS, SHAPES, SIDE, STDS, WHAT, find_files, numbers_of, windows_of

Frames = Literal["series", "channels"]
Target = Literal["all", "last"]
Statistics = Literal["train", "multibench"]


@dataclass(frozen=True, kw_only=True)
class PushSettings:
    """How the trajectories are read.

    Attributes:
        length: Steps of a window.
        target: The place of the object at ``all`` steps of a window, as in MultiBench, or at its ``last``.
        frames: The grey pictures of a window as a ``series`` of 1024 values a step, or as the ``channels`` of one
            image, for encoders of images.
        statistics: Whose mean and deviation scale the inputs: of the windows of ``train``, or the constants that
            ``multibench`` has. The target has the unit of MultiBench's constants either way, as its errors have.
    """

    length: int = 16
    target: Target = "all"
    frames: Frames = "series"
    statistics: Statistics = "train"

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
        "plain_augmentations": "none",  # where the object lies in the picture is what is asked for
        "augmentations": {
            "gripper_pos": "drop+noise",
            "gripper_sensors": "drop+noise",
            "image": "noise",
            "control": "drop+noise",
        },
    }
    expects = WHAT

    @classmethod
    def read(cls, path: str, settings: PushSettings) -> MultimodalData:
        """Windows of the gripper's place, of force and contact, of pictures 32 x 32 and of what the robot does.

        Args:
            path: Folder with the three files of the simulated pushes; fannypack's cache is one.
            settings: How they are read.

        Raises:
            InputError: no path, a file that is missing or damaged, or trajectories shorter than a window.
            MachineError: the windows do not fit into memory.
        """
        files = _files(Path(path))
        windows = {label: windows_of(files[label], settings.length) for label in SPLITS}
        task = _task(settings)
        splits = {
            label: Split(
                {name: ModalityColumn(_shaped(own.pop(name), name, settings)) for name in SHAPES},
                {task.name: _target(own["state"], settings)},
            )
            for label, own in windows.items()
        }
        modalities = (_modality(name, splits["train"].columns[name], settings) for name in SHAPES)
        return cls.assemble(modalities, (task,), splits, fit_statistics=settings.statistics == "train")

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """What ``coral data check`` says of a folder of trajectories, or of one such file; None for anything else."""
        if candidate.kind == "folder":
            files = find_files(candidate.path)
        elif candidate.kind == "hdf5":
            files = {"this file": candidate.path}
        else:
            return None
        arrays: dict[str, np.ndarray] = {}
        for label, path in files.items():
            with open_hdf5(path, WHAT) as file:
                if "trajectory0" not in file:
                    return None
                for key, values in numbers_of(file, str(path)).items():
                    arrays[f"{label}/{key}"] = values
        if not files:
            return None
        notes = [f"{FILES[label]} is missing" for label in SPLITS if candidate.kind == "folder" and label not in files]
        if candidate.kind == "hdf5":
            notes = ["--data takes the folder that has all of them"]
        return Inspection("gentle push, trajectories", ("push",), arrays, notes=tuple(notes))


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Expected one with {WHAT}.")
    found = find_files(folder)
    if missing := [FILES[label] for label in SPLITS if label not in found]:
        there = ", ".join(sorted(each.name for each in folder.iterdir())[:8]) or "nothing"
        real = "; the recordings of real pushes (kloss_*.hdf5) have no test split" if "kloss" in there else ""
        raise InputError(f"{folder} lacks {', '.join(missing)}; it has {there}{real}.")
    return found


def _task(settings: PushSettings) -> Task:
    steps = [""] if settings.target == "last" else [f" {step}" for step in range(settings.length)]
    return Task(name="position", kind="regression", classes=tuple(f"{axis}{step}" for step in steps for axis in "xy"))


def _target(state: np.ndarray, settings: PushSettings) -> torch.Tensor:
    """``(N, 2 * length)``, or ``(N, 2)`` at the last step."""
    mean, std = (np.asarray(table["state"], dtype=np.float32) for table in (MEANS, STDS))
    scaled = (state - mean) / std
    return torch.from_numpy((scaled[:, -1:] if settings.target == "last" else scaled).reshape(len(state), -1))


def _shaped(values: np.ndarray, name: str, settings: PushSettings) -> torch.Tensor:
    if name == "image" and settings.frames == "series":
        values = values.reshape(len(values), settings.length, SIDE * SIDE)
    return torch.from_numpy(values)


def _modality(name: str, column: ModalityColumn, settings: PushSettings) -> Modality:
    kind = "image" if name == "image" and settings.frames == "channels" else "timeseries"
    modality = Modality(name=name, kind=kind, shape=tuple(column.values.shape[1:]))  # type: ignore[arg-type]
    if settings.statistics == "multibench" and name in MEANS:
        return replace(modality, mean=MEANS[name], std=STDS[name])
    return modality
