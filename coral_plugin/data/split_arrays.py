"""Arrays of one split by key: which keys there may be, what an array may hold, and which samples have a modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coral_plugin.data.padding import blank_padding, padding_of
from coral_plugin.data.rows import require_same_rows
from coral_plugin.data.values import as_array, as_labels, as_values, column_names, pad_steps
from coral_plugin.errors import InputError, short
from coral_plugin.io.mapped import mapping_of, pieces
from coral_plugin.registry import hint

SPLITS = ("train", "valid", "test")
LENGTH, PRESENT = "length", "present"
_LABEL_NAMES = ("label", "target", "targets", "class")
_FIRST = 1024  # samples of a file that are looked at where some lack the modality

# "<modality>", "<modality>/length", "<modality>/present" and "labels" of one split
SplitArrays = dict[str, np.ndarray]


def arrays_by_split(arrays: Mapping[str, Any], name: str) -> tuple[dict[str, SplitArrays], list[str]]:
    """``{split: arrays}`` in the order of ``SPLITS``, every split validated (:func:`validate_split`), and notes.

    Raises:
        InputError: a key, type, shape or value that is not admitted, or data frames of a split with other rows.
    """
    raw: dict[str, dict[str, Any]] = {}
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
            close = "" if split in SPLITS else hint(split, SPLITS)
            raise InputError(
                f"{name}: unknown key {short(str(key))}.{close} Keys are <split>/<modality>, <split>/<modality>/length,"
                f" <split>/<modality>/present, <split>/labels (splits: {', '.join(SPLITS)}), classes, meta/..."
            )
        raw.setdefault(split, {})[rest] = value
    if "train" not in raw:
        raise InputError(f"{name} has no train split: give arrays under train/<modality>. It has {first_keys(arrays)}.")
    _refuse_mistyped_labels(raw, name)
    for label, inputs in raw.items():
        require_same_rows(inputs, f"{label}/", name)
    by_split = {label: read_split(raw[label], f"{label}/", name) for label in SPLITS if label in raw}
    _require_same_columns(raw, name)
    notes = _pad_lists(by_split, raw)
    named = {key: column_names(value) for key, value in raw["train"].items()}
    return {label: validate_split(table, f"{label}/", name, named) for label, table in by_split.items()}, notes


def _refuse_mistyped_labels(raw: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """Labels under a mistyped key would be one more modality, and the representation would know them."""
    if any("labels" in inputs for inputs in raw.values()):
        return
    for split, inputs in raw.items():
        for key, value in inputs.items():
            if names_labels(key, getattr(value, "shape", (0, 0))[1:]):  # lists are no single numbers
                raise InputError(
                    f"{name}: {split}/{key} would be read as a modality; labels are called {split}/labels. If it is a "
                    f"modality, give it another name."
                )


def names_labels(key: str, shape: Sequence[int]) -> bool:
    """Whether a key is what labels are called, and not what a modality of samples of this ``shape`` would be.

    >>> names_labels("target", (3, 8, 8)), names_labels("fine_label", ()), names_labels("y", (50, 2))
    (True, True, False)
    """
    name, single = key.lower(), int(np.prod(shape)) == 1
    return name in _LABEL_NAMES or (single and (name in ("y", "y_true") or name.endswith(("label", "labels"))))


def read_split(raw: Mapping[str, Any], prefix: str, name: str) -> SplitArrays:
    """The arrays of one split as they are given, as NumPy's: lengths come with series of several lengths.

    Raises:
        InputError: one that cannot be read, or lengths both given and read.
    """
    table: SplitArrays = {}
    for key, value in raw.items():
        if key == "labels":
            table[key] = as_labels(value, prefix + key, name)
        elif "/" in key:
            table[key] = as_array(value, prefix + key, name)
        else:
            table[key], lengths = as_values(value, prefix + key, name)
            if lengths is not None:
                if f"{key}/{LENGTH}" in raw:
                    raise InputError(
                        f"{name}: {prefix}{key} is a list of series, whose lengths are known; leave {prefix}{key}/"
                        f"{LENGTH} out."
                    )
                table[f"{key}/{LENGTH}"] = lengths
    return table


def validate_split(
    table: SplitArrays, prefix: str, name: str, columns: Mapping[str, tuple[str, ...]] | None = None
) -> SplitArrays:
    """The arrays with flags that are checked and values that are finite.

    Whatever rows flagged as missing hold (NaN, the row of another sample) is replaced: values by
    0, lengths by 1. So are masked values, NaN and infinity behind the length of a series. Flags of a modality that no
    sample lacks are left out.

    Args:
        table: Arrays of one split.
        prefix: ``train/``, or nothing for a single split.
        name: Name of the data set, for messages.
        columns: ``{modality: names of the columns}`` of tables that have any, for messages.

    Raises:
        InputError: flags that are no flags, a length or flag without its modality, unequal numbers of samples, a value
            that is not finite, or a sample that has no modality at all.
    """
    for key in table:
        modality, _, last = key.partition("/")
        if last and modality not in table:
            what = "lengths" if last == LENGTH else "presence"
            raise InputError(f"{name}: {prefix}{key} gives {what} for a modality that is not there.")
    _require_same_count(table, prefix, name)
    checked: SplitArrays = {}
    for key, array in table.items():
        modality, _, last = key.partition("/")
        if last == PRESENT:
            present = _flags(array, f"{name}: {prefix}{key}")
            if not present.all():
                checked[key] = present
            continue
        missing = None
        if (flags := presence_of(table, modality)) is not None:
            missing = ~_flags(flags, f"{name}: {prefix}{modality}/{PRESENT}")
            if missing.any() and (last == LENGTH or mapping_of(array) is None):
                array = array.copy()
                array[missing] = 1 if last == LENGTH else 0
        ignored = missing
        if not last and (padding := padding_of(array, table.get(f"{key}/{LENGTH}"))) is not None:
            ignored = padding if missing is None else padding | missing[:, None]
            array = array if mapping_of(array) is not None else blank_padding(array, ignored)
        remedy = "" if last or key == "labels" else f"{prefix}{key}/{PRESENT}"
        _require_finite(array, f"{name}: {prefix}{key}", ignored, remedy, (columns or {}).get(key, ()))
        checked[key] = np.asarray(array)
    _require_some_modality(checked, prefix, name)
    return checked


def modality_names(table: SplitArrays) -> list[str]:
    """The modalities of a split, in its order."""
    return [key for key in table if key != "labels" and "/" not in key]


def presence_of(table: SplitArrays, modality: str) -> np.ndarray | None:
    """``(N,)`` of bool, which samples have a modality; None where all have it."""
    return table.get(f"{modality}/{PRESENT}")


def present_rows(table: SplitArrays, modality: str) -> np.ndarray:
    """Values of a modality in the samples that have it; the first of them where they are in a file."""
    array, present = table[modality], presence_of(table, modality)
    if present is not None and mapping_of(array) is not None:
        return array[np.flatnonzero(present)[:_FIRST]]
    return array if present is None else array[present]


def first_keys(arrays: Mapping[str, Any]) -> str:
    """The first keys, for messages."""
    keys = [str(key) for key in arrays]
    return ", ".join(keys[:12] + ["..."] * (len(keys) > 12)) or "nothing"


def require_same_names(value: Any, wanted: tuple[str, ...], source: str) -> None:
    """Refuse a data frame whose columns are not called as ``wanted``, where both have names."""
    if wanted and (names := column_names(value)) and names != wanted:
        raise InputError(
            f"{source} has columns {short(list(names))}, those of train are {short(list(wanted))}; give the same "
            "columns in the same order."
        )


def _require_same_columns(raw: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """Refuse data frames whose columns are called or ordered otherwise than those of train."""
    for label, split in raw.items():
        for key, value in split.items():
            require_same_names(value, column_names(raw["train"].get(key)), f"{name}: {label}/{key}")


def _pad_lists(by_split: dict[str, SplitArrays], raw: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Fill series that came as lists up to one number of steps in all splits; notes, one per modality."""
    notes = []
    for key in modality_names(by_split["train"]):
        lengths = f"{key}/{LENGTH}"
        lists = [label for label, table in by_split.items() if lengths in table and lengths not in raw[label]]
        if not lists or any(key not in table or table[key].ndim != 3 for table in by_split.values()):
            continue
        steps = max(table[key].shape[1] for table in by_split.values())
        for label, table in by_split.items():
            if getattr(raw[label][key], "ndim", 1) != 3:  # lists of one length; an array may have padding of its own
                table.setdefault(lengths, np.full(len(table[key]), table[key].shape[1]))
            table[key] = pad_steps(table[key], steps)
        filled = [table[lengths] for label, table in by_split.items() if lengths in table and lengths not in raw[label]]
        shortest = min(int(of_split.min()) for of_split in filled)
        notes.append(f"series {key} came as lists of {shortest} to {steps} steps: filled up with zeros, lengths kept")
    return notes


