"""Vision & Touch on disk: ``TRAJECTORY_CHUNK_1000.h5``, each some steps of one trajectory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data import SPLITS
from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import dataset_of, open_hdf5

from .shared import refuse_fractions, resize_pixels, with_progress

if TYPE_CHECKING:
    import h5py

ROBOTICS_FOLDER = "a folder of Vision & Touch (triangle_real_data: TRAJECTORY_CHUNK_1000.h5)"
FORCE_STEPS = 32  # the last of the series of each step, which the papers take
_KEYS: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "image": ("image", (None, None, None, None)),
    "force": ("ee_forces_continuous", (None, None, 6)),
    "proprio": ("proprio", (None, None)),
    "depth": ("depth_data", (None, None, None, 1)),
    "action": ("action", (None, 4)),
    "contact": ("contact", (None, None)),
}


@dataclass(frozen=True)
class Chunk:
    """The content of one file: inputs of every step but the last, and the targets of the step that follows."""

    inputs: dict[str, Tensor]
    ee: Tensor
    contact: Tensor


def files_of_trajectories(folder: Path) -> dict[str, list[Path]]:
    """``{trajectory: its files}``, in the order of their numbers; empty where the folder has no such file."""
    numbered: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.glob("*.h5")):
        if match := re.fullmatch(r"(.+)_(\d{1,9})_1000\.h5", path.name):
            numbered.setdefault(match.group(1), []).append((int(match.group(2)), path))
    return {name: [path for _, path in sorted(chunks)] for name, chunks in numbered.items()}


def split_trajectories(names: Sequence[str], seed: int, shares: tuple[float, float]) -> dict[str, list[str]]:
    """The trajectories of train, valid and test: none is in two of them.

    Args:
        names: Names of all trajectories, at least 3.
        seed: Seed of their order.
        shares: Shares of valid and of test. Every split gets at least one trajectory, and train the rest.
    """
    order = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    test = min(max(1, round(shares[1] * len(names))), len(names) - 2)
    valid = min(max(1, round(shares[0] * len(names))), len(names) - 1 - test)
    train = len(names) - valid - test
    cut = {"train": order[:train], "valid": order[train : train + valid], "test": order[train + valid :]}
    return {label: cut[label] for label in SPLITS}


def count_steps(path: Path) -> int:
    """Number of steps of one file, the same in all of its arrays.

    Raises:
        InputError: the file is damaged or of another kind.
    """
    with open_hdf5(path, ROBOTICS_FOLDER) as file:
        counts = {key: dataset_of(file, key, str(path), shape).shape[0] for key, shape in _KEYS.values()}
    if len(set(counts.values())) > 1 or min(counts.values()) < 2:
        listed = ", ".join(f"{key} {steps}" for key, steps in counts.items())
        raise InputError(f"{path}: numbers of steps must be equal and at least 2: {listed}.")
    return int(counts["image"])


def chunks_of(paths: Sequence[Path], inputs: Sequence[str], side: int, label: str) -> Iterator[Chunk]:
    """The ``inputs`` and targets of one file after another, pictures ``side`` pixels wide.

    Raises:
        InputError: a file is damaged, or an array has another shape or holds values that are not finite.
    """
    for path in with_progress(paths, label):
        with open_hdf5(path, ROBOTICS_FOLDER) as file:
            chunk = _chunk(file, inputs, side, str(path))
        yield chunk


def _chunk(file: h5py.File, inputs: Sequence[str], side: int, place: str) -> Chunk:
    raw = {key: _read(file, key, place) for key in {*inputs, "proprio", "contact"} - {"image"}}
    if raw["proprio"].shape[1] < 8:
        raise InputError(f"{place}: proprio has shape {raw['proprio'].shape}, expected 8 values per step.")
    tensors: dict[str, Tensor] = {}
    for name in inputs:
        if name == "image":
            tensors[name] = _pictures(dataset_of(file, "image", place, _KEYS["image"][1]), side, place)
        elif name == "depth":
            depth = torch.from_numpy(raw["depth"][:-1].astype(np.float32)).permute(0, 3, 1, 2)
            tensors[name] = torch.nn.functional.interpolate(depth, (side, side), mode="bilinear", antialias=True)
        else:
            tensors[name] = torch.from_numpy(_numbers(name, raw, place).astype(np.float32))
    ee = torch.from_numpy(raw["proprio"][1:, :4].astype(np.float32))
    contact = torch.from_numpy((raw["contact"][1:].sum(axis=1) > 0).astype(np.int64))
    return Chunk(tensors, ee, contact)


def _numbers(name: str, raw: Mapping[str, np.ndarray], place: str) -> np.ndarray:
    """Force as 32 steps of 6 axes, squeezed by tanh; 8 values of proprioception; the action that comes next."""
    if name == "force":
        if raw["force"].shape[1] < FORCE_STEPS:
            raise InputError(
                f"{place}: ee_forces_continuous has shape {raw['force'].shape}, expected at least {FORCE_STEPS} x 6."
            )
        force: np.ndarray = np.tanh(raw["force"][:-1, -FORCE_STEPS:])
        return force
    return raw["action"][1:] if name == "action" else raw["proprio"][:-1, :8]


def _read(file: h5py.File, name: str, place: str) -> np.ndarray:
    key, shape = _KEYS[name]
    values: np.ndarray = dataset_of(file, key, place, shape)[()]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        first = [int(index) for index in np.argwhere(~np.isfinite(values))[0]]
        raise InputError(f"{place}: {key} holds values that are not finite, the first at {first}.")
    return values


def _pictures(dataset: h5py.Dataset, side: int, place: str) -> Tensor:
    """``(T - 1, 3, side, side)`` of bytes, from (T, H, W, 3) or (T, 3, W, H)."""
    values = dataset[:-1]
    pixels = torch.from_numpy(values.astype(values.dtype.newbyteorder("="), copy=False))
    if pixels.shape[-1] == 3:
        pixels = pixels.permute(0, 3, 1, 2)
    elif pixels.shape[1] == 3:
        pixels = pixels.transpose(2, 3)
    else:
        raise InputError(f"{place}: image has shape {tuple(dataset.shape)}, expected (T, H, W, 3).")
    if not 0 <= float(pixels.min()) <= float(pixels.max()) <= 255:
        raise InputError(f"{place}: image holds {float(pixels.min())} to {float(pixels.max())}; pixels are 0 to 255.")
    refuse_fractions(pixels, f"{place}: image")
    return resize_pixels(pixels, (side, side))
