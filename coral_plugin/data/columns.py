"""Columns: the values of one modality in one split, with their lengths and flags of presence, and how they are made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.modality import Modality
from coral_plugin.data.padding import valid_steps
from coral_plugin.data.stored import StoredValues
from coral_plugin.errors import InputError

_CHUNK = 1024  # samples that are held in double precision at a time


@dataclass(frozen=True)
class ModalityColumn:
    """The values of one modality in one split.

    Attributes:
        values: ``(M, ...)``; floating point, or ``uint8`` for images (scaled to [0, 1] when a batch is taken); stored
            ones are read when a batch is taken.
        lengths: ``(M,)`` valid steps of each row, which start at step 0; None where every step is valid.
        rows: ``(N,)`` row of ``values`` for each sample; None where sample i is row i. Pairs drawn from a bank of
            images share their pixels through it.
        present: ``(M,)`` of bool, False for rows that stand for a missing modality; None where none is missing.
    """

    values: Tensor | StoredValues
    lengths: Tensor | None = None
    rows: Tensor | None = None
    present: Tensor | None = None

    def __post_init__(self) -> None:
        for what, tensor in (("lengths", self.lengths), ("presence flags", self.present)):
            if tensor is not None and tensor.shape != self.values.shape[:1]:
                raise InputError(
                    f"A column of {len(self.values)} rows needs as many {what}, got shape {tuple(tensor.shape)}."
                )

    def __len__(self) -> int:
        return len(self.values if self.rows is None else self.rows)

    def to(self, device: torch.device | str, copies: dict[int, Tensor] | None = None) -> ModalityColumn:
        """The same column on ``device``; see :meth:`Split.to` for ``copies``."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else moved_tensor(tensor, device, copies)

        if isinstance(self.values, StoredValues):
            values: Tensor | StoredValues = self.values.to(device)
        else:
            values = moved_tensor(self.values, device, copies)
        return ModalityColumn(values, move(self.lengths), move(self.rows), move(self.present))

    def subset(self, index: Tensor) -> ModalityColumn:
        """The samples at ``index`` (n,); the values are shared, not copied."""
        return replace(self, rows=index if self.rows is None else self.rows[index])

    def take(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Values ``(B, ...)`` and padding ``(B, T)`` of the samples at ``index``, cut to the longest of them."""
        rows = index if self.rows is None else self.rows[index]
        values = self.values[rows]
        if values.dtype == torch.uint8:
            values = values.float().div_(255)
        if self.lengths is None:
            return values, None
        lengths = self.lengths[rows]
        values = values[:, : int(lengths.max())]
        return values, ~valid_steps(values, lengths)

    def present_at(self, index: Tensor) -> Tensor | None:
        """``(B,)`` of bool, whether the samples at ``index`` have this modality; None where all samples have it."""
        if self.present is None:
            return None
        return self.present[index if self.rows is None else self.rows[index]]

    def presence(self) -> Tensor:
        """``(N,)`` of bool, which samples have this modality."""
        index = torch.arange(len(self), device=self.values.device)
        flags = self.present_at(index)
        return torch.ones_like(index, dtype=torch.bool) if flags is None else flags


def checked_lengths(array: np.ndarray, lengths: np.ndarray, source: str) -> np.ndarray:
    """Lengths ``(N,)`` that came with the series ``(N, T, d)``, which begin at step 0.

    Raises:
        InputError: they are no integers from 1 to T.
    """
    count, steps = array.shape[:2]
    if lengths.shape != (count,) or lengths.dtype.kind not in "iu":
        raise InputError(f"{source}/length must be integers of shape ({count},), got {lengths.dtype} {lengths.shape}.")
    if lengths.min() < 1 or lengths.max() > steps:
        raise InputError(f"{source}/length must be from 1 to {steps}, got {lengths.min()} to {lengths.max()}.")
    return lengths.astype(np.int64)


def held_values(array: np.ndarray, modality: Modality, lengths: Tensor | None, source: str) -> Tensor:
    """The values of ``array`` (N, ...) as a column holds them: 32-bit floats, series zero after their last step.

    Whole numbers of an image are its pixels, 0 to 255, and stay bytes. The modality's offset and unit are taken off in
    double precision.

    Raises:
        InputError: a value that a 32-bit float or a pixel cannot hold.
    """
    if modality.kind == "image" and array.dtype.kind in "iu":
        if array.min() < 0 or array.max() > 255:
            raise InputError(
                f"{source} holds whole numbers from {array.min()} to {array.max()}, but pixels are 0 to 255; "
                "give floats in [0, 1] for anything else."
            )
        # torch cannot share memory that is read-only
        return torch.from_numpy(np.require(array, dtype=np.uint8, requirements=["C", "W"]))
    values = _single(array, source) if modality.offset is None else _relative(array, modality, source)
    if lengths is not None:
        values[~valid_steps(values, lengths).numpy()] = 0.0
    return torch.from_numpy(values)


def missing_column(modality: Modality, count: int) -> ModalityColumn:
    """The column of a modality that none of ``count`` samples has; one row of zeros stands for all of them."""
    return ModalityColumn(
        torch.zeros(1, *modality.shortest),
        lengths=torch.ones(1, dtype=torch.int64) if modality.kind == "sequence" else None,
        rows=torch.zeros(count, dtype=torch.int64),
        present=torch.zeros(1, dtype=torch.bool),
    )


def _single(array: np.ndarray, source: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.array(array, dtype=np.float32, order="C")
    if array.dtype.kind == "f" and array.dtype.itemsize > 4 and not np.isfinite(values).all():
        raise InputError(f"{source} holds {np.abs(array).max():.3g}, which a 32-bit float cannot hold; rescale it.")
    return values


def _relative(array: np.ndarray, modality: Modality, source: str) -> np.ndarray:
    """What the modality's offset and unit leave of the values."""
    shape = (-1, 1, 1) if modality.kind == "image" else (-1,)
    offset, unit = (np.array(part, dtype=np.float64).reshape(shape) for part in (modality.offset, modality.unit))
    values = np.empty(array.shape, dtype=np.float32)
    for at in range(0, len(array), _CHUNK):
        values[at : at + _CHUNK] = _single((array[at : at + _CHUNK] - offset) / unit, source)
    return values


def moved_tensor(tensor: Tensor, device: torch.device | str, copies: dict[int, Tensor] | None) -> Tensor:
    """``tensor`` on ``device``; a copy that ``copies`` holds is taken, a new one is added to it."""
    if copies is None:
        return tensor.to(device)
    if id(tensor) not in copies:
        copies[id(tensor)] = tensor.to(device)
    return copies[id(tensor)]