def _flags(array: np.ndarray, source: str) -> np.ndarray:
    if array.ndim != 1 or array.dtype.kind == "f" or np.ma.is_masked(array) or not ((array == 0) | (array == 1)).all():
        raise InputError(
            f"{source} must say for each sample whether it has the modality, True or False (N,); "
            f"got {array.dtype} {array.shape}."
        )
    return array.astype(bool)


def _require_finite(
    array: np.ndarray, source: str, ignored: np.ndarray | None, flags: str, columns: tuple[str, ...]
) -> None:
    """Refuse masked values, NaN and infinity, but in what is ``ignored``.

    Args:
        array: ``(N, ...)``.
        source: Key of the array, for messages.
        ignored: ``(N,)``, samples that lack the modality, or ``(N, T)``, steps that are padding.
        flags: Key under which these are flagged; empty for what is no modality.
        columns: Names of the columns of a table.
    """
    if np.ma.is_masked(array):
        place = tuple(int(i) for i in np.argwhere(np.ma.getmaskarray(array))[0])
        raise InputError(
            f"{source} has {int(np.ma.count_masked(array))} of {array.size} values masked (missing), the first at "
            f"{list(place)}: fill them in, or flag samples that lack the modality under <split>/<modality>/{PRESENT}."
        )
    if array.dtype.kind != "f":
        return
    wild, whole, first = 0, 0, ""
    for start, piece in pieces(array):
        finite = np.isfinite(piece)
        if ignored is not None:
            finite[ignored[start : start + len(piece)]] = True
        if not finite.all():
            row, *rest = (int(i) for i in np.argwhere(~finite)[0])
            column = f", column {short(columns[rest[0]])}" if len(rest) == 1 and rest[0] < len(columns) else ""
            first = first or f"({piece[row, *rest]}) at {[start + row, *rest]}{column}"
            wild += int((~finite).sum())
            whole += int((np.isnan(piece) & ~finite).reshape(len(piece), -1).all(axis=1).sum())
    if not wild:
        return
    held = f"{wild} values that are not finite, the first" if wild > 1 else "1 value that is not finite"
    remedy = "fill them in, or leave those samples out" if wild > 1 else "fill it in, or leave that sample out"
    if whole and flags:
        rows = f"{whole} row{' is' if whole == 1 else 's are'} NaN throughout"
        remedy += f"; {rows}: where a sample lacks the modality, give {flags}, (N,) of bool, False there"
    raise InputError(f"{source} holds {held} {first}: {remedy}.")


def _require_same_count(table: SplitArrays, prefix: str, name: str) -> None:
    counts = {prefix + key: len(value) for key, value in table.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{key} {count}" for key, count in counts.items())
        raise InputError(f"{name}: unequal numbers of samples: {listed}.")


def _require_some_modality(table: SplitArrays, prefix: str, name: str) -> None:
    flags = [presence for key in modality_names(table) if (presence := presence_of(table, key)) is not None]
    if not flags or len(flags) < len(modality_names(table)):
        return
    empty = ~np.any(np.stack(flags), axis=0)
    if empty.any():
        sample = f"sample {int(empty.argmax())}" + (f" of {prefix.rstrip('/')}" if prefix else "")
        raise InputError(
            f"{name}: {sample} has no modality at all, as {int(empty.sum())} of {len(empty)} there; leave them out."
        )
