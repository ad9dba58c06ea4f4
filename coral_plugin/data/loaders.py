"""Data sets from data loaders: MultiBench's, and any others that give such batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

from coral_plugin.data.arrays import VALID_SHARE, data_of_splits, missing_notes
from coral_plugin.data.columns import ModalityColumn
from coral_plugin.data.dataset import MultimodalData
from coral_plugin.data.labels import read_labels
from coral_plugin.data.layouts import Layout
from coral_plugin.data.loader_batches import LoaderContent, ModalityBatches, in_order, read_batches
from coral_plugin.data.loader_columns import columns_of, prepare_batches
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.parts import set_valid_aside
from coral_plugin.data.split import Split
from coral_plugin.data.task import Task, TaskKind
from coral_plugin.errors import InputError

Prepare = Mapping[str, Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class Loaded:
    """A data set, and how it stands to the loaders it came from.

    Attributes:
        data: The data set.
        layouts: ``{modality: Layout}``: how a batch of ours becomes one of theirs again.
        truths: ``{split: (N, ...)}`` labels as they were collated, in the order of the samples; those of a valid split
            that was split off train are among train's.
        timed: Whether lengths came with the batches (MultiBench's ``is_packed``).
    """

    data: MultimodalData
    layouts: dict[str, Layout]
    truths: dict[str, Tensor]
    timed: bool


def from_loaders(
    train: Iterable[Any], valid: Iterable[Any] | None = None, test: Any = None, **options: Any
) -> MultimodalData:
    """The data set that three loaders give, each read once; :func:`read_loaders` has the arguments.

    >>> import torch
    >>> x, y = torch.randn(6, 4), torch.tensor([0, 1, 0, 1, 0, 1])
    >>> batches = [(x, torch.randn(6, 5, 3), y)]
    >>> [modality.kind for modality in from_loaders(batches, batches, batches).modalities]
    ['tabular', 'timeseries']
    """
    return read_loaders(train, valid, test, **options).data


def read_loaders(
    train: Iterable[Any],
    valid: Iterable[Any] | None = None,
    test: Any = None,
    *,
    name: str = "dataloaders",
    modalities: Sequence[str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    prepare: Prepare | None = None,
    task: TaskKind | Literal["none"] | None = None,
    classes: Sequence[str] | None = None,
    standardise: bool = True,
    labels: bool = True,
) -> Loaded:
    """Read loaders to their ends and hold every modality as one tensor.

    Batches are MultiBench's: ``(x1, ..., xM, y)`` as tuple or list, or with lengths
    ``([x1, ..., xM], [length1, ..., lengthM], index, y)``. Loaders of PyTorch are read in the order of their data set,
    each sample once, however they shuffle; where a sampler of one's own or an iterable data set decides, as they come.

    Samples of (d,) are tabular; (T, d) are series. Where no lengths come with them, rows of zeros at the end are
    padding if at least 5 % of train's samples have any, and rows of zeros at the beginning are values.
    (C, H, W) and (H, W, C) are images; (T, H, W) with more than 4 steps are series of frames. Values become 32-bit
    floats, as in MultiBench (features whose differences those would lose are centred first); images of whole numbers
    from 0 to 255 are held as bytes, and batches have them in [0, 1].

    Args:
        train: Loader of the training samples.
        valid: Loader of the samples on which settings are chosen; where it is None and there are labels, 15 % of train
            are set aside.
        test: Loader of the samples that are scored once; of a dictionary of MultiBench's noisy loaders the first of its
            first entry, the clean one.
        name: Name of the data set, for records and messages.
        modalities: Names of the modalities, in the order of the batches; ``modality0``, ... without.
        kinds: ``{modality: kind}`` where the shapes do not say (:func:`~coral_plugin.data.layouts.layout_of`).
        prepare: ``{modality: function}`` of a batch's values (B, ...), for layouts that no kind fits.
        task: Kind of the labels' task, where :func:`~coral_plugin.data.labels.read_labels` reads another. ``none``: no
            task is made of them.
        classes: Names of the classes (or labels, or outputs).
        standardise: Let the networks scale every feature with mean and standard deviation of the training split.
        labels: Whether the last entry of a batch is its label; False for batches ``(x1, ..., xM)``.

    Raises:
        InputError: a loader without batches or end, batches of other forms, or labels that do not fit the task.
    """
    notes: list[str] = []
    contents: dict[str, LoaderContent] = {}
    for label, loader in {"train": train, "valid": valid, "test": clean_loader(test, f"{name}: test")}.items():
        if loader is not None or label == "train":
            ordered, order_notes = in_order(loader, label)
            notes += order_notes
            contents[label] = read_batches(ordered, f"{name}: {label}", labelled=labels, single=not standardise)
    timed = contents["train"].timed
    layouts: dict[str, Layout] = {}
    read: list[Modality] = []
    columns: dict[str, dict[str, ModalityColumn]] = {label: {} for label in contents}
    for key, batches in _batches_of(contents, modalities, kinds or {}, prepare or {}, name).items():
        layouts[key], modality, by_label, column_notes = columns_of(
            batches, key, kind=(kinds or {}).get(key), timed=timed, standardise=standardise, name=name
        )
        read.append(modality)
        notes += column_notes
        for label, column in by_label.items():
            columns[label][key] = column
        if layouts[key].kind == "timeseries" and len(layouts[key].shape) > 2:
            notes.append(f"{key} is read as {layouts[key].shape[0]} steps of {layouts[key].shape[1:]} values each")
    truths = {label: content.labels for label, content in contents.items() if content.labels is not None}
    texts = {label: content.texts for label, content in contents.items() if content.texts}
    known, targets, label_notes = targets_of(truths, task, classes, name, texts)
    notes += label_notes
    splits = {
        label: Split(of_split, {known.name: targets[label]} if known else {}) for label, of_split in columns.items()
    }
    if known is not None and valid is None:
        notes.append(set_valid_aside(splits, known, VALID_SHARE, 0, "loader"))
    notes += missing_notes(splits)
    data = data_of_splits(name, splits, read, known, notes, standardise=standardise)
    return Loaded(data, layouts, truths, timed)


def clean_loader(test: Any, source: str) -> Any:
    """The loader of clean samples among MultiBench's ``{noise: [loader of each level]}``; anything else as it is.

    Raises:
        InputError: an empty dictionary.
    """
    if not isinstance(test, Mapping):
        return test
    levels = next(iter(test.values()), None)
    if isinstance(levels, list | tuple) and levels:
        levels = levels[0]
    if levels is None or (isinstance(levels, list | tuple) and not levels):
        raise InputError(f"{source} is a dictionary without a loader; give {{noise: [loader of each level]}}.")
    return levels


def targets_of(
    truths: Mapping[str, Tensor],
    kind: TaskKind | Literal["none"] | None,
    classes: Sequence[str] | None,
    name: str,
    texts: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Task | None, dict[str, Tensor], list[str]]:
    """The task that collated labels stand for, the targets of each split and notes; labels of a series are outputs.

    Args:
        truths: ``{split: (N, ...)}``.
        kind: Kind of the task; None decides by their type and shape.
        classes: Names of the classes, labels or outputs.
        name: Name of the data set, for messages.
        texts: ``{split: texts}`` where the labels are numbers of texts.

    Raises:
        InputError: labels that are none of the task.
    """
    if kind == "none":
        return None, {}, []
    arrays = {label: (truth.flatten(1) if truth.ndim > 2 else truth).numpy() for label, truth in truths.items()}
    arrays |= {label: np.array(names)[arrays[label]] for label, names in (texts or {}).items()}
    for label, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{name}: labels of {label} are not all finite (NaN, infinite); clean them first.")
    return read_labels(arrays, classes, list(truths), name, kind)


def _batches_of(
    contents: Mapping[str, LoaderContent],
    modalities: Sequence[str] | None,
    kinds: Mapping[str, Kind],
    prepare: Prepare,
    name: str,
) -> dict[str, dict[str, ModalityBatches]]:
    """``{modality: {split: batches}}``, prepared."""
    counts = {label: len(content.modalities) for label, content in contents.items()}
    if len(set(counts.values())) > 1 or len({content.timed for content in contents.values()}) > 1:
        raise InputError(f"{name}: loaders give batches of different forms; modalities: {counts}.")
    names = [f"modality{at}" for at in range(counts["train"])] if modalities is None else list(modalities)
    if len(names) != counts["train"]:
        raise InputError(f"{name}: modalities names {len(names)} ({', '.join(names)}), batches have {counts['train']}.")
    if twice := [key for key in names if names.count(key) > 1]:
        raise InputError(f"{name}: modalities names {twice[0]!r} twice; each needs a name of its own.")
    for what, options in (("kinds", kinds), ("prepare", prepare)):
        if unknown := [key for key in options if key not in names]:
            raise InputError(f"{name}: {what} has {', '.join(unknown)}, but the modalities are {', '.join(names)}.")
    batches = {
        key: {label: content.modalities[at] for label, content in contents.items()} for at, key in enumerate(names)
    }
    for key, function in prepare.items():
        for label, of_split in batches[key].items():
            prepare_batches(of_split, function, f"{name}: {label}/{key}")
    return batches
