"""What kind of modality each array is, and where its series begin and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from coral_plugin.data.columns import Spans, spans
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.tables import LENGTH, PRESENT, Table, modality_names
from coral_plugin.errors import InputError

_KIND_OF_NDIM: dict[int, Kind] = {2: "tabular", 3: "sequence", 4: "image"}


def modalities_of_tables(tables: dict[str, Table], kinds: Mapping[str, Kind], name: str) -> list[Modality]:
    """The modalities of train, which every other split must have too."""
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
    return [_modality(tables, key, kinds, name) for key in names]


def _modality(tables: dict[str, Table], key: str, kinds: Mapping[str, Kind], name: str) -> Modality:
    """The modality ``key``; all splits agree on its shape."""
    array = tables["train"][key]
    if array.ndim not in _KIND_OF_NDIM:
        raise InputError(
            f"{name}: train/{key} has shape {array.shape}; "
            "give (N, d) tabular, (N, T, d) series or (N, C, H, W) images."
        )
    kind = kinds.get(key, _KIND_OF_NDIM[array.ndim])
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
    return Modality(name=key, kind=kind, shape=tuple(array.shape[1:]))


def with_spans(
    tables: dict[str, Table], modalities: list[Modality], kinds: Mapping[str, Kind], name: str
) -> tuple[list[Modality], dict[str, dict[str, Spans]]]:
    """The modalities with their final kind, and ``{split: {modality: spans}}`` of the series of varying length."""
    final: list[Modality] = []
    found: dict[str, dict[str, Spans]] = {label: {} for label in tables}
    for modality in modalities:
        key = modality.name
        own = {label: span_of(table, modality, f"{name}: {label}/{key}") for label, table in tables.items()}
        varying = {label: span for label, span in own.items() if span is not None}
        # rows without the modality say nothing about its length
        whole = all(
            (length == modality.shape[0])[tables[label].get(f"{key}/{PRESENT}", slice(None))].all()
            for label, (_, length) in varying.items()
        )
        if varying and whole and key not in kinds:
            modality, varying = replace(modality, kind="timeseries"), {}
        for label, span in varying.items():
            found[label][key] = span
        final.append(modality)
    return final, found


def span_of(table: Table, modality: Modality, where: str) -> Spans | None:
    """Where the series of one split begin and end; None for what has no varying length."""
    given = table.get(f"{modality.name}/{LENGTH}")
    present = table.get(f"{modality.name}/{PRESENT}", slice(None))
    if modality.kind == "sequence":
        return spans(table[modality.name], given, where)
    steps = table[modality.name].shape[1]
    if given is not None and not (modality.kind == "timeseries" and (given == steps)[present].all()):
        raise InputError(f"{where}/length is given, but {modality.name} is of kind {modality.kind}, of one length.")
    return None
