"""Values: NumPy arrays from torch, lists, pandas, masked arrays and series of several lengths."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coral_plugin.errors import InputError, one_line, short

_NUMBERS = "fiub"  # NumPy's kinds of types that are admitted


def as_array(value: Any, key: str, name: str) -> np.ndarray:
    """``value`` as an array of numbers, finite or not.

    Masked entries stay masked (``np.ma.MaskedArray``); :func:`~coral_plugin.data.split_arrays.validate_split` refuses
    them as it refuses NaN. A masked array without masked entries becomes a plain one.

    Raises:
        InputError: it is empty, or holds anything else.
    """
    if value is None:
        raise InputError(f"{name}: {key} is None; leave the key out where a modality is missing.")
    array = _numpy(value, key, name)
    if array.dtype.kind == "O":
        array = _from_objects(array)
    if array.dtype.kind not in _NUMBERS:
        raise InputError(
            f"{name}: {key} is of type {array.dtype}; only numbers are admitted. Encode text as numbers; what is no "
            "modality, such as ids, goes under meta/."
        )
    _not_empty(array, key, name)
    return array


def as_values(value: Any, key: str, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The values of a modality, and the lengths (N,) of samples that came as a list of series of several lengths.

    Such a list, or an array of objects, of (T_i, d) arrays becomes (N, T, d), filled up with zeros behind. A data frame
    becomes a table of its columns, a series of numbers of pandas or polars a table of one column.

    Raises:
        InputError: as of :func:`as_array`; samples of several widths; a column that holds no numbers, by name.
    """
    if (samples := _samples(value)) is not None:
        return _padded(samples, key, name)
    array = as_array(value, key, name)
    column = is_pandas(value, "Series") or _is_polars(value, "Series")
    return (array[:, None] if column and array.ndim == 1 else array), None


def as_labels(value: Any, key: str, name: str) -> np.ndarray:
    """Labels as an array of numbers or of text (``str``), whatever holds them.

    Raises:
        InputError: they are empty, masked or missing in some samples, or neither text nor numbers.
    """
    if value is None:
        raise InputError(f"{name}: {key} is None; leave the key out where there are no labels.")
    if is_pandas(value, "DataFrame") and value.shape[1] == 1:
        value = value.iloc[:, 0]
    # a plain list of texts and NaN would become an array of texts, one of them "nan"
    plain = isinstance(value, list | tuple) and not any(isinstance(item, Tensor) for item in value)
    array = np.array(value, dtype=object) if plain and not _ragged(value) else _numpy(value, key, name)
    array = array.astype(object) if array.dtype.kind == "T" else array  # NumPy's text of any length
    if (masked := int(np.ma.count_masked(array))) or array.dtype.kind == "O":
        missing = masked or sum(map(_is_missing, array.ravel().tolist()))
        if missing:
            raise InputError(f"{name}: {key} lacks the label of {missing} samples (masked or missing); leave them out.")
        array = _from_objects(array)
    if array.dtype.kind == "S":
        array = _decoded(array, key, name)
    if array.dtype.kind not in _NUMBERS + "U":
        raise InputError(
            f"{name}: {key} is of type {array.dtype}; labels are text or whole numbers (classes), 0/1 in columns "
            "(several labels per sample) or other numbers (regression)."
        )
    _not_empty(array, key, name)
    if array.dtype.kind == "U" and (empty := int((np.char.str_len(np.char.strip(array)) == 0).sum())):
        raise InputError(f"{name}: {key} lacks the label of {empty} samples (empty text); leave them out.")
    return array


def _numpy(value: Any, key: str, name: str) -> np.ndarray:
    """``value`` as whatever array NumPy makes of it; masked where an entry is."""
    if is_pandas(value, "DataFrame"):
        return _table_of(value, key, name)
    if hasattr(value, "toarray"):  # one of SciPy's sparse formats
        raise InputError(f"{name}: {key} is a sparse matrix; give its toarray().")
    try:
        if isinstance(value, Tensor):
            value = _of_tensor(value)
        elif isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value):
            value = np.stack([_of_tensor(item) for item in value])
        elif isinstance(value, list | tuple) and any(isinstance(item, np.ma.MaskedArray) for item in value):
            value = np.ma.stack(value)
        # asanyarray: what a netCDF4 variable gives, too, keeps its mask
        array = np.asanyarray(value)
    except (ValueError, TypeError, RuntimeError, NotImplementedError) as error:  # a torch type that NumPy lacks
        raise InputError(f"{name}: {key} is no array of numbers: {one_line(error)}.") from error
    return array if np.ma.is_masked(array) else np.asarray(array)


def _of_tensor(value: Any) -> np.ndarray:
    if not isinstance(value, Tensor):
        return np.asarray(value)
    array: np.ndarray = (value.float() if value.dtype == torch.bfloat16 else value).numpy(force=True)
    return array


