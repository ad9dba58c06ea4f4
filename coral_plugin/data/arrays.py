"""Data sets from plain arrays: keys, checks, kinds, splits."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from coral_plugin.data.columns import ModalityColumn, held_values, missing_column
from coral_plugin.data.dataset import MultimodalData, fingerprint
from coral_plugin.data.kinds import lengths_of, modalities_of_splits, with_lengths
from coral_plugin.data.labels import read_labels
from coral_plugin.data.layouts import reshape_as
from coral_plugin.data.mapped import mapped_column
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.parts import set_valid_aside
from coral_plugin.data.rows import require_same_rows
from coral_plugin.data.scale import far_values, image_notes, refuse_lost_digits, refuse_other_scale
from coral_plugin.data.split import Split
from coral_plugin.data.split_arrays import (
    LENGTH,
    PRESENT,
    SPLITS,
    SplitArrays,
    arrays_by_split,
    first_keys,
    presence_of,
    present_rows,
    read_split,
    require_same_names,
    validate_split,
)
from coral_plugin.data.statistics import with_offset_from_array, with_statistics
from coral_plugin.data.task import Task, TaskKind
from coral_plugin.data.values import column_names
from coral_plugin.errors import InputError
from coral_plugin.io.mapped import mapping_of
from coral_plugin.registry import hint

VALID_SHARE = 0.15


def from_arrays(
    arrays: Mapping[str, Any],
    *,
    name: str = "arrays",
    standardise: bool = True,
    kinds: Mapping[str, Kind] | None = None,
    task: TaskKind | None = None,
    valid_share: float = VALID_SHARE,
    seed: int = 0,
    notes: Iterable[str] = (),
) -> MultimodalData:
    """Build a data set from arrays keyed ``<split>/<modality>`` and ``<split>/labels``.

    2-D arrays (N, d) are tabular, 3-D (N, T, d) series, 4-D (N, C, H, W) images (floats in [0, 1], or whole numbers
    from 0 to 255); channels that are last are moved, and whole numbers (N, H, W) that are pixels are gray images.
    ``kinds`` overrules the guess and reshapes: (N, T) to series of single numbers, (N, H, W) to gray images, anything
    to tables. What is guessed is noted; all rules are in docs/data.md.

    ``<split>/<modality>/length`` (N,) says how many steps, from the first on, a series has. Without it rows of zeros at
    the end are padding where at least 5 % of train's samples have any (a note gives the counts), and rows of zeros at
    the beginning are values. Series whose length varies in train are of kind ``sequence``, others ``timeseries``; other
    splits are read as train is.

    Labels: text and whole numbers of any coding (N,) are classes, floats (N,) or (N, L) are regression targets, rows
    (N, L) of 0/1 with one 1 each are classes, other 2-D integers of 0/1 are multilabel. A missing
    ``valid`` is split off train, stratified by class.

    ``<split>/<modality>/present`` (N,) of bool says which samples have the modality. What the arrays hold for the
    others (NaN, zeros, anything) and their lengths are never looked at.

    Memory-mapped arrays (``np.load(path, mmap_mode="r")``) are not copied into memory: they are gone through once in
    pieces, and then read batch by batch.

    Args:
        arrays: The arrays (NumPy, torch, anything ``np.asarray`` takes); ``train`` is needed, ``valid`` and
            ``test`` are not; labels may be missing everywhere. ``classes``: names; ``meta/...``: ignored.
        name: Name of the data set, for records and messages.
        standardise: Let the networks scale every feature (images: channel) with mean and standard deviation of the
            training split. The values of the splits stay as they are, so that augmentations may work in physical units;
            only features whose differences a 32-bit float would lose are held relative to their mean in train.
        kinds: ``{modality: kind}`` where the guess is wrong.
        task: ``classification``, ``multilabel`` or ``regression`` where the labels would be read as another.
        valid_share: Share of train that becomes valid where valid is missing and there are labels.
        seed: Seed of that split.
        notes: Remarks for the user, one line each; guesses and missing modalities are noted without them.

    Raises:
        InputError: a key, shape, type or value is not as above, a sample has no modality, or no sample of train has
            one of them; the message names the array and the place.

    Example:
        >>> values = np.random.default_rng(0)
        >>> arrays = {f"{split}/body": values.normal(size=(20, 2)) for split in SPLITS}
        >>> arrays |= {f"{split}/gait": values.normal(size=(20, 40, 3)) for split in SPLITS}
        >>> data = from_arrays(arrays)
        >>> [(modality.name, modality.kind, modality.shape) for modality in data.modalities]
        [('body', 'tabular', (2,)), ('gait', 'timeseries', (40, 3))]
    """
    tables, decisions = arrays_by_split(arrays, name)
    kinds = kinds or {}
    modalities, layout_notes = modalities_of_splits(tables, kinds, name)
    modalities, lengths, length_notes = with_lengths(tables, modalities, kinds, name)
    train = tables["train"]
    modalities = [_with_names(m, column_names(arrays[f"train/{m.name}"])) for m in modalities]
    modalities = [
        with_offset_from_array(m, train[m.name], lengths["train"].get(m.name), presence_of(train, m.name))
        for m in modalities
    ]
    if not standardise:
        length_notes += [
            f"{m.name} holds values whose differences a 32-bit float cannot tell; standardise it, or centre it"
            for m in modalities
            if m.offset is not None
        ]
        modalities = [replace(m, offset=None, unit=None) for m in modalities]
    for table in (table for label, table in tables.items() if label != "train"):
        for modality in modalities:
            refuse_lost_digits(table[modality.name].dtype.name, modality)
    labels = {label: table["labels"] for label, table in tables.items() if "labels" in table}
    # the columns of pandas.get_dummies are called like the classes
    columns = column_names(arrays.get("train/labels"))
    classes = arrays.get("classes", columns if len(columns) > 1 else None)
    target, targets, label_notes = read_labels(labels, classes, list(tables), name, task)
    splits = {
        label: Split(
            {m.name: _column(table, m, lengths[label].get(m.name), f"{name}: {label}/{m.name}") for m in modalities},
            {target.name: targets[label]} if target else {},
        )
        for label, table in tables.items()
    }
    decisions += [*layout_notes, *length_notes, *missing_notes(splits), *label_notes]
    if target is not None and "valid" not in splits:
        decisions.append(set_valid_aside(splits, target, valid_share, seed))
    for modality in modalities:
        if not splits["train"].columns[modality.name].presence().any():
            raise InputError(f"{name}: no sample of train has modality {modality.name}; leave it out.")
    return data_of_splits(name, splits, modalities, target, [*notes, *decisions], standardise=standardise)


def as_split(arrays: Mapping[str, Any], modalities: tuple[Modality, ...], name: str = "arrays") -> Split:
    """One split from ``{modality: (N, ...)}``, checked against the modalities that a run was trained on.

    Series may have another number of steps T; ``<modality>/length`` may come with those of varying length. Modalities
    may be left out, and ``<modality>/present`` says which samples have one; ``Split.presence`` covers both.
    :func:`~coral_plugin.data.scale.far_values` reports values that lie far from those of train.

    Raises:
        InputError: no modality of the run, a shape that differs, images of another scale, a value that is not finite,
            or a sample that has no modality at all.
    """
    included = [modality for modality in modalities if modality.name in arrays]
    _check_names(arrays, modalities, name)
    raw = {
        key: arrays[key]
        for m in included
        for key in (m.name, f"{m.name}/{LENGTH}", f"{m.name}/{PRESENT}")
        if key in arrays
    }
    table = read_split(raw, "", name)
    for modality in included:
        require_same_names(arrays[modality.name], modality.feature_names, f"{name}: {modality.name}")
        table[modality.name] = reshape_as(table[modality.name], modality.shape, modality.kind)
        shape = table[modality.name].shape[1:]
        if not modality.admits(shape):
            if getattr(arrays[modality.name], "shape", None) == modality.shape:
                raise InputError(
                    f"{name}: {modality.name} is a single sample, {modality.shape}, without an axis of samples; give "
                    f"array[None], or frame.iloc[[0]] with two brackets."
                )
            raise InputError(
                f"{name}: {modality.name} has samples of shape {shape}, the run was trained on {modality.shape}."
            )
    require_same_rows(raw, "", name)
    table = validate_split(table, "", name, {m.name: column_names(arrays[m.name]) for m in included})
    columns = {}
    for modality in modalities:
        source = f"{name}: {modality.name}"
        if modality.name in table:
            refuse_other_scale(present_rows(table, modality.name), modality, source)
            refuse_lost_digits(table[modality.name].dtype.name, modality)
            columns[modality.name] = _column(table, modality, lengths_of(table, modality, source), source)
        else:
            columns[modality.name] = missing_column(modality, len(table[included[0].name]))
    return Split(columns, {})


def _check_names(arrays: Mapping[str, Any], modalities: tuple[Modality, ...], name: str) -> None:
    """Refuse arrays without any modality, and a key that is rather a slip of the pen than another array."""
    names = [modality.name for modality in modalities]
    missing = [key for key in names if key not in arrays]
    if len(missing) == len(names):
        meant = next(filter(None, (hint(key, names) for key in arrays)), "")
        raise InputError(f"{name} has no modality {', '.join(map(repr, names))}; it has {first_keys(arrays)}.{meant}")
    folded = {key.casefold(): key for key in missing}
    for key in map(str, arrays):
        stem = key.partition("/")[0]
        if stem not in names and (close := difflib.get_close_matches(stem.casefold(), folded, n=1)):
            raise InputError(
                f"{name} has no modality {folded[close[0]]!r}, but {key!r}; call it as the run does, or leave it out."
            )
        if "/" in key and stem in missing:
            raise InputError(f"{name}: {key} is given without {stem}; leave both out where no sample has it.")


def _with_names(modality: Modality, names: tuple[str, ...]) -> Modality:
    """``modality`` with the names of a table's columns; those of a series of single numbers are its steps."""
    return replace(modality, feature_names=names) if len(names) == modality.features else modality


