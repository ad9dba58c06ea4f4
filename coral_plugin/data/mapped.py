"""Columns of memory-mapped arrays: their values stay in the file, and become those of a column batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.columns import ModalityColumn, held_values
from coral_plugin.data.modality import Modality
from coral_plugin.data.padding import blank_padding, valid_steps
from coral_plugin.data.stored import StoredValues
from coral_plugin.io.mapped import give_back, mapping_of

_ROWS = 64  # rows that are read before their pages are given back


@dataclass(frozen=True)
class MappedRows:
    """Rows of a memory-mapped array as a column holds them; pickled as the place of the array in its file.

    Attributes:
        array: View ``(N, ...)`` of a mapping.
        modality: Modality of the samples.
        lengths: ``(N,)`` valid steps of series of varying length.
        present: ``(N,)`` of bool, which samples have the modality.
        source: Name of the array, for messages.
    """

    array: np.ndarray
    modality: Modality
    lengths: Tensor | None
    present: Tensor | None
    source: str

    def __call__(self, rows: np.ndarray) -> Tensor:
        """The values of ``rows`` (B,), zero where the modality is missing."""
        mapping = mapping_of(self.array)
        values = np.empty((len(rows), *self.array.shape[1:]), self.array.dtype)
        # the system maps up to a megabyte around each row that is read
        for start in range(0, len(rows), _ROWS):
            values[start : start + _ROWS] = self.array[rows[start : start + _ROWS]]
            if mapping is not None:
                give_back(mapping)
        missing = None if self.present is None else ~self.present[rows].numpy()
        if missing is not None:
            values[missing] = 0
        lengths = None if self.lengths is None else self.lengths[rows]
        if lengths is not None:
            values = blank_padding(values, ~valid_steps(values, lengths).numpy())
        held = held_values(values, self.modality, lengths, self.source)
        if missing is not None:
            held[torch.from_numpy(missing)] = 0
        return held

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self) | {"array": None}
        if (mapping := mapping_of(self.array)) is not None:
            start = self.array.ctypes.data - mapping.ctypes.data + mapping.offset
            state["place"] = (mapping.filename, start, self.array.dtype, self.array.shape, self.array.strides)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        filename, start, dtype, shape, strides = state.pop("place")
        whole = np.memmap(filename, dtype=np.uint8, mode="r")
        array = np.ndarray(shape, dtype, buffer=whole, offset=start, strides=strides)
        vars(self).update(state, array=array)


def mapped_column(
    array: np.ndarray, modality: Modality, lengths: np.ndarray | None, present: np.ndarray | None, source: str
) -> ModalityColumn:
    """The column of a view of a memory-mapped array (N, ...), which stays in its file.

    Args:
        array: Values, in the shape of the modality.
        modality: Modality of the samples.
        lengths: ``(N,)`` valid steps of series of varying length.
        present: ``(N,)`` of bool, which samples have the modality; None where all have it.
        source: Name of the array, for messages.
    """
    ends, flags = (None if part is None else torch.from_numpy(part) for part in (lengths, present))
    pixels = modality.kind == "image" and array.dtype.kind in "iu"
    values = StoredValues(
        MappedRows(array, modality, ends, flags, source),
        torch.Size(array.shape),
        torch.uint8 if pixels else torch.float32,
    )
    return ModalityColumn(values, ends, present=flags)
