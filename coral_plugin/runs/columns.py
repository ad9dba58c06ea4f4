"""Arrays by modality from what scikit-learn takes as ``X``: packed arrays and groups of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.sparse import issparse

from coral_plugin.data.modality import Modality
from coral_plugin.data.padding import blank_padding, padding_of
from coral_plugin.data.rows import require_same_rows
from coral_plugin.data.split_arrays import LENGTH
from coral_plugin.data.values import as_array, as_values, column_names, is_frame
from coral_plugin.errors import InputError, short

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
        InputError: nothing in it, unequal numbers of samples, data frames with other rows, or what is no array of
            numbers.

    >>> pack({"acc": np.zeros((5, 10, 3)), "age": np.ones((5, 1))})[:2]["acc"].shape
    (2, 10, 3)
    """
    require_same_rows(arrays, "", "X")
    columns: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        columns[name], lengths = (as_array(values, name, "X"), None) if "/" in name else as_values(values, name, "X")
        if (lengths_given := arrays.get(f"{name}/{LENGTH}")) is not None:
            padding = padding_of(columns[name], as_array(lengths_given, f"{name}/{LENGTH}", "X"))
            columns[name] = columns[name] if padding is None else blank_padding(columns[name], padding)
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


def different_names(table: Any) -> tuple[str, ...]:
    """Names of the columns of a data frame; empty for an array.

    Raises:
        InputError: a name that several columns have.
    """
    names = column_names(table)
    if len(set(names)) < len(names):
        raise InputError(f"The columns of samples need different names, got {short(list(names))}.")
    return names


def by_modality(
    samples: Any, columns: Mapping[str, Columns] | None, modalities: Sequence[Modality]
) -> Mapping[str, Any]:
    """``{modality: (N, ...)}`` of a mapping, a packed array, or a data frame or 2-D array.

    Args:
        samples: Samples.
        columns: ``{modality: columns}`` of a frame or 2-D array; None takes the columns of a frame by the names of the
            features in ``modalities``.
        modalities: Modalities of the training.

    Raises:
        InputError: nothing of this kind, columns that belong to no modality or to several, or columns of one name.
    """
    arrays = unpack(samples)
    if arrays is not None:
        if columns is not None:
            raise InputError("columns group the columns of a table; here samples have named modalities.")
        return arrays
    if not is_frame(samples) and getattr(samples, "ndim", 0) != 2:
        raise InputError(
            f"samples must be a mapping of modalities to arrays, a table or a batch, got {short(type(samples))}."
        )
    names = different_names(samples)
    if columns is None:
        by_name = {m.name: list(m.feature_names) for m in modalities if set(m.feature_names) & set(names)}
        if not by_name:
            raise InputError("Say which columns belong to which modality: embed(table, columns={modality: ...}).")
        for one, other in combinations(by_name, 2):
            if both := [name for name in by_name[one] if name in by_name[other]]:
                raise InputError(
                    f"Column {short(both[0])} is a feature of {one} and of {other}: give embed({{{one!r}: frame}}) "
                    "with the frame of one modality, or embed(table, columns={modality: ...})."
                )
        columns = by_name
    table = getattr(samples, "iloc", samples)  # a frame by position: names may be anything
    return {name: table[:, index] for name, index in group_columns(columns, samples.shape[1], names).items()}


def _refuse_masked(x: Any, what: str) -> None:
    if np.ma.is_masked(x):
        raise InputError(f"X: {what} has {np.ma.count_masked(x)} of {x.size} values masked (missing); fill them in.")
