"""Arrays by split and key: what keys there may be, what an array may hold, and which samples have a modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from coral_plugin.data.values import as_array, as_labels, as_values, column_names, filled_up
from coral_plugin.errors import InputError, short

SPLITS = ("train", "valid", "test")
LENGTH, PRESENT = "length", "present"

# "<modality>", "<modality>/length", "<modality>/present" and "labels" of one split
Table = dict[str, np.ndarray]


def by_split(arrays: Mapping[str, Any], name: str) -> tuple[dict[str, Table], list[str]]:
    """``{split: table}`` in the order of ``SPLITS``, every table settled (:func:`settle`), and notes, one line each.

    Raises:
        InputError: a key, type, shape or value that is not admitted.
    """
    given: dict[str, dict[str, Any]] = {}
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
        given.setdefault(split, {})[rest] = value
    if "train" not in given:
        raise InputError(f"{name} has no train split: give arrays under train/<modality>. It has {listed(arrays)}.")
    tables = {label: read_table(given[label], f"{label}/", name) for label in SPLITS if label in given}
    same_columns(given, name)
    notes = _one_length(tables, given)
    return {label: settle(table, f"{label}/", name) for label, table in tables.items()}, notes


def read_table(given: Mapping[str, Any], prefix: str, name: str) -> Table:
    """The arrays of one split as they are given, as NumPy's: lengths come with series of several lengths.

    Raises:
        InputError: one that cannot be read, or lengths both given and read.
    """
    table: Table = {}
    for key, value in given.items():
        if key == "labels":
            table[key] = as_labels(value, prefix + key, name)
        elif "/" in key:
            table[key] = as_array(value, prefix + key, name)
        else:
            table[key], lengths = as_values(value, prefix + key, name)
            if lengths is not None:
                if f"{key}/{LENGTH}" in given:
                    raise InputError(
                        f"{name}: {prefix}{key} is a list of series, whose lengths are known; leave {prefix}{key}/"
                        f"{LENGTH} out."
                    )
                table[f"{key}/{LENGTH}"] = lengths
    return table


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
        settled[key] = np.asarray(array)
    _some_modality(settled, prefix, name)
    return settled


def modality_names(table: Table) -> list[str]:
    """The modalities of a table, in its order."""
    return [key for key in table if key != "labels" and "/" not in key]


def listed(arrays: Mapping[str, Any]) -> str:
    """The first keys, for messages."""
    keys = [str(key) for key in arrays]
    return ", ".join(keys[:12] + ["..."] * (len(keys) > 12)) or "nothing"


def same_columns(given: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """Refuse data frames whose columns are called or ordered otherwise than those of train."""
    for label, table in given.items():
        for key, value in table.items():
            same_names(value, column_names(given["train"].get(key)), f"{name}: {label}/{key}")


def same_names(value: Any, wanted: tuple[str, ...], where: str) -> None:
    """Refuse a data frame whose columns are not called as ``wanted``, where both have names."""
    if wanted and (found := column_names(value)) and found != wanted:
        raise InputError(
            f"{where} has columns {short(list(found))}, those of train are {short(list(wanted))}; give the same "
            "columns in the same order."
        )


def _one_length(tables: dict[str, Table], given: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Fill series that came as lists up to one number of steps in all splits; notes, one line a modality."""
    notes = []
    for key in modality_names(tables["train"]):
        lengths = f"{key}/{LENGTH}"
        read = [label for label, table in tables.items() if lengths in table and lengths not in given[label]]
        if not read or any(key not in table or table[key].ndim != 3 for table in tables.values()):
            continue
        steps = max(table[key].shape[1] for table in tables.values())
        for table in tables.values():
            # lists of one length in a split have no other
            table.setdefault(lengths, np.full(len(table[key]), table[key].shape[1]))
            table[key] = filled_up(table[key], steps)
        shortest = min(int(table[lengths].min()) for table in tables.values())
        notes.append(f"series {key} came as lists of {shortest} to {steps} steps: filled up with zeros, lengths kept")
    return notes


def _flags(array: np.ndarray, where: str) -> np.ndarray:
    if array.ndim != 1 or array.dtype.kind == "f" or np.ma.is_masked(array) or not ((array == 0) | (array == 1)).all():
        raise InputError(
            f"{where} must say for each sample whether it has the modality, True or False (N,); "
            f"got {array.dtype} {array.shape}."
        )
    return array.astype(bool)


def _finite(array: np.ndarray, where: str) -> None:
    if np.ma.is_masked(array):
        place = tuple(int(i) for i in np.argwhere(np.ma.getmaskarray(array))[0])
        raise InputError(
            f"{where} has {int(np.ma.count_masked(array))} of {array.size} values masked (missing), the first at "
            f"{list(place)}: fill them in, or flag samples that lack the modality under <split>/<modality>/{PRESENT}."
        )
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(
            f"{where} holds {int((~finite).sum())} values that are not finite, "
            f"the first ({array[place]}) at {list(place)}: fill them in, or leave those samples out."
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
