"""Data sets: modalities, tasks and splits of one, its fingerprint, and how its modalities were read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from coral_plugin.data.columns import ModalityColumn
from coral_plugin.data.labels import missing_classes
from coral_plugin.data.modality import Modality
from coral_plugin.data.split import Split
from coral_plugin.data.stored import StoredValues
from coral_plugin.data.task import Task
from coral_plugin.errors import InputError, counted

_LISTED = 10  # feature numbers in a description


@dataclass(frozen=True)
class MultimodalData:
    """Everything a run needs to know about its data.

    Attributes:
        name: Name of the data set, for records and tables.
        modalities: Modalities, in the order in which parts and tables list them.
        tasks: Tasks that can be probed; empty for data without labels.
        train: Labelled samples that the probe is fitted on, and, without ``pretrain``, the encoder too.
        valid: Samples on which settings of the probe are chosen; None where there are none.
        test: Samples that are scored once; None where there are none.
        pretrain: Samples of the self-supervised training where they differ from ``train``.
        refit_on_valid: Whether the probe is refitted on train and valid once its setting is chosen.
        notes: Decisions made while loading, one line each, for the user; classes that train or test lack are added.
        fingerprint: sha256 over names, shapes and bytes of all splits (:func:`fingerprint`).
    """

    name: str
    modalities: tuple[Modality, ...]
    tasks: tuple[Task, ...]
    train: Split
    valid: Split | None = None
    test: Split | None = None
    pretrain: Split | None = None
    refit_on_valid: bool = True
    notes: tuple[str, ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        names = [modality.name for modality in self.modalities]
        if len(set(names)) != len(names):
            raise InputError(f"Modalities need different names, got {names}.")
        for label, split in self.splits().items():
            if list(split.columns) != names:
                raise InputError(
                    f"Split {label!r} of {self.name} has {list(split.columns)}, but its modalities are {names}."
                )
            if not len(split):
                raise InputError(f"Split {label!r} of {self.name} has no samples.")
            presence = split.presence()
            if len(presence) == len(names) and len(empty := (~torch.stack([*presence.values()]).any(0)).nonzero()):
                raise InputError(
                    f"Sample {int(empty[0])} of split {label!r} of {self.name} has none of {', '.join(names)}, as "
                    f"{len(empty)} of {len(split)} there; leave them out."
                )
        if self.train.device.type != "cpu":  # a copy of data that were read on the CPU has their notes
            return
        class_notes = [
            note
            for task in self.tasks
            for note in missing_classes(
                task, {label: split.targets[task.name] for label, split in self.scored().items()}
            )
        ]
        object.__setattr__(self, "notes", (*self.notes, *(note for note in class_notes if note not in self.notes)))

    def splits(self) -> dict[str, Split]:
        """The splits that the data set has, by name."""
        named = {"pretrain": self.pretrain, "train": self.train, "valid": self.valid, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def scored(self) -> dict[str, Split]:
        """The splits that have targets: train, and valid and test where the data set has them."""
        return {name: split for name, split in self.splits().items() if name != "pretrain"}

    @property
    def unlabelled(self) -> Split:
        """The samples of the self-supervised training."""
        return self.train if self.pretrain is None else self.pretrain

    def select(self, names: Iterable[str]) -> MultimodalData:
        """The data set with only the given modalities, in the given order.

        Raises:
            InputError: a name that the data set does not have, a name twice, or fewer than one.
        """
        wanted = list(names)
        known = {modality.name: modality for modality in self.modalities}
        if missing := [name for name in wanted if name not in known]:
            raise InputError(f"{self.name} has no modality {', '.join(missing)}; it has {', '.join(known)}.")
        if not wanted or len(set(wanted)) != len(wanted):
            raise InputError(f"Name each modality once, and at least one; got {wanted}.")
        chosen: dict[str, Any] = {label: split.select(wanted) for label, split in self.splits().items()}
        return replace(self, modalities=tuple(known[name] for name in wanted), **chosen)

    def to(self, device: torch.device | str) -> MultimodalData:
        """The data set with every split on ``device``; splits that share tensors share them afterwards."""
        copies: dict[int, Tensor] = {}
        moved: dict[str, Any] = {label: split.to(device, copies) for label, split in self.splits().items()}
        return replace(self, **moved)


def fingerprint(splits: Mapping[str, Split]) -> str:
    """sha256 (hex) over the names, shapes, types and bytes of all ``splits``, in order."""
    digest = hashlib.sha256()
    for label, split in splits.items():
        parts = {
            f"{label}/{name}/{key}": tensor
            for name, column in split.columns.items()
            for key, tensor in vars(column).items()
            if tensor is not None
        }
        parts |= {f"{label}/target/{name}": tensor for name, tensor in split.targets.items()}
        for key, tensor in parts.items():
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            if isinstance(tensor, StoredValues) and tensor.digest:
                digest.update(tensor.digest.encode())
                continue
            whole: Iterable[Tensor] = tensor.pieces() if isinstance(tensor, StoredValues) else [tensor]
            for piece in whole:
                held: Any = piece.detach().cpu().contiguous().numpy()
                digest.update(memoryview(held).cast("B"))
    return digest.hexdigest()


def describe_modalities(data: MultimodalData) -> list[str]:
    """One line per modality: how it was read (kind, axes, type), and what is padded, missing or constant in train."""
    return [f"{m.name}: {describe_modality(m, data.train.columns[m.name])}" for m in data.modalities]


def describe_modality(modality: Modality, train: ModalityColumn) -> str:
    """How one modality was read, in words.

    >>> import torch
    >>> eye = Modality(name="eye", kind="image", shape=(3, 64, 48))
    >>> describe_modality(eye, ModalityColumn(torch.zeros(2, 3, 64, 48)))
    'image, 3 channels, 64 x 48, float32'
    """
    facts = [_axes(modality, train), str(train.values.dtype).removeprefix("torch.")]
    present = train.presence()
    if missing := int((~present).sum()):
        facts.append(f"missing in {_percent(missing / len(train))} of train")
    if len(modality.constant) == modality.features:
        facts.append("every feature is constant in train")
    elif modality.constant:
        facts.append(f"constant in train: {_listed(modality, modality.constant)}")
    if modality.offset is not None and modality.unit is not None:
        pairs = enumerate(zip(modality.offset, modality.unit, strict=True))
        moved = [at for at, (offset, unit) in pairs if offset or unit != 1]
        facts.append(f"centred before it became 32-bit floats: {_listed(modality, moved)}")
    return ", ".join(facts)


def _axes(modality: Modality, train: ModalityColumn) -> str:
    shape = modality.shape
    if modality.kind == "image":
        return f"image, {counted(shape[0], 'channel')}, {shape[1]} x {shape[2]}"
    if modality.kind == "tabular":
        return f"table, {counted(shape[0], 'feature')}"
    series = f"{counted(shape[0], 'step')} x {counted(shape[1], 'feature')}"
    if modality.kind == "timeseries":
        return f"series, {series} (kind timeseries)"
    return f"series, up to {series}, {_percent(_padded(modality, train))} padded (kind sequence)"


def _padded(modality: Modality, train: ModalityColumn) -> float:
    """Share of the steps of train that are padding."""
    present = train.presence()
    if train.lengths is None or not present.any():
        return 0.0
    lengths = train.lengths if train.rows is None else train.lengths[train.rows]
    return 1 - float(lengths[present].double().mean()) / modality.shape[0]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or not share else "under 1 %"


def _listed(modality: Modality, numbers: Sequence[int]) -> str:
    what = "channel" if modality.kind == "image" else "feature"
    more = len(numbers) - _LISTED
    names = ", ".join(map(modality.feature, numbers[:_LISTED])) + (f" and {more} more" if more > 0 else "")
    return f"{what}{'' if len(numbers) == 1 else 's'} {names}"
