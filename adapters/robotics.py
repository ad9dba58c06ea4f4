"""Vision & Touch: a robot puts a peg into a hole, and sees and feels it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.adapter import check_seed
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.machine import require_memory

from .robotics_layout import FORCE_STEPS, WHAT, chunks_of, files_of, split_trajectories, steps_of

Extra = Literal["depth", "action"]
Target = Literal["ee", "contact"]
TASKS = {
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
        extras: What is loaded beside image, force and proprio (from which ``--modalities`` chooses: the papers regress
            ``ee`` from image and force, and tell ``contact`` from image and proprio, or from all three). ``action``,
            the move to the next step, says most of ``ee`` by itself, and so does proprio.
        tasks: What is probed at the next step: ``ee``, place and yaw of the end effector, and ``contact``.
        side: Of pictures in pixels; 128 in the files. All 147,000 steps take 7.2 GB at 128 and 1.8 GB at 64;
            depth takes another 9.6 and 2.4 GB.
        seed: Of the split, by trajectory.
        valid_share: Of the trajectories.
        test_share: Of the trajectories.
    """

    extras: tuple[Extra, ...] = ()
    tasks: tuple[Target, ...] = ("ee", "contact")
    side: int = 128
    seed: int = 42
    valid_share: float = 0.1
    test_share: float = 0.2

    def __post_init__(self) -> None:
        for name, values in (("extras", self.extras), ("tasks", self.tasks)):
            if len(set(values)) != len(values):
                raise InputError(f"{name} must be different ones, got {', '.join(values)}.")
        if not self.tasks:
            raise InputError(f"tasks must be one or both of {', '.join(get_args(Target))}.")
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
    expects = WHAT

    @classmethod
    def read(cls, path: str, settings: RoboticsSettings) -> MultimodalData:
        """Every step but the last of each file, with what the next step was.

        Trajectories are split, not files or steps: in MultiBench and in the papers' code neighbours of the tested steps
        are in train, and valid is test. MultiBench replaces the last step by a random one; here it is left out.

        Args:
            path: Of the folder.
            settings: What is read, and how it is split.

        Raises:
            InputError: no path, a folder without such files, a file that is damaged, or fewer than 3 trajectories.
            MachineError: it does not fit into memory.
        """
        files, inputs = _files(Path(path)), _inputs(settings)
        counts = {file: steps_of(file) - 1 for chunks in files.values() for file in chunks}
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
        return cls.assemble(modalities, (TASKS[target] for target in settings.tasks), splits, notes)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """A folder of Vision & Touch, or one of its files."""
        if candidate.kind not in ("folder", "hdf5"):
            return None
        found = files_of(candidate.path if candidate.kind == "folder" else candidate.path.parent)
        paths = [path for chunks in found.values() for path in chunks if candidate.path in (path, path.parent)]
        if not paths:
            return None
        numbers = ("force", "proprio", "action")
        chunks = list(chunks_of(paths, numbers, 8, "files"))  # without the pictures, 2 KB a step
        arrays = {"steps of each file": np.array([steps_of(path) for path in paths])}
        for name in numbers:
            arrays[name] = np.concatenate([chunk.inputs[name].numpy() for chunk in chunks])
        trajectories = sum(any(path in paths for path in own) for own in found.values())
        notes = [f"{len(paths)} files of {trajectories} trajectories; pictures are not looked at here"]
        if candidate.kind == "hdf5":
            notes.append("--data takes the folder, with 3 trajectories or more")
        labels = {"contact": np.concatenate([chunk.contact.numpy() for chunk in chunks])}
        return Inspection("Vision & Touch (triangle_real_data)", ("robotics",), arrays, labels, tuple(notes))


def _files(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Expected {WHAT}.")
    files = files_of(folder)
    if len(files) < len(SPLITS):
        there = ", ".join(sorted(each.name for each in folder.iterdir())[:5]) or "nothing"
        raise InputError(
            f"{folder} has files of {len(files)} trajectories (it holds {there}); train, valid and test need one each. "
            f"Expected {WHAT}."
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
    ee, contact, at = torch.empty(total, 4), torch.empty(total, dtype=torch.int64), 0
    for chunk in chunks_of(files, tuple(values), settings.side, label):
        rows = slice(at, at + len(chunk.ee))
        for name, own in chunk.inputs.items():
            values[name][rows] = own
        ee[rows], contact[rows], at = chunk.ee, chunk.contact, rows.stop
    targets = {"ee": ee, "contact": contact}
    return Split(
        {name: ModalityColumn(own) for name, own in values.items()},
        {TASKS[each].name: targets[each] for each in settings.tasks},
    )
