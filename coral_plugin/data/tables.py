"""Arrays by split and key: what keys there may be, what an array may hold, and which samples have a modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from coral_plugin.errors import InputError, short

SPLITS = ("train", "valid", "test")
LENGTH, PRESENT = "length", "present"

# "<modality>", "<modality>/length", "<modality>/present" and "labels" of one split
Table = dict[str, np.ndarray]


def by_split(arrays: Mapping[str, Any], name: str) -> dict[str, Table]:
    """``{split: table}`` in the order of ``SPLITS``, every table settled (:func:`settle`).

    Raises:
        InputError: a key, type, shape or value that is not admitted.
    """
    tables: dict[str, Table] = {}
    for key, value in arrays.items():
        split, _, rest = str(key).partition("/")
        if key == "classes" or str(key).startswith("meta/"):
            continue
        part, _, last = rest.partition("/")
        if (
            split not in SPLITS
            or not part
            or last not in ("", LENGTH, PRESENT)
            or (last and part == "labels")
            or rest == f"{part}/"
            or not rest.isprintable()
        ):
            raise InputError(
                f"{name}: unknown key {short(str(key))}. Keys are <split>/<modality>, <split>/<modality>/length, "
                f"<split>/<modality>/present, <split>/labels (splits: {', '.join(SPLITS)}), classes, meta/..."
            )
        tables.setdefault(split, {})[rest] = as_array(value, str(key), name)
    if "train" not in tables:
        raise InputError(f"{name} has no train split: give arrays under train/<modality>. It has {listed(arrays)}.")
    return {label: settle(tables[label], f"{label}/", name) for label in SPLITS if label in tables}


def settle(table: Table, prefix: str, name: str) -> Table:
    """The table with flags that are checked and values that are finite.

    What rows hold that are flagged as absent is replaced, whatever it was (NaN, the row of another sample): values by
    0, lengths by 1. Flags of a modality that no sample lacks are left out.

    Args:
        table: Arrays of one split.
        prefix: ``train/``, or nothing for a single split.
        name: Of the data set, for messages.

    Raises:
        InputError: flags that are no flags, a length or flag without its modality, unequal numbers of samples, a value
            that is not finite, or a sample that has no modality at all.
    """
    for key in table:
        modality, _, last = key.partition("/")
        if last and modality not in table:
            what = "lengths" if last == LENGTH else "presence"
            raise InputError(f"{name}: {prefix}{key} gives {what} for a modality that is not there.")
    _same_count(table, prefix, name)
    settled: Table = {}
    for key, array in table.items():
        modality, _, last = key.partition("/")
        if last == PRESENT:
            flags = _flags(array, f"{name}: {prefix}{key}")
            if not flags.all():
                settled[key] = flags
            continue
        if (given := table.get(f"{modality}/{PRESENT}")) is not None:
            absent = ~_flags(given, f"{name}: {prefix}{modality}/{PRESENT}")
            if absent.any():
                array = array.copy()
                array[absent] = 1 if last == LENGTH else 0
        _finite(array, f"{name}: {prefix}{key}")
        settled[key] = array
    _some_modality(settled, prefix, name)
    return settled


def as_array(value: Any, key: str, name: str) -> np.ndarray:
    """``value`` as an array of numbers, finite or not.

    Raises:
        InputError: it is empty, or holds anything else.
    """
    try:
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    except (ValueError, TypeError) as error:  # rows of several lengths; a torch type that NumPy lacks
        raise InputError(f"{name}: {key} is no array of numbers: {' '.join(str(error).split())}") from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name}: {key} is of type {array.dtype}; only numbers are admitted, no objects or text.")
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{name}: {key} is empty (shape {array.shape}).")
    return array


def modality_names(table: Table) -> list[str]:
    """The modalities of a table, in its order."""
    return [key for key in table if key != "labels" and "/" not in key]


def listed(arrays: Mapping[str, Any]) -> str:
    """The first keys, for messages."""
    keys = [str(key) for key in arrays]
    return ", ".join(keys[:12] + ["..."] * (len(keys) > 12)) or "nothing"


def _flags(array: np.ndarray, where: str) -> np.ndarray:
    if array.ndim != 1 or array.dtype.kind == "f" or not ((array == 0) | (array == 1)).all():
        raise InputError(
            f"{where} must say for each sample whether it has the modality, True or False (N,); "
            f"got {array.dtype} {array.shape}."
        )
    return array.astype(bool)


def _finite(array: np.ndarray, where: str) -> None:
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(
            f"{where} holds {int((~finite).sum())} values that are not finite, "
            f"the first ({array[place]}) at {list(place)}."
        )


def _same_count(table: Table, prefix: str, name: str) -> None:
    counts = {prefix + key: len(value) for key, value in table.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{key} {count}" for key, count in counts.items())
        raise InputError(f"{name}: unequal numbers of samples: {told}.")


def _some_modality(table: Table, prefix: str, name: str) -> None:
    flags = [table.get(f"{key}/{PRESENT}") for key in modality_names(table)]
    if not flags or any(each is None for each in flags):
        return
    nothing = ~np.any(np.stack([each for each in flags if each is not None]), axis=0)
    if nothing.any():
        where = f"sample {int(nothing.argmax())}" + (f" of {prefix.rstrip('/')}" if prefix else "")
        raise InputError(
            f"{name}: {where} has no modality at all, as {int(nothing.sum())} of {len(nothing)} there; leave them out."
        )
