"""Data sets from map-style data sets of PyTorch, whose items are read by index when a batch is taken."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.arrays import VALID_SHARE, from_arrays, missing_notes
from coral_plugin.data.columns import ModalityColumn
from coral_plugin.data.dataset import MultimodalData, fingerprint
from coral_plugin.data.items import ItemReader, Items, items_of
from coral_plugin.data.labels import read_labels
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.parts import set_valid_aside
from coral_plugin.data.rows import require_same_rows
from coral_plugin.data.split import Split
from coral_plugin.data.split_arrays import SPLITS
from coral_plugin.data.statistics import RunningStatistics
from coral_plugin.data.stored import StoredValues
from coral_plugin.data.task import TaskKind
from coral_plugin.data.values import as_labels
from coral_plugin.errors import InputError

_BATCH = 256  # items that are read together
_MOST_ITEMS, _MOST_BYTES = 1024, 1 << 27  # of train, by which its layouts are recognised
_PIECE = 1 << 25  # bytes that are read together


def from_datasets(
    data: Mapping[str, Any],
    *,
    name: str = "dataset",
    modalities: Sequence[str] | None = None,
    label: str | None = None,
    standardise: bool = True,
    kinds: Mapping[str, Kind] | None = None,
    task: TaskKind | None = None,
    valid_share: float = VALID_SHARE,
    seed: int = 0,
) -> MultimodalData:
    """Build a data set whose train split is read by index, and does not fit into memory.

    A data set has ``__len__`` and ``__getitem__`` and gives items ``{modality: value}`` with a label under ``labels``
    or ``label``, or tuples ``(x1, ..., xM, label)``: a ``torch.utils.data.Dataset``, a data set of Hugging Face. A
    value that is None is a missing modality. Items must not change from one reading to the next.

    All items of train are read once, and each is checked; the kinds of the modalities are recognised as by
    :func:`~coral_plugin.data.from_arrays`, on up to 1,024 items spread over train. Series whose lengths differ among
    these keep all their steps; zeros at the end of others are padding as there. ``valid`` and ``test`` are held in
    memory.

    Args:
        data: ``train``: a data set; ``valid`` and ``test``: data sets, or arrays under ``valid/<modality>``,
            ``valid/labels``, ... as in :func:`~coral_plugin.data.from_arrays`; ``classes``: names.
        name: Name of the data set, for records and messages.
        modalities: Keys of the modalities, or names for the entries of tuples; all by default.
        label: Key of the label; ``labels`` or ``label`` by default, empty for none.
        standardise: Let the networks scale every feature with mean and standard deviation of the training split.
        kinds: ``{modality: kind}`` where the guess is wrong.
        task: ``classification``, ``multilabel`` or ``regression`` where the labels would be read as another.
        valid_share: Share of train that becomes valid where valid is missing and there are labels.
        seed: Seed of that split.

    >>> from torch.utils.data import StackDataset
    >>> data = from_datasets({"train": StackDataset(a=torch.randn(40, 3), b=torch.randn(40, 8, 2))})
    >>> [modality.kind for modality in data.modalities]
    ['tabular', 'timeseries']

    Raises:
        InputError: an item that cannot be read, or differs from the first ones in its modalities, shapes or types, or
            has values that are not finite; the message names it.
    """
    items = items_of(data.get("train"), modalities, label, f"{name}: train")
    arrays = {key: value for key, value in data.items() if key not in SPLITS}
    if both := [key for key in arrays if key.startswith("train/")]:
        raise InputError(f"{name}: train is a data set, and {both[0]} an array of train; give one of them.")
    for split in SPLITS[1:]:  # labels with the arrays, which are read apart from here on
        inputs = {key.partition("/")[2]: value for key, value in arrays.items() if key.startswith(f"{split}/")}
        require_same_rows(inputs, f"{split}/", name)
    labels = {key.partition("/")[0]: as_labels(arrays.pop(key), key, name) for key in list(arrays) if _is_label(key)}
    for split in SPLITS[1:]:
        if split in data:
            other = items_of(data[split], items.names, items.label, f"{name}: {split}")
            values, truths = other.arrays(range(len(other)), f"{split}/")
            arrays |= values
            if items.label:
                labels[split] = _labels(truths, other)
    size = sum(value.nbytes for value in items.first.values())
    looked_at = min(len(items), _MOST_ITEMS, max(16, _MOST_BYTES // size))
    numbers = np.linspace(0, len(items) - 1, looked_at).astype(int)
    sample = items.arrays(numbers, "train/")[0]
    classes = arrays.pop("classes", _class_names(items))
    part = from_arrays(sample | arrays, name=name, standardise=standardise, kinds=kinds)
    read_as = part.modalities
    timed = {m.name for m in read_as if len({value.shape for value in sample[f"train/{m.name}"]}) > 1}
    pixels = {key for key, column in part.train.columns.items() if column.values.dtype == torch.uint8}
    reader = ItemReader(items, read_as, timed, pixels)
    summary = _gone_through(reader, max(1, min(_BATCH, _PIECE // size)))
    notes = [note for note in part.notes if not note.startswith(f"of {looked_at} samples of train")]
    if looked_at < len(items):
        notes.insert(0, f"how train is read was decided on {looked_at} of its {len(items)} items, scale on all of them")
    if items.label:
        labels["train"] = _labels(summary.labels, items)
    splits = {key: split for key, split in part.splits().items() if key != "train"}
    target, targets, label_notes = read_labels(labels, classes, ["train", *splits], name, task)
    known = tuple(summary.statistics[m.name].result(standardise=standardise) for m in read_as)
    known = tuple(_longest(m, summary, part) for m in known)
    columns = {m.name: summary.column(m, partial(reader.values, m.name), len(items), m.name in pixels) for m in known}
    splits = {"train": Split(columns, {}), **splits}
    notes += missing_notes({"train": splits["train"]})
    if target is not None:
        splits = {key: replace(split, targets={target.name: targets[key]}) for key, split in splits.items()}
    if target is not None and "valid" not in splits:
        notes.append(set_valid_aside(splits, target, valid_share, seed))
    ordered: dict[str, Any] = {key: splits[key] for key in SPLITS if key in splits}
    return MultimodalData(
        name=name,
        modalities=known,
        tasks=(target,) if target else (),
        notes=(*notes, *label_notes),
        fingerprint=fingerprint(ordered),
        **ordered,
    )


@dataclass
class _Summary:
    """What one reading of all items tells.

    Attributes:
        statistics: ``{modality: statistics}``.
        digests: ``{modality: sha256 of the values}``.
        lengths: ``{modality: steps of the series of each batch}``.
        present: ``{modality: presence in each batch}``.
        labels: Label of each item.
    """

    statistics: dict[str, RunningStatistics]
    digests: dict[str, Any]
    lengths: dict[str, list[Tensor]] = field(default_factory=dict)
    present: dict[str, list[Tensor]] = field(default_factory=dict)
    labels: list[Any] = field(default_factory=list)

    def column(self, modality: Modality, read: Any, count: int, pixels: bool) -> ModalityColumn:
        """The column of a modality, whose values stay with the data set."""
        values = StoredValues(
            read,
            torch.Size((count, *modality.shape)),
            torch.uint8 if pixels else torch.float32,
            self.digests[modality.name].hexdigest(),
        )
        lengths = self.lengths.get(modality.name)
        present = torch.cat(self.present[modality.name])
        return ModalityColumn(
            values, None if lengths is None else torch.cat(lengths), present=None if present.all() else present
        )


def _gone_through(reader: ItemReader, batch: int) -> _Summary:
    """Read all items once."""
    names = [modality.name for modality in reader.modalities]
    summary = _Summary({m.name: RunningStatistics(m) for m in reader.modalities}, {n: hashlib.sha256() for n in names})
    for rows in np.array_split(np.arange(len(reader.items)), range(batch, len(reader.items), batch)):
        split, labels = reader.read(rows)
        summary.labels += labels
        for name, column in split.columns.items():
            summary.statistics[name].add(column)
            held: Any = column.values[torch.arange(len(rows))].contiguous().numpy()
            summary.digests[name].update(f"{held.shape}".encode())
            summary.digests[name].update(memoryview(held).cast("B"))
            summary.present.setdefault(name, []).append(column.presence())
            if column.lengths is not None:
                summary.lengths.setdefault(name, []).append(column.lengths)
    return summary


def _longest(modality: Modality, summary: _Summary, part: MultimodalData) -> Modality:
    """A series with the steps of its longest sample in any split."""
    if modality.name not in summary.lengths:
        return modality
    steps = max(int(lengths.max()) for lengths in summary.lengths[modality.name])
    others = [split.columns[modality.name].values.shape[1] for key, split in part.splits().items() if key != "train"]
    return replace(modality, shape=(max([steps, *others]), modality.features))


def _labels(values: list[Any], items: Items) -> np.ndarray:
    plain = [value.numpy(force=True) if isinstance(value, Tensor) else value for value in values]
    plain = [value.item() if isinstance(value, np.ndarray) and not value.ndim else value for value in plain]
    shapes = {np.shape(value) for value in plain}
    if len(shapes) > 1:
        raise InputError(f"{items.source}: labels have shapes {', '.join(map(str, sorted(shapes)))}; they need one.")
    return as_labels(np.stack(plain) if shapes != {()} else plain, items.label, items.source)


def _class_names(items: Items) -> Any:
    """Names of the classes where the data set declares them for its label, as those of Hugging Face do."""
    features = getattr(items.dataset, "features", None)
    declared = features.get(items.label) if isinstance(features, Mapping) else None
    return getattr(declared, "names", None)


def _is_label(key: str) -> bool:
    return key.endswith("/labels") and key.partition("/")[0] in SPLITS