def _column(table: SplitArrays, modality: Modality, lengths: np.ndarray | None, source: str) -> ModalityColumn:
    array, present = table[modality.name], presence_of(table, modality.name)
    if mapping_of(array) is not None:
        return mapped_column(array, modality, lengths, present, source)
    ends = None if lengths is None else torch.from_numpy(lengths)
    values = held_values(array, modality, ends, source)
    if present is None:
        return ModalityColumn(values, ends)
    flags = torch.from_numpy(present)
    if modality.offset is not None:
        values[~flags] = 0
    return ModalityColumn(values, ends, present=flags)


def missing_notes(splits: Mapping[str, Split]) -> list[str]:
    """Notes on missing modalities, one line for each split with any."""
    notes = []
    for label, split in splits.items():
        if presence := split.presence():
            counts = ", ".join(f"{name} in {int((~flags).sum())}" for name, flags in presence.items())
            notes.append(f"of {len(split)} samples of {label} some lack a modality: {counts}")
    return notes


def data_of_splits(
    name: str,
    splits: Mapping[str, Split],
    modalities: Sequence[Modality],
    task: Task | None,
    notes: Sequence[str],
    *,
    standardise: bool,
) -> MultimodalData:
    """The data set of ``splits``, with the statistics of train and notes on values that lie far from them."""
    ordered: dict[str, Any] = {label: splits[label] for label in SPLITS if label in splits}
    train = splits["train"].columns
    modalities = tuple(with_statistics(m, train[m.name], standardise=standardise) for m in modalities)
    others = {label: split for label, split in splits.items() if label != "train"}
    far = [f"{label}, {note}" for label, split in others.items() for note in far_values(split, modalities)]
    return MultimodalData(
        name=name,
        modalities=modalities,
        tasks=(task,) if task else (),
        notes=(*notes, *image_notes(modalities), *far),
        fingerprint=fingerprint(ordered),
        **ordered,
    )
