"""From data loaders to :class:`MultimodalData`: MultiBench's, and any others that give such batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

from coral_plugin.data.arrays import VALID_SHARE, carve, doubts_of_values
from coral_plugin.data.dataset import MultimodalData, fingerprint
from coral_plugin.data.labels import read_labels
from coral_plugin.data.layouts import Layout
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.ordering import in_order
from coral_plugin.data.piles import columns_of, prepare_pile
from coral_plugin.data.reading import Gathered, Pile, gather
from coral_plugin.data.scale import far_values
from coral_plugin.data.split import ModalityColumn, Split
from coral_plugin.data.statistics import with_statistics
from coral_plugin.data.task import Task, TaskKind
from coral_plugin.errors import InputError

Prepare = Mapping[str, Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class Loaded:
    """A data set, and how it stands to the loaders it came from.

    Attributes:
        data: The data set.
        layouts: ``{modality: Layout}``: how a batch of ours becomes one of theirs again.
        truths: ``{split: (N, ...)}`` of the labels as they were collated, in the order of the samples; those of a
            carved valid are among train's.
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
    floats, as in MultiBench (features whose differences those cannot tell are centred first); images of whole numbers
    from 0 to 255 are held as bytes, and batches have them in [0, 1].

    Args:
        train: The loader of the training samples.
        valid: Of those on which settings are chosen; where it is None and there are labels, 15 % of train are set
            aside.
        test: Of those that are scored once; a dictionary of MultiBench's noisy loaders stands for the clean one, the
            first of its first entry.
        name: For records and messages.
        modalities: Their names, in the order of the batches; ``modality0``, ... where none are given.
        kinds: ``{modality: kind}`` where the shapes do not tell (:func:`~coral_plugin.data.layouts.layout_of`).
        prepare: ``{modality: function}`` of a batch's values (B, ...), for layouts that no kind fits.
        task: What the labels are, where :func:`~coral_plugin.data.labels.read_labels` does not tell. ``none``: no task
            is made of them.
        classes: Names of the classes (or labels, or outputs).
        standardise: Let the networks scale every feature with mean and deviation of the training split.
        labels: Whether the last entry of a batch is its label; False for batches ``(x1, ..., xM)``.

    Raises:
        InputError: a loader without batches or end, batches of other forms, or labels that do not fit the task.
    """
    notes: list[str] = []
    gathered: dict[str, Gathered] = {}
    for label, loader in {"train": train, "valid": valid, "test": clean(test, f"{name}: test")}.items():
        if loader is not None or label == "train":
            ordered, told = in_order(loader, label)
            notes.extend(told)
            gathered[label] = gather(ordered, f"{name}: {label}", labels=labels, single=not standardise)
    timed = gathered["train"].timed
    layouts: dict[str, Layout] = {}
    found: list[Modality] = []
    columns: dict[str, dict[str, ModalityColumn]] = {label: {} for label in gathered}
    for each, piles in _piles(gathered, modalities, kinds or {}, prepare or {}, name).items():
        layouts[each], modality, own, said = columns_of(
            piles, each, kind=(kinds or {}).get(each), timed=timed, standardise=standardise, name=name
        )
        found.append(modality)
        notes += said
        for label, column in own.items():
            columns[label][each] = column
        if layouts[each].kind == "timeseries" and len(layouts[each].shape) > 2:
            notes.append(f"{each} is read as {layouts[each].shape[0]} steps of {layouts[each].shape[1:]} values each")
    truths = {label: found.truth for label, found in gathered.items() if found.truth is not None}
    words = {label: found.words for label, found in gathered.items() if found.words}
    known, targets, said = targets_of(truths, task, classes, name, words)
    notes += said
    splits = {label: Split(own, {known.name: targets[label]} if known else {}) for label, own in columns.items()}
    if known is not None and valid is None:
        splits["train"], splits["valid"] = carve(splits["train"], known, VALID_SHARE, 0)
        notes.append(f"no valid loader: {len(splits['valid'])} of train's samples were set aside (seed 0)")
    return Loaded(_data(name, found, splits, known, notes, standardise), layouts, truths, timed)


def clean(test: Any, where: str) -> Any:
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
        raise InputError(f"{where} is a dictionary without a loader; give {{noise: [loader of each level]}}.")
    return levels


def targets_of(
    truths: Mapping[str, Tensor],
    kind: TaskKind | Literal["none"] | None,
    classes: Sequence[str] | None,
    name: str,
    words: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Task | None, dict[str, Tensor], list[str]]:
    """The task that collated labels stand for, the targets of each split and notes; labels of a series are outputs.

    Args:
        truths: ``{split: (N, ...)}``.
        kind: Which task it is; None tells by their type and shape.
        classes: Names of the classes, labels or outputs.
        name: Of the data set, for messages.
        words: ``{split: texts}`` where the labels are numbers of texts.

    Raises:
        InputError: labels that are none of the task.
    """
    if kind == "none":
        return None, {}, []
    arrays = {label: (truth.flatten(1) if truth.ndim > 2 else truth).numpy() for label, truth in truths.items()}
    arrays |= {label: np.array(texts)[arrays[label]] for label, texts in (words or {}).items()}
    for label, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{name}: labels of {label} are not all finite (NaN, infinite); clean them first.")
    return read_labels(arrays, classes, list(truths), name, kind)


def _piles(
    gathered: Mapping[str, Gathered],
    given: Sequence[str] | None,
    kinds: Mapping[str, Kind],
    prepare: Prepare,
    name: str,
) -> dict[str, dict[str, Pile]]:
    """``{modality: {split: pile}}`` under their names, prepared."""
    counts = {label: len(found.piles) for label, found in gathered.items()}
    if len(set(counts.values())) > 1 or len({found.timed for found in gathered.values()}) > 1:
        raise InputError(f"{name}: loaders give batches of different forms; modalities: {counts}.")
    names = [f"modality{at}" for at in range(counts["train"])] if given is None else list(given)
    if len(names) != counts["train"]:
        raise InputError(f"{name}: modalities names {len(names)} ({', '.join(names)}), batches have {counts['train']}.")
    if twice := [each for each in names if names.count(each) > 1]:
        raise InputError(f"{name}: modalities names {twice[0]!r} twice; each needs a name of its own.")
    for what, held in (("kinds", kinds), ("prepare", prepare)):
        if strange := [each for each in held if each not in names]:
            raise InputError(f"{name}: {what} has {', '.join(strange)}, but the modalities are {', '.join(names)}.")
    piles = {each: {label: found.piles[at] for label, found in gathered.items()} for at, each in enumerate(names)}
    for each, function in prepare.items():
        for label, pile in piles[each].items():
            prepare_pile(pile, function, f"{name}: {label}/{each}")
    return piles


def _data(
    name: str,
    found: Sequence[Modality],
    splits: dict[str, Split],
    task: Task | None,
    notes: list[str],
    standardise: bool,
) -> MultimodalData:
    train = splits["train"].columns
    modalities = tuple(with_statistics(each, train[each.name], standardise=standardise) for each in found)
    notes += doubts_of_values(splits, found)
    for label, split in splits.items():
        notes += [f"{label}, {line}" for line in far_values(split, modalities) if label != "train"]
    ordered: dict[str, Any] = {label: splits[label] for label in ("train", "valid", "test") if label in splits}
    return MultimodalData(
        name=name,
        modalities=modalities,
        tasks=(task,) if task else (),
        notes=tuple(notes),
        fingerprint=fingerprint(ordered),
        **ordered,
    )
