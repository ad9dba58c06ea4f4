"""What kind of modality each array is, and how long its series are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from coral_plugin.data.axes import recognise, say
from coral_plugin.data.columns import given_lengths
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.padding import Series, is_padded, padding_notes, trailing_lengths
from coral_plugin.data.tables import LENGTH, PRESENT, Table, modality_names
from coral_plugin.errors import InputError


def modalities_of_tables(
    tables: dict[str, Table], kinds: Mapping[str, Kind], name: str
) -> tuple[list[Modality], list[str]]:
    """The modalities of train, which every other split must have too, and notes.

    The arrays of the tables are brought to the shapes of the modalities.

    Train alone decides how the axes are read (:func:`~coral_plugin.data.axes.recognise`).
    """
    names = modality_names(tables["train"])
    if not names:
        raise InputError(f"{name}: the train split has no modality; give arrays under train/<modality>.")
    for label, table in tables.items():
        own = set(modality_names(table))
        if missing := [key for key in names if key not in own]:
            raise InputError(
                f"{name}: split {label} lacks modality {', '.join(missing)}, which train has; where no sample has it, "
                f"give zeros and {label}/{missing[0]}/present, all False."
            )
        if extra := sorted(own - set(names)):
            raise InputError(f"{name}: split {label} has modality {', '.join(extra)}, which train lacks.")
    if unknown := [key for key in kinds if key not in names]:
        raise InputError(
            f"{name}: a kind is given for {', '.join(unknown)}, but the modalities are {', '.join(names)}."
        )
    notes: list[str] = []
    modalities = [_modality(tables, key, kinds, name, notes) for key in names]
    return modalities, notes


def _modality(tables: dict[str, Table], key: str, kinds: Mapping[str, Kind], name: str, notes: list[str]) -> Modality:
    """The modality ``key``; all splits agree on its shape."""
    array = tables["train"][key]
    there = array[tables["train"].get(f"{key}/{PRESENT}", slice(None))]
    layout, said = recognise(
        there, key, kind=kinds.get(key), timed=f"{key}/{LENGTH}" in tables["train"], where=f"{name}: train/{key}"
    )
    notes += said
    kind = layout.kind
    for label, table in tables.items():
        other = table[key]
        if other.shape[1:] != array.shape[1:]:
            raise InputError(
                f"{name}: {label}/{key} has samples of shape {other.shape[1:]}, train has {array.shape[1:]}."
            )
        if kind == "image" and (other.dtype.kind in "iu") != (array.dtype.kind in "iu"):
            raise InputError(
                f"{name}: {label}/{key} is {other.dtype}, train is {array.dtype}; whole numbers are pixels from 0 to "
                "255, floats are taken as they are: save all splits in one way."
            )
    for table in tables.values():
        table[key] = layout.to_ours(table[key])
    return Modality(name=key, kind=kind, shape=layout.ours)


def with_lengths(
    tables: dict[str, Table], modalities: list[Modality], kinds: Mapping[str, Kind], name: str
) -> tuple[list[Modality], dict[str, dict[str, np.ndarray]], list[str]]:
    """The modalities with their final kind, ``{split: {modality: lengths}}`` of series of varying length, and notes.

    Train alone decides whether a series has varying length.
    """
    final: list[Modality] = []
    found: dict[str, dict[str, np.ndarray]] = {label: {} for label in tables}
    notes: list[str] = []
    for modality in modalities:
        key = modality.name
        if (
            modality.kind == "sequence"
            and key not in kinds
            and not _varies(tables["train"], key, f"{name}: train/{key}")
        ):
            modality = replace(modality, kind="timeseries")
        for label, table in tables.items():
            lengths = lengths_of(table, modality, f"{name}: {label}/{key}")
            if lengths is not None:
                found[label][key] = lengths
        if modality.kind == "sequence" or (modality.kind == "timeseries" and key not in kinds):
            guessed = {label: _series(table, key) for label, table in tables.items() if f"{key}/{LENGTH}" not in table}
            notes += padding_notes(
                key,
                guessed,
                padded=modality.kind == "sequence",
                remedy=f"{say(key, 'timeseries')}, or give <split>/{key}/length",
                opposite=f"{say(key, 'sequence')}, or give <split>/{key}/length",
            )
        final.append(modality)
    return final, found, notes


def lengths_of(table: Table, modality: Modality, where: str) -> np.ndarray | None:
    """Lengths ``(N,)`` of the series of one split; None for what has no varying length."""
    given = table.get(f"{modality.name}/{LENGTH}")
    array = table[modality.name]
    if modality.kind == "sequence":
        return trailing_lengths(array) if given is None else given_lengths(array, given, where)
    present = table.get(f"{modality.name}/{PRESENT}", slice(None))
    if given is None:
        return None
    if modality.kind != "timeseries":
        raise InputError(f"{where}/length is given, but {modality.name} is of kind {modality.kind}, of one length.")
    if (given_lengths(array, given, where) != array.shape[1])[present].any():
        raise InputError(
            f"{where}/length is given, but {modality.name} is of kind timeseries, of one length, as train has it; give "
            f"train with kinds={{{modality.name!r}: 'sequence'}} (--kind {modality.name}=sequence)."
        )
    return None


def _varies(train: Table, key: str, where: str) -> bool:
    """Whether the series of train have varying length."""
    series = _series(train, key)
    if (given := train.get(f"{key}/{LENGTH}")) is None:
        return is_padded(series)
    short = given_lengths(series.values, given, where) < series.values.shape[1]
    return bool(short[slice(None) if series.present is None else series.present].any())


def _series(table: Table, key: str) -> Series:
    return Series(table[key], table.get(f"{key}/{PRESENT}"))
