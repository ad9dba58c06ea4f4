"""One split of a data set, held as one tensor per modality."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from coral_plugin.data.batch import MultimodalBatch
from coral_plugin.data.padding import valid_steps
from coral_plugin.errors import InputError


@dataclass(frozen=True)
class ModalityColumn:
    """The values of one modality in one split.

    Attributes:
        values: ``(M, ...)``; floating point, or ``uint8`` for images (scaled to [0, 1] when a batch is taken).
        lengths: ``(M,)`` valid steps of each row, which start at step 0; None where every step is valid.
        rows: ``(N,)`` row of ``values`` for each sample; None where sample i is row i. Pairs drawn from a bank of
            images share their pixels through it.
        present: ``(M,)`` of bool, False for rows that stand for a missing modality; None where none is missing.
    """

    values: Tensor
    lengths: Tensor | None = None
    rows: Tensor | None = None
    present: Tensor | None = None

    def __post_init__(self) -> None:
        for what, each in (("lengths", self.lengths), ("presence flags", self.present)):
            if each is not None and each.shape != self.values.shape[:1]:
                raise InputError(
                    f"A column of {len(self.values)} rows needs as many {what}, got shape {tuple(each.shape)}."
                )

    def __len__(self) -> int:
        return len(self.values if self.rows is None else self.rows)

    def to(self, device: torch.device | str, copies: dict[int, Tensor] | None = None) -> ModalityColumn:
        """The same column on ``device``; see :meth:`Split.to` for ``copies``."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else _moved(tensor, device, copies)

        return ModalityColumn(
            _moved(self.values, device, copies), move(self.lengths), move(self.rows), move(self.present)
        )

    def subset(self, index: Tensor) -> ModalityColumn:
        """The samples at ``index`` (n,); the values are shared, not copied."""
        return replace(self, rows=index if self.rows is None else self.rows[index])

    def take(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Values ``(B, ...)`` and padding ``(B, T)`` of the samples at ``index``, cut to the longest of them."""
        rows = index if self.rows is None else self.rows[index]
        values = self.values[rows]
        if values.dtype == torch.uint8:
            values = values.float().div_(255)
        if self.lengths is None:
            return values, None
        lengths = self.lengths[rows]
        values = values[:, : int(lengths.max())]
        return values, ~valid_steps(values, lengths)

    def present_at(self, index: Tensor) -> Tensor | None:
        """``(B,)`` of bool, whether the samples at ``index`` have this modality; None where all samples have it."""
        if self.present is None:
            return None
        return self.present[index if self.rows is None else self.rows[index]]

    def presence(self) -> Tensor:
        """``(N,)`` of bool, which samples have this modality."""
        index = torch.arange(len(self), device=self.values.device)
        flags = self.present_at(index)
        return torch.ones_like(index, dtype=torch.bool) if flags is None else flags


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
        """Where the values lie."""
        return next(iter(self.columns.values())).values.device

    def presence(self) -> dict[str, Tensor]:
        """``{modality: (N,)}`` of bool, which samples have it, of the modalities that some sample lacks."""
        masks = {name: column.presence() for name, column in self.columns.items() if column.present is not None}
        return {name: mask for name, mask in masks.items() if not mask.all()}

    def to(self, device: torch.device | str, copies: dict[int, Tensor] | None = None) -> Split:
        """The whole split on ``device``.

        Args:
            device: Where to.
            copies: ``{id of a tensor here: the same tensor there}``, filled and read: with one dictionary for several
                splits, what they share is moved once and shared there too.
        """
        return Split(
            {name: column.to(device, copies) for name, column in self.columns.items()},
            {name: _moved(target, device, copies) for name, target in self.targets.items()},
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


def _moved(tensor: Tensor, device: torch.device | str, copies: dict[int, Tensor] | None) -> Tensor:
    if copies is None:
        return tensor.to(device)
    if id(tensor) not in copies:
        copies[id(tensor)] = tensor.to(device)
    return copies[id(tensor)]
