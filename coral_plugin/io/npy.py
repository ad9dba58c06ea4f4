"""One array in a ``.npy`` file, read without trust."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from coral_plugin.errors import InputError, one_line
from coral_plugin.io.sniff import require_kind


def read_npy(path: Path) -> np.ndarray:
    """The array of a ``.npy``; its header is held against the size of the file before memory is taken.

    Raises:
        InputError: the file is missing, another kind of file, cut off, or holds Python objects.
    """
    require_kind(path, "npy", "an array that was saved with np.save")
    try:
        with path.open("rb") as file:
            _check_header(file, path)
            file.seek(0)
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except InputError:
        raise
    except (ValueError, TypeError, SyntaxError, KeyError, EOFError, RecursionError) as error:
        reason = one_line(error, 150)
        raise InputError(f"{path} has a damaged header ({reason}); fetch it again.") from error
    return array


def _check_header(file: BinaryIO, path: Path) -> None:
    old = np.lib.format.read_magic(file) == (1, 0)
    header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    claimed, left = dtype.itemsize * math.prod(shape), path.stat().st_size - file.tell()
    if dtype.hasobject:
        raise InputError(f"{path} holds Python objects, which can run code when loaded; save numbers.")
    if min(shape, default=0) < 0 or claimed != left:
        raise InputError(
            f"{path} claims shape {shape} of {dtype}, {claimed:,} bytes, but holds {left:,}: "
            "it is cut off or damaged; fetch it again."
        )
