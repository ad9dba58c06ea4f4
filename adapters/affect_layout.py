"""MultiBench's affect pickles on disk: ``{split: {vision, audio, text, labels, id}}`` in both of their layouts.

Sequences are one array (N, T, d) with zeros in front (MOSI, MOSEI), or one array (T_i, d) per sample (as UR-FUNNY and
MUsTARD are distributed). Labels are (N, 1, 1) or (N, 1) or (N,); of several columns the first is the sentiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from coral_plugin.data import SPLITS
from coral_plugin.data.padding import trailing_lengths
from coral_plugin.data.split_arrays import SplitArrays, validate_split
from coral_plugin.data.values import as_array
from coral_plugin.errors import InputError

AFFECT_MODALITIES = ("vision", "audio", "text")
AFFECT_PICKLE = "MultiBench's affect pickle ({train, valid, test} of {vision, audio, text, labels})"
_EXPECTED = f"Expected {AFFECT_PICKLE}."
# feature sizes of the released files
RELEASED_SIZES: dict[tuple[int, ...], tuple[str, tuple[str, ...]]] = {
    (20, 5, 300): ("mosi_data.pkl", ("mosi",)),
    (35, 74, 300): ("mosi_raw.pkl or mosei_raw.pkl", ("mosi", "mosei")),
    (371, 81, 300): ("humor.pkl or sarcasm.pkl", ("humor", "sarcasm")),
}
_ALIASES = {"val": "valid", "dev": "valid"}


def tables_of(content: Any, place: str) -> tuple[dict[str, SplitArrays], int]:
    """Arrays of each split, checked, and the number of values of audio that were minus infinity (they become 0).

    Raises:
        InputError: another structure, or arrays that do not fit each other; the message names file and key.
    """
    splits = _splits(content, place)
    names = [name for name in AFFECT_MODALITIES if name in splits["train"]]
    tables, infinite = {}, 0
    for label in SPLITS:
        held = splits[label]
        if missing := [key for key in (*names, "labels") if key not in held]:
            raise InputError(f"{place}: {label} lacks {', '.join(missing)}; it has {_first_keys(held)}. {_EXPECTED}")
        table = {name: _series(held[name], f"{label}/{name}", place) for name in names}
        table["labels"] = _labels(held["labels"], f"{label}/labels", place)
        if "audio" in table and (infinite_values := np.isneginf(table["audio"])).any():
            infinite += int(infinite_values.sum())
            table["audio"] = np.where(infinite_values, 0, table["audio"])
        tables[label] = validate_split(table, f"{label}/", place)
    _same_shapes(tables, names, place)
    return tables, infinite


def filled_span(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First step ``(N,)`` that is not zero of each series ``(N, T, d)``, and the number of steps ``(N,)`` to the last.

    The released files are padded with rows of zeros in front, some of them behind, too. A sample of zeros keeps one
    step.
    """
    filled = (array != 0).any(axis=2)  # (N, T)
    stop = trailing_lengths(array)
    start = np.where(filled.any(axis=1), filled.argmax(axis=1), 0)
    return start, stop - start


def from_first_step(array: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The series ``(N, T, d)``, each from its step ``start`` (N,) on; what follows the last step is arbitrary."""
    steps = np.minimum(start[:, None] + np.arange(array.shape[1]), array.shape[1] - 1)  # (N, T)
    return np.take_along_axis(array, steps[:, :, None], axis=1)


def feature_sizes(tables: Mapping[str, SplitArrays]) -> tuple[int, ...]:
    """Feature sizes, in the order of ``AFFECT_MODALITIES``."""
    return tuple(tables["train"][name].shape[2] for name in AFFECT_MODALITIES if name in tables["train"])


def _splits(content: Any, place: str) -> dict[str, Mapping[str, Any]]:
    if not isinstance(content, Mapping):
        raise InputError(f"{place} holds a {type(content).__name__}, not {AFFECT_PICKLE}.")
    named = {_ALIASES.get(str(key), str(key)): value for key, value in content.items()}
    if {"ep_tdata", "adm_features_all"} <= set(named):
        raise InputError(f"{place} is MultiBench's MIMIC file; read it with --dataset mimic.")
    if missing := [label for label in SPLITS if not isinstance(named.get(label), Mapping)]:
        raise InputError(f"{place} has no split {', '.join(missing)}; it has {_first_keys(named)}. {_EXPECTED}")
    splits: dict[str, Mapping[str, Any]] = {
        label: {str(key): value for key, value in named[label].items()} for label in SPLITS
    }
    if not any(name in splits["train"] for name in AFFECT_MODALITIES):
        raise InputError(f"{place}: train holds {_first_keys(splits['train'])}. {_EXPECTED}")
    return splits


def _series(value: Any, key: str, place: str) -> np.ndarray:
    """``(N, T, d)``, whichever layout."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
        value = _stacked(value, key, place)
    array = as_array(value, key, place)
    if array.ndim != 3:
        raise InputError(f"{place}: {key} has shape {array.shape}; sequences are (N, T, d).")
    return array


def _stacked(value: Any, key: str, place: str) -> np.ndarray:
    """One array per sample, (T_i, d), joined with zeros in front, as the other layout has them."""
    parts = [as_array(part, f"{key}[{number}]", place) for number, part in enumerate(value)]
    if not parts:
        raise InputError(f"{place}: {key} is empty.")
    if any(part.ndim != 2 or part.shape[1] != parts[0].shape[1] for part in parts):
        shapes = sorted({part.shape for part in parts})[:3]
        raise InputError(f"{place}: {key} holds samples of shapes {shapes}; give each (T, d) with one d.")
    whole = np.zeros((len(parts), max(map(len, parts)), parts[0].shape[1]), dtype=np.result_type(*parts))
    for row, part in zip(whole, parts, strict=True):
        row[len(row) - len(part) :] = part
    return whole


def _labels(value: Any, key: str, place: str) -> np.ndarray:
    """``(N,)`` scores."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
        value = [
            np.ravel(as_array(np.atleast_1d(part), f"{key}[{number}]", place))[0] for number, part in enumerate(value)
        ]
    array = as_array(value, key, place)
    return array.reshape(len(array), -1)[:, 0].astype(np.float64)


def _same_shapes(tables: Mapping[str, SplitArrays], names: list[str], place: str) -> None:
    for name in names:
        sizes = {label: table[name].shape[2] for label, table in tables.items()}
        if len(set(sizes.values())) > 1:
            raise InputError(f"{place}: {name} has features {sizes}; all splits need one size.")


def _first_keys(held: Mapping[str, Any]) -> str:
    return ", ".join(map(str, list(held)[:12])) or "nothing"
