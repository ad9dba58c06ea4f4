"""One array in a ``.npy`` file, read without trust: its header is held against its size before memory is taken."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO

import numpy as np

from coral_plugin.errors import InputError, one_line
from coral_plugin.io.sniff import require_kind


def read_npy(path: Path) -> np.ndarray:
    """The array of a ``.npy``.

    Raises:
        InputError: the file is missing, another kind of file, cut off, or holds Python objects.
    """
    check_npy(path)
    array: np.ndarray = np.load(path, allow_pickle=False)
    return array


def check_npy(path: Path) -> None:
    """Refuse a file that is no ``.npy`` of numbers or text, before memory is taken for it.

    Raises:
        InputError: the file is missing, another kind of file, cut off, or holds Python objects.
    """
    require_kind(path, "npy", "an array that was saved with np.save")
    try:
        with path.open("rb") as file:
            check_header(file, path.stat().st_size, str(path))
    except InputError:
        raise
    except (ValueError, TypeError, SyntaxError, KeyError, EOFError, RecursionError) as error:
        reason = one_line(error, 150)
        raise InputError(f"{path} has a damaged header ({reason}); fetch it again.") from error


def check_header(file: IO[bytes], size: int, source: str) -> None:
    """Read the header of an array in NumPy's format of ``size`` bytes; NumPy raises a dozen types where it is damaged.

    Raises:
        InputError: it claims Python objects, or other values than the bytes behind it can hold.
    """
    old = np.lib.format.read_magic(file) == (1, 0)
    shape, _, dtype = (np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise InputError(
            f"{source} holds Python objects, which can run code when loaded; save arrays of numbers (text as "
            "astype(str); series of several lengths filled up with zeros, their lengths under <key>/length)."
        )
    claimed, held = dtype.itemsize * math.prod(shape), size - file.tell()
    if min(shape, default=0) < 0 or claimed != held:
        raise InputError(
            f"{source} claims shape {shape} of {dtype}, {claimed:,} bytes, but holds {held:,}: "
            "it is cut off or damaged; fetch or write it again."
        )
