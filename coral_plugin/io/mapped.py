"""Memory-mapped arrays: values of a ``.npy`` that stay in its file, read piece by piece, their pages given back."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.errors import InputError
from coral_plugin.io.npy import check_npy

PIECE = 1 << 24  # bytes that are read together


def map_npy(path: Path) -> np.memmap:
    """The array of a ``.npy`` as a read-only mapping of its file, which takes no memory.

    Raises:
        InputError: the file is missing, another kind of file, cut off, holds Python objects or is stored column by
            column.
    """
    check_npy(path)
    array: np.memmap = np.load(path, mmap_mode="r", allow_pickle=False)
    if not array.flags.c_contiguous:
        raise InputError(f"{path} is stored column by column; save it with np.save(path, np.ascontiguousarray(array)).")
    return array


def mapping_of(array: np.ndarray) -> np.memmap | None:
    """The mapping of a file that ``array`` is a view of; None for an array in memory.

    A mapping that can be changed without its file (mode ``c``) counts as memory.
    """
    root: np.memmap | None = None
    base: Any = array
    while isinstance(base, np.ndarray):
        root = base if isinstance(base, np.memmap) else root
        base = base.base
    if root is None or root.mode not in ("r", "r+") or root.filename is None or not isinstance(base, mmap.mmap):
        return None
    return root


def pieces(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """First row and rows of ``array`` (N, ...), all of it: at once from memory, from a file piece by piece."""
    if (mapping := mapping_of(array)) is None:
        yield 0, array
        return
    step = max(1, PIECE // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        yield start, array[start : start + step]
        give_back(mapping)


def give_back(mapping: np.memmap) -> None:
    """Give the pages that were read back to the system; until then they count as memory of this process."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapping.base.madvise(mmap.MADV_DONTNEED)  # type: ignore[union-attr]
