"""Vision & Touch: a robot puts a peg into a hole, and sees and feels it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.adapter import check_seed
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.machine import require_memory

from .robotics_layout import (
    FORCE_STEPS,
    ROBOTICS_FOLDER,
    chunks_of,
    count_steps,
    files_of_trajectories,
    split_trajectories,
)
from .shared import content_of, require_folder

_TASKS = {
    "ee": Task(name="ee_next", kind="regression", classes=("x", "y", "z", "yaw")),
    "contact": Task(name="contact_next", kind="classification", classes=("free", "contact")),
}
_ALWAYS = ("image", "force", "proprio")
_KINDS: dict[str, Any] = {"image": "image", "force": "timeseries", "proprio": "tabular", "depth": "image",
                          "action": "tabular"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RoboticsSettings:
    """How Vision & Touch is read.

    Attributes:
        extras: Modalities that are loaded in addition to image, force and proprio (from which ``--modalities`` chooses:
            the papers regress ``ee`` from image and force, and classify ``contact`` from image and proprio, or from all
            three). ``action``, the move to the next step, predicts most of ``ee`` by itself, and so does proprio.
        tasks: Tasks at the next step: ``ee``, place and yaw of the end effector, and ``contact``.
        side: Side of pictures in pixels; 128 in the files. All 147,000 steps take 7.2 GB at 128 and 1.8 GB at 64;
            depth takes another 9.6 and 2.4 GB.
        seed: Seed of the split, by trajectory.
        valid_share: Share of the trajectories that is valid.
        test_share: Share of the trajectories that is test.
    """

    extras: tuple[Literal["depth", "action"], ...] = ()
    tasks: tuple[Literal["ee", "contact"], ...] = ("ee", "contact")
    side: int = 128
    seed: int = 42
    valid_share: float = 0.1
    test_share: float = 0.2

    def __post_init__(self) -> None:
        for name, values in (("extras", self.extras), ("tasks", self.tasks)):
            if len(set(values)) != len(values):
                raise InputError(f"{name} must be different ones, got {', '.join(values)}.")
        if not self.tasks:
            raise InputError(f"tasks must be one or both of {', '.join(_TASKS)}.")
        if not 8 <= self.side <= 512:
            raise InputError(f"side must be from 8 to 512 pixels, got {self.side}.")
        check_seed(self.seed)
        if min(self.valid_share, self.test_share) <= 0 or self.valid_share + self.test_share >= 1:
            raise InputError(
                f"valid_share and test_share must be positive and leave some for train, got {self.valid_share} and "
                f"{self.test_share}."
            )


def _inputs(settings: RoboticsSettings) -> tuple[str, ...]:
    return (*_ALWAYS, *settings.extras)


class Robotics(DatasetAdapter):
    """Vision & Touch: a robot puts a peg into a hole, and sees and feels it."""

    name = "robotics"
    source = "Lee et al. 2019: http://downloads.cs.stanford.edu/juno/triangle_real_data.zip"
    licence = "unknown; ask the authors"
    Settings = RoboticsSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "augmentations": {"image": "simclr", "force": "noise+drop", "proprio": "noise"}
    }
    expects = ROBOTICS_FOLDER

    @classmethod
    def read(cls, path: str, settings: RoboticsSettings) -> MultimodalData:
        """Every step but the last of each file, and the targets of the next step.

        Trajectories are split, not files or steps: in MultiBench and in the papers' code neighbours of the tested steps
        are in train, and valid is test. MultiBench replaces the last step by a random one; here it is left out.

        Raises:
            InputError: a folder without such files, a file that is damaged, or fewer than 3 trajectories.
            MachineError: it does not fit into memory.
        """
        files, inputs = _files(Path(path)), _inputs(settings)
        counts = {file: count_steps(file) - 1 for chunks in files.values() for file in chunks}
        sizes = {name: prod(_shape(name, settings.side)) * (1 if name == "image" else 4) for name in inputs}
        require_memory(
            sum(counts.values()) * sum(sizes.values()),
            f"{path}: {sum(counts.values()):,} steps of {', '.join(inputs)}",
            "Set --source.side lower.",
        )
        cut = split_trajectories(sorted(files), settings.seed, (settings.valid_share, settings.test_share))
        splits = {
            label: _split([file for name in names for file in files[name]], counts, settings, label)
            for label, names in cut.items()
        }
        if "contact" in settings.tasks and len(splits["train"].targets["contact_next"].unique()) < 2:
            raise InputError(f"{path}: every training sample has one class of contact_next; give --source.tasks [ee].")
        counted = ", ".join(f"{len(names)} {label}" for label, names in cut.items())
        modalities = (Modality(name=name, kind=_KINDS[name], shape=_shape(name, settings.side)) for name in inputs)
        notes = [f"{len(files)} trajectories: {counted} (seed {settings.seed})"]
        return cls.assemble(modalities, (_TASKS[name] for name in settings.tasks), splits, notes)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """A folder of Vision & Touch, or one of its files."""
        if candidate.kind not in ("folder", "hdf5"):
            return None
        files = files_of_trajectories(candidate.path if candidate.kind == "folder" else candidate.path.parent)
        paths = [path for chunks in files.values() for path in chunks if candidate.path in (path, path.parent)]
        if not paths:
            return None
        numbers = ("force", "proprio", "action")
        chunks = list(chunks_of(paths, numbers, 8, "files"))  # without the pictures, 2 KB per step
        arrays = {"steps of each file": np.array([count_steps(path) for path in paths])}
        for name in numbers:
            arrays[name] = np.concatenate([chunk.inputs[name].numpy() for chunk in chunks])
        trajectories = sum(any(path in paths for path in chunks) for chunks in files.values())
        notes = [f"{len(paths)} files of {trajectories} trajectories; pictures are not looked at here"]
        if candidate.kind == "hdf5":
            notes.append("--data takes the folder, with 3 trajectories or more")
        labels = {"contact": np.concatenate([chunk.contact.numpy() for chunk in chunks])}
        return Inspection("Vision & Touch (triangle_real_data)", (cls.name,), arrays, labels, tuple(notes))


def _files(folder: Path) -> dict[str, list[Path]]:
    files = files_of_trajectories(require_folder(folder, ROBOTICS_FOLDER))
    if len(files) < len(SPLITS):
        raise InputError(
            f"{folder} has files of {len(files)} trajectories (it holds {content_of(folder)}); train, valid and test "
            f"need one each. Expected {ROBOTICS_FOLDER}."
        )
    return files


def _shape(name: str, side: int) -> tuple[int, ...]:
    return {"image": (3, side, side), "depth": (1, side, side), "force": (FORCE_STEPS, 6), "proprio": (8,)}.get(
        name, (4,)
    )


def _split(files: list[Path], counts: dict[Path, int], settings: RoboticsSettings, label: str) -> Split:
    """The steps of ``files``, written into tensors of their full size file by file."""
    total = sum(counts[file] for file in files)
    values: dict[str, torch.Tensor] = {
        name: torch.empty(total, *_shape(name, settings.side), dtype=torch.uint8 if name == "image" else torch.float32)
        for name in _inputs(settings)
    }
    ee, contact, start = torch.empty(total, 4), torch.empty(total, dtype=torch.int64), 0
    for chunk in chunks_of(files, tuple(values), settings.side, label):
        rows = slice(start, start + len(chunk.ee))
        for name, tensor in chunk.inputs.items():
            values[name][rows] = tensor
        ee[rows], contact[rows], start = chunk.ee, chunk.contact, rows.stop
    targets = {"ee": ee, "contact": contact}
    return Split(
        {name: ModalityColumn(tensor) for name, tensor in values.items()},
        {_TASKS[name].name: targets[name] for name in settings.tasks},
    )
