"""Gentle push on disk: HDF5 files of trajectories, and the windows that are cut out of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import dataset_of, group_of, member_names, open_hdf5
from coral_plugin.machine import require_memory

from .progress import shown

if TYPE_CHECKING:
    import h5py

FILES = {"train": "gentle_push_1000.hdf5", "valid": "gentle_push_10.hdf5", "test": "gentle_push_300.hdf5"}
WHAT = f"MultiBench's gentle push ({', '.join(FILES.values())}, as downloaded or as fannypack's cache names them)"
SIDE = 32
# of one step: what MultiBench makes of a trajectory
SHAPES = {"gripper_pos": (3,), "gripper_sensors": (7,), "image": (SIDE, SIDE), "control": (7,)}
_READ: dict[str, tuple[int | None, ...]] = {
    "eef_pos": (None, 3),
    "force": (None, 6),
    "contact": (None,),
    "Cylinder0_pos": (None, None),
    "image": (None, SIDE, SIDE),
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


def find_files(folder: Path) -> dict[str, Path]:
    """``{split: file}`` of those files that ``folder`` has; a name may have its place on Google Drive before it."""
    found = {}
    for label, name in FILES.items():
        fitting = [
            path for path in sorted(folder.glob("*.hdf5")) if re.fullmatch(rf"(.*-)?{re.escape(name)}", path.name)
        ]
        if fitting:
            found[label] = fitting[0]
    return found


def windows_of(path: Path, length: int) -> dict[str, np.ndarray]:
    """Windows of ``length`` steps at the offsets 0 and ``length // 2`` of every trajectory, as MultiBench cuts them.

    Returns:
        ``(N, length, ...)`` of each of :data:`SHAPES`, and of ``state``, the place of the object on the table.

    Raises:
        InputError: a file that is damaged or no such file, or without any trajectory that is long enough.
        MachineError: the windows do not fit into memory.
    """
    with open_hdf5(path, WHAT) as file:
        names = trajectory_names(file, str(path))
        groups = {name: group_of(file, name, str(path)) for name in names}
        steps = sum(steps_of(group, f"{path}: {name}") for name, group in groups.items())
        values = sum(int(np.prod(shape)) for shape in SHAPES.values()) + 2
        # every step is in two windows, and is read once
        require_memory(3 * 4 * steps * values, f"{path} with {steps:,} steps")
        pieces: dict[str, list[np.ndarray]] = {key: [] for key in (*SHAPES, "state")}
        for name in shown(names, path.name):
            for key, whole in _series(groups[name], f"{path}: {name}").items():
                for offset in (0, length // 2):
                    count = max(0, len(whole) - offset) // length
                    pieces[key].append(whole[offset : offset + count * length].reshape(count, length, *whole.shape[1:]))
    found = {key: np.concatenate(parts) for key, parts in pieces.items()}
    if not len(found["state"]):
        raise InputError(f"{path} has no trajectory of {length} steps; set --source.length lower.")
    return found


def numbers_of(file: h5py.File, where: str) -> dict[str, np.ndarray]:
    """Steps of each trajectory, and what it holds but for the pictures, step after step of all of them.

    Raises:
        InputError: an array is missing or of another shape.
    """
    groups = {name: group_of(file, name, where) for name in trajectory_names(file, where)}
    found = {"steps": np.array([steps_of(group, f"{where}: {name}") for name, group in groups.items()])}
    for key in (key for key in _READ if key != "image"):
        found[key] = np.concatenate([group[key][()] for group in groups.values()])
    return found


def trajectory_names(file: h5py.File, where: str) -> list[str]:
    """The groups ``trajectory0``, ... in the order of their numbers.

    Raises:
        InputError: there are none.
    """
    numbers = [match.group(1) for match in (re.fullmatch(r"trajectory(\d{1,9})", str(name)) for name in file) if match]
    if not numbers:
        raise InputError(f"{where} has no group 'trajectory0', ...; it has {member_names(file)}. Expected {WHAT}.")
    return [f"trajectory{number}" for number in sorted(numbers, key=int)]


def steps_of(group: h5py.Group, where: str) -> int:
    """Steps of one trajectory.

    Raises:
        InputError: an array is missing, or the arrays have different numbers of steps.
    """
    counts = {key: dataset_of(group, key, where, shape).shape[0] for key, shape in _READ.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"{where}: unequal numbers of steps: {', '.join(f'{k} {n}' for k, n in counts.items())}.")
    return int(counts["image"])


def _series(group: h5py.Group, where: str) -> Mapping[str, np.ndarray]:
    """``(T, ...)`` of each of :data:`SHAPES` and of the state."""
    raw = {key: group[key][()].astype(np.float32) for key in _READ}
    for key, values in raw.items():
        if not np.isfinite(values).all():
            place = [int(at) for at in np.argwhere(~np.isfinite(values))[0]]
            raise InputError(f"{where}: {key} holds values that are not finite, the first at {place}.")
    if raw["Cylinder0_pos"].shape[1] < 2:
        raise InputError(
            f"{where}: Cylinder0_pos has shape {raw['Cylinder0_pos'].shape}, expected x and y of each step."
        )
    place, contact = raw["eef_pos"], raw["contact"][:, None]
    before = np.concatenate([place[:1], place[:-1]])
    return {
        "gripper_pos": place,
        "gripper_sensors": np.concatenate([raw["force"], contact], axis=1),
        "image": raw["image"],
        "control": np.concatenate([before, place - before, contact], axis=1),
        "state": raw["Cylinder0_pos"][:, :2],
    }
