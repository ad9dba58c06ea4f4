"""Statistics of train: mean and standard deviation per feature, in double precision, and what 32-bit floats lose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.columns import ModalityColumn
from coral_plugin.data.modality import Modality
from coral_plugin.data.padding import valid_steps
from coral_plugin.data.scale import extremes, valid_values, with_bounds
from coral_plugin.data.stored import StoredValues
from coral_plugin.io.mapped import PIECE, give_back, mapping_of, pieces

_CHUNK = 1024  # samples that are held in double precision at a time
_DOUBLE, _SINGLE = torch.finfo(torch.float64).eps, torch.finfo(torch.float32).eps
# A feature is constant where its standard deviation is of the size of what rounding leaves of its mean.
_ROUNDING = 2
# Below this share of the mean, values are held relative to it: rounding to 32 bits would change them by more than
# 1e-4 of the standard deviation.
_FAR = 1e-3
# Part of the standard deviation that rounding may change targets by, which are held as they are.
_LOST = 1e-3
# Standard deviations below this are divided by: squares and quotients of such values leave a 32-bit float's range.
_SMALL = 1e-30

Chunks = Callable[[], Iterable[Tensor]]


def with_statistics(modality: Modality, column: ModalityColumn, *, standardise: bool = True) -> Modality:
    """``modality`` with mean and standard deviation of each feature (images: channel) over ``column``, and its bounds.

    Neither padding nor samples that lack the modality count. A feature is constant where its standard deviation is
    no more than rounding leaves of its mean, whatever its unit; it is centred and keeps its scale.

    Args:
        modality: The modality, with the offset and unit by which ``column`` is held.
        column: Values of train.
        standardise: Whether mean and standard deviation are kept; the constant features and the bounds are, always.
    """
    modality = with_bounds(modality, extremes(modality, column))
    if column.values.dtype == torch.uint8:
        mean, std = _moments_of_counts(_byte_counts(modality, column))
    else:
        mean, std = moments(lambda: (values for _, values in valid_values(modality, column)))
    return _with_moments(modality, mean, std, standardise=standardise)


class RunningStatistics:
    """What :func:`with_statistics` gives, of columns that are gone through once.

    Means and squares of the columns are merged as in Chan, Golub and LeVeque, "Updating formulae and a pairwise
    algorithm for computing sample variances" (1979), as differences to the first row.

    Args:
        modality: The modality, with the offset and unit by which the columns are held.
    """

    def __init__(self, modality: Modality) -> None:
        self.modality = modality
        self._first, self._mean, self._squares = (torch.zeros(modality.features, dtype=torch.float64) for _ in range(3))
        self._count = 0
        self._bounds = (math.inf, -math.inf)
        self._bytes = torch.zeros(modality.features, 256, dtype=torch.float64)

    def add(self, column: ModalityColumn) -> None:
        """Take the valid values of ``column`` in."""
        if column.values.dtype == torch.uint8:
            self._bytes += _byte_counts(self.modality, column)
        for _, values in valid_values(self.modality, column):
            low, high = torch.aminmax(values)
            self._bounds = min(self._bounds[0], float(low)), max(self._bounds[1], float(high))
            if column.values.dtype == torch.uint8:
                continue
            if not self._count:
                self._first = values[0].double()
            part = values.double() - self._first
            count, mean = len(part), part.mean(0)
            total, apart = self._count + count, mean - self._mean
            self._squares += (part - mean).square().sum(0) + apart.square() * (self._count * count / total)
            self._mean += apart * (count / total)
            self._count = total

    def result(self, *, standardise: bool) -> Modality:
        """The modality with the statistics of all columns."""
        modality = with_bounds(self.modality, self._bounds if self._bounds[0] <= self._bounds[1] else (0.0, 0.0))
        mean, std = self._first + self._mean, (self._squares / max(self._count, 1)).sqrt()
        if self._bytes.any():
            mean, std = _moments_of_counts(self._bytes)
        return _with_moments(modality, mean, std, standardise=standardise)


def _with_moments(modality: Modality, mean: Tensor, std: Tensor, *, standardise: bool) -> Modality:
    eps = torch.full_like(mean, _SINGLE)
    if modality.offset is not None and modality.unit is not None:
        offset, unit = torch.tensor([modality.offset, modality.unit], dtype=torch.float64)
        mean, std = mean * unit + offset, std * unit
        eps[(offset != 0) | (unit != 1)] = _DOUBLE
    constant = std <= _ROUNDING * eps * mean.abs()
    modality = replace(modality, constant=tuple(constant.nonzero().flatten().tolist()))
    if not standardise:
        return modality
    return replace(modality, mean=tuple(mean.tolist()), std=tuple(torch.where(constant, 1.0, std).tolist()))


def with_offset(modality: Modality, chunks: Chunks) -> Modality:
    """``modality`` with the offset and unit by which its values are held, where 32-bit floats would lose differences.

    Args:
        modality: A modality of any kind.
        chunks: Function that gives the valid values of train in pieces ``(n, features)``; called twice.
    """
    mean, std = moments(chunks)
    varies = std > _ROUNDING * _DOUBLE * mean.abs()
    small = varies & (std < _SMALL)
    far = (varies & (std < _FAR * mean.abs())) | small
    if not far.any():
        return modality
    offset, unit = torch.where(far, mean, 0.0), torch.where(small, std, 1.0)
    return replace(modality, offset=tuple(offset.tolist()), unit=tuple(unit.tolist()))


def with_offset_from_array(
    modality: Modality, array: np.ndarray, lengths: np.ndarray | None = None, present: np.ndarray | None = None
) -> Modality:
    """:func:`with_offset` for the values of train ``(N, ...)``; what 32-bit floats hold exactly needs none.

    Args:
        modality: The modality, of the samples' shape.
        array: Any numbers.
        lengths: ``(N,)`` valid steps of series of varying length.
        present: ``(N,)`` of bool, which samples have the modality.
    """
    exact = np.can_cast(array.dtype, np.float32) and array.dtype != np.float32
    if exact or (modality.kind == "image" and array.dtype.kind in "iu"):
        return modality
    if array.dtype == np.float32 and not _tiny(array, present):
        return modality

    def chunks() -> Iterator[Tensor]:
        mapping = mapping_of(array)
        step = _CHUNK if mapping is None else max(1, min(_CHUNK, PIECE // array[:1].nbytes))
        for start in range(0, len(array), step):
            rows = slice(start, start + step)
            values = np.array(array[rows], dtype=np.float64)
            values = np.moveaxis(values, 1, -1) if modality.kind == "image" else values
            keep = np.ones(len(values), dtype=bool) if present is None else present[rows]
            if lengths is None:
                values = values[keep]
            else:
                values = values[valid_steps(values, torch.from_numpy(lengths[rows])).numpy() & keep[:, None]]
            yield torch.from_numpy(values.reshape(-1, values.shape[-1]))
            if mapping is not None:
                give_back(mapping)

    return with_offset(modality, chunks)


def moments(chunks: Chunks) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``(features,)`` of pieces ``(n, features)``, which are gone through twice.

    Sums are of differences to the first row: a constant feature has a standard deviation of exactly 0, and one
    far from zero keeps its digits.
    """
    first, count, total = torch.zeros(0), 0, torch.zeros(0)
    for part in chunks():
        if not count and len(part):
            first, total = part[0].double(), torch.zeros(part.shape[1], dtype=torch.float64)
        if len(part):
            count, total = count + len(part), total + (part.double() - first).sum(0)
    shift = total / max(count, 1)
    squares = torch.zeros_like(total)
    for part in chunks():
        if len(part):
            squares += (part.double() - first - shift).square().sum(0)
    return first + shift, (squares / max(count, 1)).sqrt()


