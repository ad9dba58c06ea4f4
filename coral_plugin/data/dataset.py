"""A multimodal data set: its modalities, its tasks and its splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from coral_plugin.data.labels import missing_classes
from coral_plugin.data.modality import Modality
from coral_plugin.data.split import Split
from coral_plugin.data.task import Task
from coral_plugin.errors import InputError


@dataclass(frozen=True)
class MultimodalData:
    """Everything a run needs to know about its data.

    Attributes:
        name: Of the data set, for records and tables.
        modalities: In the order in which parts and tables list them.
        tasks: What can be probed; empty for data without labels.
        train: Labelled samples that the probe is fitted on, and, without ``pretrain``, the encoder too.
        valid: Samples on which settings of the probe are chosen; None where there are none.
        test: Samples that are scored once; None where there are none.
        pretrain: Samples of the self-supervised training where they differ from ``train``.
        refit_on_valid: Whether the probe is refitted on train and valid once its setting is chosen.
        recipe: Defaults that suit this data set, as ``{"network.width": 512, ...}``; flags win over them.
        notes: What was decided while loading, one line each, to be said to the user; classes that train or test
            lack are added.
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
    recipe: Mapping[str, Any] = field(default_factory=dict)
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
            if len(presence) == len(names) and len(nothing := (~torch.stack([*presence.values()]).any(0)).nonzero()):
                raise InputError(
                    f"Sample {int(nothing[0])} of split {label!r} of {self.name} has none of {', '.join(names)}, as "
                    f"{len(nothing)} of {len(split)} there; leave them out."
                )
        if self.train.device.type != "cpu":  # a copy of data that were read on the CPU has their notes
            return
        told = [
            note
            for task in self.tasks
            for note in missing_classes(
                task, {label: split.targets[task.name] for label, split in self.scored().items()}
            )
        ]
        object.__setattr__(self, "notes", (*self.notes, *(note for note in told if note not in self.notes)))

    def splits(self) -> dict[str, Split]:
        """The splits that are there, by name."""
        named = {"pretrain": self.pretrain, "train": self.train, "valid": self.valid, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def scored(self) -> dict[str, Split]:
        """The splits that have targets: train, valid and test, where they are there."""
        return {name: split for name, split in self.splits().items() if name != "pretrain"}

    @property
    def unlabelled(self) -> Split:
        """What the self-supervised training sees."""
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
            digest.update(memoryview(tensor.detach().cpu().contiguous().numpy()).cast("B"))
    return digest.hexdigest()
