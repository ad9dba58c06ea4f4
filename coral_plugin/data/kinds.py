"""Kinds: what kind of modality each array is, and how long its series are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from coral_plugin.data.columns import checked_lengths
from coral_plugin.data.layouts import kind_option, recognise_layout
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.padding import Series, is_padded, padding_notes, trailing_lengths
from coral_plugin.data.split_arrays import LENGTH, SplitArrays, modality_names, presence_of, present_rows
from coral_plugin.errors import InputError


def modalities_of_splits(
    by_split: dict[str, SplitArrays], kinds: Mapping[str, Kind], name: str
) -> tuple[list[Modality], list[str]]:
    """The modalities of train, which every other split must have too, and notes.

    The arrays of the splits are brought to the shapes of the modalities. Train alone decides how the axes are read
    (:func:`~coral_plugin.data.layouts.recognise_layout`).
    """
    names = modality_names(by_split["train"])
    if not names:
        raise InputError(f"{name}: the train split has no modality; give arrays under train/<modality>.")
    for label, table in by_split.items():
        held = set(modality_names(table))
        if missing := [key for key in names if key not in held]:
            raise InputError(
                f"{name}: split {label} lacks modality {', '.join(missing)}, which train has; where no sample has it, "
                f"give zeros and {label}/{missing[0]}/present, all False."
            )
        if extra := sorted(held - set(names)):
            raise InputError(f"{name}: split {label} has modality {', '.join(extra)}, which train lacks.")
    if unknown := [key for key in kinds if key not in names]:
        raise InputError(
            f"{name}: a kind is given for {', '.join(unknown)}, but the modalities are {', '.join(names)}."
        )
    notes: list[str] = []
    modalities = []
    for key in names:
        modality, layout_notes = _modality(by_split, key, kinds.get(key), name)
        modalities.append(modality)
        notes += layout_notes
    return modalities, notes


def _modality(by_split: dict[str, SplitArrays], key: str, kind: Kind | None, name: str) -> tuple[Modality, list[str]]:
    """The modality ``key``, on whose shape all splits agree, and notes."""
    train = by_split["train"]
    array, timed = train[key], f"{key}/{LENGTH}" in train
    present = present_rows(train, key)
    layout, notes = recognise_layout(present, key, kind=kind, timed=timed, source=f"{name}: train/{key}")
    for label, table in by_split.items():
        other = table[key]
        if other.shape[1:] != array.shape[1:]:
            raise InputError(
                f"{name}: {label}/{key} has samples of shape {other.shape[1:]}, train has {array.shape[1:]}."
            )
        if layout.kind == "image" and (other.dtype.kind in "iu") != (array.dtype.kind in "iu"):
            raise InputError(
                f"{name}: {label}/{key} is {other.dtype}, train is {array.dtype}; whole numbers are pixels from 0 to "
                "255, floats are taken as they are: save all splits in one way."
            )
    for table in by_split.values():
        table[key] = layout.to_ours(table[key])
    return Modality(name=key, kind=layout.kind, shape=layout.ours), notes


def with_lengths(
    by_split: dict[str, SplitArrays], modalities: list[Modality], kinds: Mapping[str, Kind], name: str
) -> tuple[list[Modality], dict[str, dict[str, np.ndarray]], list[str]]:
    """The modalities with their final kind, ``{split: {modality: lengths}}`` of series of varying length, and notes.

    Train alone decides whether a series has varying length.
    """
    final: list[Modality] = []
    lengths: dict[str, dict[str, np.ndarray]] = {label: {} for label in by_split}
    notes: list[str] = []
    for modality in modalities:
        key = modality.name
        guessed = key not in kinds
        if modality.kind == "sequence" and guessed and not _varies(by_split["train"], key, f"{name}: train/{key}"):
            modality = replace(modality, kind="timeseries")
        for label, table in by_split.items():
            of_split = lengths_of(table, modality, f"{name}: {label}/{key}")
            if of_split is not None:
                lengths[label][key] = of_split
        if modality.kind == "sequence" or (modality.kind == "timeseries" and guessed):
            untimed = {
                label: _series(table, key) for label, table in by_split.items() if f"{key}/{LENGTH}" not in table
            }
            notes += padding_notes(
                key,
                untimed,
                padded=modality.kind == "sequence",
                as_values=f"{kind_option(key, 'timeseries')}, or give <split>/{key}/length",
                as_padding=f"{kind_option(key, 'sequence')}, or give <split>/{key}/length",
            )
        final.append(modality)
    return final, lengths, notes


def lengths_of(table: SplitArrays, modality: Modality, source: str) -> np.ndarray | None:
    """Lengths ``(N,)`` of the series of one split; None where they have one length."""
    lengths = table.get(f"{modality.name}/{LENGTH}")
    array = table[modality.name]
    present = presence_of(table, modality.name)
    if modality.kind == "sequence" and lengths is not None:
        return checked_lengths(array, lengths, source)
    if modality.kind == "sequence":
        ends = trailing_lengths(array)
        return ends if present is None else np.where(present, ends, 1)
    if lengths is None:
        return None
    if modality.kind != "timeseries":
        raise InputError(f"{source}/length is given, but {modality.name} is of kind {modality.kind}, of one length.")
    short = checked_lengths(array, lengths, source) != array.shape[1]
    if (short if present is None else short[present]).any():
        raise InputError(
            f"{source}/length is given, but {modality.name} is of kind timeseries, of one length, as train has it; "
            f"give train with {kind_option(modality.name, 'sequence')}."
        )
    return None


def _varies(train: SplitArrays, key: str, source: str) -> bool:
    """Whether the series of train have varying length."""
    series = _series(train, key)
    if (lengths := train.get(f"{key}/{LENGTH}")) is None:
        return is_padded(series)
    short = checked_lengths(series.values, lengths, source) < series.values.shape[1]
    return bool((short if series.present is None else short[series.present]).any())


def _series(table: SplitArrays, key: str) -> Series:
    return Series(table[key], presence_of(table, key))