def _from_objects(array: np.ndarray) -> np.ndarray:
    """An array of Python's numbers or texts as one of NumPy's; anything else as it is."""
    items = array.ravel().tolist()
    if all(isinstance(item, bool | int | float | np.number | np.bool_) for item in items):
        plain = np.asarray(items).reshape(array.shape)
        return np.ma.masked_array(plain, array.mask) if isinstance(array, np.ma.MaskedArray) else plain
    if all(isinstance(item, str) for item in items) or all(isinstance(item, bytes) for item in items):
        return np.array(items).reshape(array.shape)
    return array


def _is_missing(item: Any) -> bool:
    """Whether an object stands for no value: None, NaN, pandas' NA and NaT."""
    if isinstance(item, str | bytes | np.ndarray | list | tuple):
        return False
    return item is None or type(item).__name__ in ("NAType", "NaTType") or item != item  # NaN


def _decoded(array: np.ndarray, key: str, name: str) -> np.ndarray:
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: {key} holds text that is not UTF-8: {one_line(error)}.") from error


def _not_empty(array: np.ndarray, key: str, name: str) -> None:
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{name}: {key} is empty (shape {array.shape}).")


def is_pandas(value: Any, what: str) -> bool:
    """Whether ``value`` is pandas' class of this name, without an import of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, getattr(pandas, what))


def is_frame(value: Any) -> bool:
    """Whether ``value`` is a data frame of pandas or polars, without an import of either."""
    return is_pandas(value, "DataFrame") or _is_polars(value, "DataFrame")


def _is_polars(value: Any, what: str) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(value, getattr(polars, what))


def _table_of(frame: Any, key: str, name: str) -> np.ndarray:
    """``(N, columns)`` of a data frame of numbers; missing values of pandas become NaN."""
    columns: list[np.ndarray] = []
    for label, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if getattr(dtype, "kind", "O") not in _NUMBERS:
            raise InputError(
                f"{name}: column {short(str(label))} of {key} is of type {dtype}; only numbers are admitted: leave it "
                "out, or code it as numbers."
            )
        extension = not isinstance(dtype, np.dtype)
        column = frame.iloc[:, len(columns)]
        columns.append(column.to_numpy(dtype=np.float64, na_value=np.nan) if extension else column.to_numpy())
    return np.stack(columns, axis=1) if columns else np.zeros((len(frame), 0))


def column_names(value: Any) -> tuple[str, ...]:
    """Names of the columns of a data frame, in printable characters; empty for anything else, and for mere numbers."""
    if not is_frame(value) or list(value.columns) == list(range(len(value.columns))):
        return ()
    return tuple("".join(sign if sign.isprintable() else "?" for sign in str(label)) for label in value.columns)


def _samples(value: Any) -> Sequence[Any] | None:
    """The samples of what holds one array per sample, of several lengths; None for everything else."""
    if is_pandas(value, "Series"):
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.ndim == 1:
        return list(value) if len(value) and all(map(_is_sample, value)) else None
    return value if isinstance(value, list | tuple) and _ragged(value) else None


def _ragged(value: Sequence[Any]) -> bool:
    """Whether the samples of a list are not of one length."""
    return len(value) > 0 and all(map(_is_sample, value)) and len({len(item) for item in value}) > 1


def _is_sample(item: Any) -> bool:
    return isinstance(item, list | tuple) or (isinstance(item, np.ndarray | Tensor) and item.ndim > 0)


def _padded(samples: Sequence[Any], key: str, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Series of several lengths in one array (N, T, d), zeros behind, and their lengths."""
    parts = [as_array(sample, f"{key}[{number}]", name) for number, sample in enumerate(samples)]
    lengths = np.array([len(part) for part in parts])
    if len({part.shape for part in parts}) == 1:
        return _stacked(parts), None
    if any(part.ndim < 2 for part in parts):
        raise InputError(
            f"{name}: {key} is no array of numbers: it has rows of {lengths.min()} to {lengths.max()} values, but a "
            "table has one number of columns; give series of several lengths as (T, d) each, one signal as (T, 1)."
        )
    if len({part.shape[1:] for part in parts}) > 1 or parts[0].ndim > 2:
        shapes = ", ".join(map(str, list(dict.fromkeys(part.shape for part in parts))[:3]))
        raise InputError(
            f"{name}: {key} is no array of numbers: its samples have shapes {shapes}; they need one shape, or for "
            "series of several lengths (T, d) with one d."
        )
    steps = int(lengths.max())
    return _stacked([pad_steps(part[None], steps)[0] for part in parts]), lengths


def pad_steps(series: np.ndarray, steps: int) -> np.ndarray:
    """``(N, T, d)`` with zeros behind, up to ``steps``; what is masked stays masked."""
    behind = np.zeros((len(series), steps - series.shape[1], *series.shape[2:]), dtype=series.dtype)
    join = np.ma.concatenate if np.ma.is_masked(series) else np.concatenate
    whole: np.ndarray = join([series, behind], axis=1)
    return whole


def _stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    whole: np.ndarray = (np.ma.stack if any(map(np.ma.is_masked, parts)) else np.stack)(parts)
    return whole
