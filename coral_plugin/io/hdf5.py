"""HDF5 files read without trust: what they claim is held against what they hold before memory is taken for it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coral_plugin.errors import CoralError, InputError, PluginError, one_line
from coral_plugin.io.sniff import require_kind
from coral_plugin.machine import require_memory

if TYPE_CHECKING:
    import h5py

# deflate cannot shrink more than 1032 to 1; whoever claims more has not stored its values
_MAX_RATIO = 1100
_PIECE = 1 << 22  # values that are read at a time


@contextmanager
def open_hdf5(path: Path | str, expected: str) -> Iterator[h5py.File]:
    """The file, open for reading; whatever HDF5 says of damage inside the block becomes one line.

    Args:
        path: File to open.
        expected: Description of the expected file, for the message.

    Raises:
        InputError: it is missing, of another kind, cut off or damaged.
        PluginError: h5py is not installed.
    """
    require_kind(path, "hdf5", expected)
    try:
        import h5py
    except ImportError as error:
        raise PluginError(f"{path} is read with h5py: pip install 'coral-multibench[multibench]'.") from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except CoralError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # h5py's words for damage of any kind
        reason = one_line(error, 150).strip("'\".")
        raise InputError(f"{path} is cut off or damaged ({reason}); fetch it again.") from error


def group_of(parent: h5py.Group, key: str, source: str) -> h5py.Group:
    """The group ``key`` of ``parent``.

    Raises:
        InputError: there is none.
    """
    import h5py

    member = _inside(parent, key, source)
    if not isinstance(member, h5py.Group):
        raise InputError(f"{source} has no group {key!r}; it has {member_names(parent)}.")
    return member


def dataset_of(
    parent: h5py.Group,
    key: str,
    source: str,
    shape: tuple[int | None, ...] | None = None,
    *,
    kinds: str = "fiub",
    empty: bool = False,
) -> h5py.Dataset:
    """The array ``key`` of ``parent``, not read yet: numbers that lie in this file.

    Args:
        parent: Group.
        key: Name of the array.
        source: File and group, for messages.
        shape: Required shape; None stands for any number of entries.
        kinds: Kinds of NumPy's types that are admitted.
        empty: Whether it may have no entry.

    Raises:
        InputError: there is none, it holds no numbers, has another shape, claims values that the file does not hold,
            names another file to take them from, or holds values that it declares missing, as netCDF does.
    """
    import h5py

    member = _inside(parent, key, source)
    if not isinstance(member, h5py.Dataset):
        raise InputError(f"{source} lacks {key}; it has {member_names(parent)}.")
    if member.external or member.is_virtual:
        raise InputError(f"{source}: {key} takes its values from other files, which are not read.")
    if member.dtype.kind not in kinds:
        raise InputError(f"{source}: {key} is of type {member.dtype}; only numbers are admitted.")
    held = member.shape or ()
    if shape is not None and (
        len(held) != len(shape) or any(w not in (None, h) for w, h in zip(shape, held, strict=True))
    ):
        wanted = " x ".join("any" if side is None else str(side) for side in shape)
        raise InputError(f"{source}: {key} has shape {held}, expected {wanted}.")
    if math.prod(held) == 0 and not (empty and member.shape):
        raise InputError(f"{source}: {key} is empty (shape {held}).")
    claimed, stored = math.prod(held) * member.dtype.itemsize, member.id.get_storage_size()
    if claimed > _MAX_RATIO * stored:
        raise InputError(
            f"{source}: {key} claims shape {held} of {member.dtype}, {claimed:,} bytes, but holds {stored:,}: "
            "it was not written to its end; fetch it again."
        )
    if member.dtype.kind in "fiub":
        _refuse_missing(member, f"{source}: {key}")
    return member


def read_array(dataset: h5py.Dataset, source: str) -> np.ndarray:
    """All values of an array.

    Raises:
        MachineError: they do not fit into memory.
    """
    require_memory(dataset.size * dataset.dtype.itemsize, f"{source} of shape {dataset.shape}")
    values: np.ndarray = dataset[()]
    return values


def member_names(group: h5py.Group) -> str:
    """The first names in a group, for messages."""
    names = [str(name)[:60] for name, _ in zip(group, range(12), strict=False)]
    return ", ".join(names + ["..."] * (len(group) > len(names))) or "nothing"


def _refuse_missing(dataset: h5py.Dataset, source: str) -> None:
    """Refuse values that the array's attributes say stand for missing ones; NaN is looked for where values are read."""
    for name in ("_FillValue", "missing_value"):
        if name not in dataset.attrs:
            continue
        marks = np.ravel(dataset.attrs[name])
        count = sum(int(np.isin(dataset[rows], marks).sum()) for rows in _pieces(dataset))
        if count:
            raise InputError(
                f"{source} has {count} of {dataset.size} values that its attribute {name} ({marks[0]}) declares "
                "missing; fill them in, or leave those samples out."
            )


def _pieces(dataset: h5py.Dataset) -> Iterator[Any]:
    """What to read of an array at a time."""
    if not dataset.shape:
        yield ()
        return
    rows = max(1, _PIECE * len(dataset) // max(1, dataset.size))
    for start in range(0, len(dataset), rows):
        yield slice(start, start + rows)


def _inside(parent: h5py.Group, key: str, source: str) -> Any:
    """The object that ``parent`` itself holds under ``key``; None where there is none."""
    import h5py

    link = parent.get(key, getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise InputError(f"{source}: {key} is a link to somewhere else, which is not followed.")
    return None if link is None else parent[key]
