"""From one checked array to a column: 32-bit floats or bytes, and how long series are."""

from __future__ import annotations

import numpy as np
import torch

from coral_plugin.data.modality import Modality
from coral_plugin.data.padding import valid_steps
from coral_plugin.data.split import ModalityColumn
from coral_plugin.errors import InputError

_CHUNK = 1024  # samples that are held in double precision at a time


def given_lengths(array: np.ndarray, given: np.ndarray, where: str) -> np.ndarray:
    """Lengths ``(N,)`` that came with the series ``(N, T, d)``, which begin at step 0.

    Raises:
        InputError: they are no integers from 1 to T.
    """
    count, steps = array.shape[:2]
    if given.shape != (count,) or given.dtype.kind not in "iu":
        raise InputError(f"{where}/length must be integers of shape ({count},), got {given.dtype} {given.shape}.")
    if given.min() < 1 or given.max() > steps:
        raise InputError(f"{where}/length must be from 1 to {steps}, got {given.min()} to {given.max()}.")
    return given.astype(np.int64)


def make_column(array: np.ndarray, modality: Modality, lengths: np.ndarray | None, where: str) -> ModalityColumn:
    """The column of ``array`` (N, ...): 32-bit floats, series of varying length zero after their last step.

    Whole numbers of an image are its pixels, 0 to 255, and stay bytes. The modality's offset and unit are taken off in
    double precision.

    Raises:
        InputError: a value that a 32-bit float or a pixel cannot hold.
    """
    if modality.kind == "image" and array.dtype.kind in "iu":
        if array.min() < 0 or array.max() > 255:
            raise InputError(
                f"{where} holds whole numbers from {array.min()} to {array.max()}, but pixels are 0 to 255; "
                "give floats in [0, 1] for anything else."
            )
        # torch cannot share memory that is read-only
        return ModalityColumn(torch.from_numpy(np.require(array, dtype=np.uint8, requirements=["C", "W"])))
    values = _single(array, where) if modality.offset is None else _relative(array, modality, where)
    if lengths is None:
        return ModalityColumn(torch.from_numpy(values))
    ends = torch.from_numpy(lengths)
    values[~valid_steps(values, ends).numpy()] = 0.0
    return ModalityColumn(torch.from_numpy(values), ends)


def missing_column(modality: Modality, count: int) -> ModalityColumn:
    """The column of a modality that none of ``count`` samples has; one row of zeros stands for all of them."""
    steps = (1, *modality.shape[1:]) if modality.kind == "sequence" else modality.shape
    return ModalityColumn(
        torch.zeros(1, *steps),
        lengths=torch.ones(1, dtype=torch.int64) if modality.kind == "sequence" else None,
        rows=torch.zeros(count, dtype=torch.int64),
        present=torch.zeros(1, dtype=torch.bool),
    )


def _single(array: np.ndarray, where: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.array(array, dtype=np.float32, order="C")
    if array.dtype.kind == "f" and array.dtype.itemsize > 4 and not np.isfinite(values).all():
        raise InputError(f"{where} holds {np.abs(array).max():.3g}, which a 32-bit float cannot hold; rescale it.")
    return values


def _relative(array: np.ndarray, modality: Modality, where: str) -> np.ndarray:
    """What the modality's offset and unit leave of the values."""
    shape = (-1, 1, 1) if modality.kind == "image" else (-1,)
    offset, unit = (np.array(each, dtype=np.float64).reshape(shape) for each in (modality.offset, modality.unit))
    values = np.empty(array.shape, dtype=np.float32)
    for at in range(0, len(array), _CHUNK):
        values[at : at + _CHUNK] = _single((array[at : at + _CHUNK] - offset) / unit, where)
    return values
