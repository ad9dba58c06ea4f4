"""Splits: the samples of train, valid or test, one column per modality, and the batches taken from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from coral_plugin.data.batch import MultimodalBatch
from coral_plugin.data.columns import ModalityColumn, moved_tensor
from coral_plugin.errors import InputError


@dataclass(frozen=True)
class Split:
    """Samples of one split: a column for each modality, a tensor for each task.

    Attributes:
        columns: ``{modality: ModalityColumn}``, all of one length N.
        targets: ``{task: (N,) or (N, L)}``; empty without labels.
    """

    columns: dict[str, ModalityColumn]
    targets: dict[str, Tensor]

    def __post_init__(self) -> None:
        if not self.columns:
            raise InputError("A split needs at least one modality.")
        sizes = [(name, len(part)) for part_of in (self.columns, self.targets) for name, part in part_of.items()]
        if len({size for _, size in sizes}) > 1:
            raise InputError(f"Every modality and target of a split needs the same number of samples, got {sizes}.")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def device(self) -> torch.device:
        """Device of the values."""
        return next(iter(self.columns.values())).values.device

    def presence(self) -> dict[str, Tensor]:
        """``{modality: (N,)}`` of bool, which samples have it, of the modalities that some sample lacks."""
        masks = {name: column.presence() for name, column in self.columns.items() if column.present is not None}
        return {name: mask for name, mask in masks.items() if not mask.all()}

    def to(self, device: torch.device | str, copies: dict[int, Tensor] | None = None) -> Split:
        """The whole split on ``device``.

        Args:
            device: Target device.
            copies: ``{id of a tensor here: the same tensor there}``, filled and read: with one dictionary for several
                splits, what they share is moved once and shared there too.
        """
        return Split(
            {name: column.to(device, copies) for name, column in self.columns.items()},
            {name: moved_tensor(target, device, copies) for name, target in self.targets.items()},
        )

    def select(self, modalities: Iterable[str]) -> Split:
        """The split with only the given modalities."""
        return replace(self, columns={name: self.columns[name] for name in modalities})

    def subset(self, index: Tensor) -> Split:
        """The samples at ``index`` (n,)."""
        index = index.to(self.device)
        return Split(
            {name: column.subset(index) for name, column in self.columns.items()},
            {name: target[index] for name, target in self.targets.items()},
        )

    def batch(self, index: Tensor) -> MultimodalBatch:
        """The samples at ``index`` (B,) as one batch, padded to the longest of them."""
        values: dict[str, Tensor] = {}
        padding: dict[str, Tensor] = {}
        present: dict[str, Tensor] = {}
        for name, column in self.columns.items():
            values[name], mask = column.take(index)
            if mask is not None:
                padding[name] = mask
            if (flags := column.present_at(index)) is not None:
                present[name] = flags
        targets = {name: target[index] for name, target in self.targets.items()}
        return MultimodalBatch(values, padding, targets, index, present)

    def batches(self, size: int) -> Iterator[MultimodalBatch]:
        """All samples in order, in batches of ``size`` (the last may be smaller)."""
        for index in torch.arange(len(self), device=self.device).split(size):
            yield self.batch(index)