def loses_differences(values: np.ndarray) -> bool:
    """Whether 32-bit floats round columns ``(N,)`` or ``(N, L)`` by over a thousandth of their standard deviation."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounding = np.abs(values.astype(np.float64) - values.astype(np.float32)).max(axis=0)
    return bool((rounding > _LOST * values.std(axis=0, dtype=np.float64)).any())


def _byte_counts(modality: Modality, column: ModalityColumn) -> Tensor:
    """``(C, 256)`` number of each byte in each channel; to count them takes a tenth of the time of their moments."""
    rows = column.presence().nonzero().squeeze(1)
    rows = rows if column.rows is None else column.rows[rows]
    counts = torch.zeros(modality.features, 256, dtype=torch.float64)
    for part in rows.split(column.values.chunk(_CHUNK) if isinstance(column.values, StoredValues) else _CHUNK):
        for channel, pixels in enumerate(column.values[part].movedim(1, 0)):
            counts[channel] += torch.bincount(pixels.flatten(), minlength=256)
    return counts


def _moments_of_counts(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel (C,) from :func:`_byte_counts`."""
    shares = counts / counts.sum(dim=1, keepdim=True)  # (C, 256)
    grey = torch.arange(256, dtype=torch.float64) / 255
    mean = shares @ grey
    return mean, (shares * (grey - mean[:, None]).square()).sum(dim=1).sqrt()


def _tiny(array: np.ndarray, present: np.ndarray | None) -> bool:
    """Whether all values are so small that a 32-bit float has few digits of them."""
    for start, piece in pieces(array):
        values = piece if present is None else piece[present[start : start + len(piece)]]
        if len(values) and not float(max(values.max(), -values.min())) < _SMALL:
            return False
    return True
