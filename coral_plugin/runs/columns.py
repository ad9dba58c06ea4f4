"""Arrays by modality from what scikit-learn takes as ``X``: packed arrays and groups of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from coral_plugin.data.split_arrays import LENGTH
from coral_plugin.data.values import as_array, as_values
from coral_plugin.errors import InputError

# what selects the columns of one modality
Columns = slice | Sequence[int] | Sequence[str] | np.ndarray
# the halves of a plain array without column groups
HALVES = ("first", "second")


def group_columns(groups: Mapping[str, Columns] | None, count: int, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Indices of the columns of each modality.

    Args:
        groups: ``{modality: slice, indices, boolean mask or names}``; None takes the two halves.
        count: Number of columns.
        names: Names of the columns, if they have any.

    Raises:
        InputError: a group without columns, or with one that does not exist.

    >>> group_columns(None, 5)
    {'first': array([0, 1, 2]), 'second': array([3, 4])}
    """
    if groups is None:
        half = (count + 1) // 2
        groups = dict(zip(HALVES, (slice(0, half), slice(half, count)), strict=True))
    if not isinstance(groups, Mapping):
        raise InputError(f"columns must be a mapping from modality to columns, got {type(groups).__name__}.")
    return {name: _indices(name, chosen, count, list(names)) for name, chosen in groups.items()}


def _indices(name: str, chosen: Columns, count: int, known: list[str]) -> np.ndarray:
    wanted = chosen if isinstance(chosen, slice) else np.atleast_1d(np.asarray(chosen))
    if not isinstance(wanted, slice) and wanted.dtype.kind in "UO":
        if missing := [column for column in wanted.tolist() if column not in known]:
            raise InputError(f"columns of {name!r} name {missing[0]!r}; X has {', '.join(known) or 'no names'}.")
        wanted = np.array([known.index(column) for column in wanted.tolist()], dtype=np.int64)
    try:
        indices: np.ndarray = np.arange(count)[wanted]
    except (IndexError, TypeError) as error:
        raise InputError(f"columns of {name!r} do not fit X with its {count} columns: {error}.") from error
    if not len(indices):
        raise InputError(f"columns of {name!r} are none of the {count} columns of X.")
    return indices


def pack(arrays: Mapping[str, Any]) -> np.ndarray:
    """``{modality: (N, ...)}`` as one structured array of N rows, which ``GridSearchCV`` and the like can split.

    Lists of series of several lengths are filled up, and their lengths come with them.

    Raises:
        InputError: nothing in it, unequal numbers of samples, or what is no array of numbers.

    >>> pack({"acc": np.zeros((5, 10, 3)), "age": np.ones((5, 1))})[:2]["acc"].shape
    (2, 10, 3)
    """
    columns: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        columns[name], lengths = (as_array(values, name, "X"), None) if "/" in name else as_values(values, name, "X")
        _refuse_masked(columns[name], name)
        if lengths is not None:
            columns[f"{name}/{LENGTH}"] = lengths
    counts = {name: len(column) if column.ndim else 0 for name, column in columns.items()}
    if len(set(counts.values())) != 1:
        raise InputError(f"Modalities need the same number of samples, got {counts or 'none'}.")
    packed = np.empty(next(iter(counts.values())), [(name, c.dtype, c.shape[1:]) for name, c in columns.items()])
    for name, column in columns.items():
        packed[name] = column
    return packed


def unpack(x: Any) -> dict[str, Any] | None:
    """Arrays by modality of a mapping or a packed array; None for anything else, which scikit-learn should look at."""
    if isinstance(x, Mapping) and not issparse(x):  # one of SciPy's sparse formats is a mapping
        return dict(x)
    names = getattr(getattr(x, "dtype", None), "names", None)
    if names is None:
        _refuse_masked(x, "the array")  # scikit-learn would read what lies behind the mask
        return None
    return {name: x[name] for name in names}


def _refuse_masked(x: Any, what: str) -> None:
    if np.ma.is_masked(x):
        raise InputError(f"X: {what} has {np.ma.count_masked(x)} of {x.size} values masked (missing); fill them in.")
