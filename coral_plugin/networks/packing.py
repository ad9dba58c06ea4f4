"""Padded sequences as their valid steps alone, with samples of similar length side by side for the attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# lengths from the longest to its half form a group, and so on; all below form the last one
_GROUPS = 3


@dataclass(frozen=True)
class Group:
    """Samples of similar length, cut to the longest of them.

    Attributes:
        steps: Number of their valid steps.
        padding: ``(R, T)``, True for what is no step.
        valid: ``(steps,)``, positions of the valid steps in ``(R * T)``.
    """

    steps: int
    padding: Tensor
    valid: Tensor

    def unpack(self, steps: Tensor) -> Tensor:
        """Valid steps ``(steps, D)`` to ``(R, T, D)``, zeros elsewhere."""
        rows = steps.new_zeros(self.padding.numel(), steps.shape[-1])
        return rows.index_copy(0, self.valid, steps).view(*self.padding.shape, steps.shape[-1])

    def pack(self, rows: Tensor) -> Tensor:
        """``(R, T, D)`` to valid steps ``(steps, D)``."""
        return rows.flatten(0, 1)[self.valid]


class Packing:
    """The valid steps of a padded batch, ordered by groups of samples of similar length.

    Attention over a padded batch works on the square of its length: with the lengths of MOSI (12 of 50 steps on
    average) three groups have a fifth of the pairs of steps. On a GPU, where each group would wait for the numbers of
    its steps, all samples are one group.

    Args:
        padding: ``(B, T)``, True for what is no step.
        in_groups: Whether there may be several groups.

    Attributes:
        groups: Groups of samples.
        valid: ``(P,)``, positions of the valid steps in ``(B * T)``, in the order of the groups.

    Example:
        >>> packing = Packing(torch.tensor([[False] * 8, [False] + [True] * 7]))
        >>> [tuple(group.padding.shape) for group in packing.groups], packing.valid.tolist()
        ([(1, 8), (1, 1)], [0, 1, 2, 3, 4, 5, 6, 7, 8])
    """

    def __init__(self, padding: Tensor, *, in_groups: bool = True) -> None:
        self._shape = padding.shape
        positions = torch.arange(padding.numel(), device=padding.device).view(padding.shape)
        self.groups: list[Group] = []
        valid = []
        grouped = in_groups and padding.device.type == "cpu" and len(padding) > 1
        for rows, length in _similar(padding) if grouped else [(slice(None), padding.shape[1])]:
            part = padding[rows, :length]
            inside = (~part).flatten().nonzero().squeeze(1)
            self.groups.append(Group(len(inside), part, inside))
            valid.append(positions[rows, :length].flatten()[inside])
        self.valid = torch.cat(valid)

    def pack(self, batch: Tensor) -> Tensor:
        """``(B, T, D)`` to valid steps ``(P, D)``."""
        return batch.flatten(0, 1)[self.valid]

    def unpack(self, steps: Tensor) -> Tensor:
        """Valid steps ``(P, D)`` to ``(B, T, D)``, zeros elsewhere."""
        batch = steps.new_zeros(self._shape.numel(), steps.shape[-1])
        return batch.index_copy(0, self.valid, steps).view(*self._shape, steps.shape[-1])


def _similar(padding: Tensor) -> list[tuple[Any, int]]:
    """Rows of samples of similar length, longest first, and how many places their longest one fills."""
    lengths = (~padding * torch.arange(1, padding.shape[1] + 1)).amax(dim=1).clamp(min=1)
    halvings = (lengths.max() / lengths).log2().floor().clamp(max=_GROUPS - 1)
    groups = [(halvings == number).nonzero().squeeze(1) for number in range(_GROUPS)]
    return [(rows, int(lengths[rows].max())) for rows in groups if len(rows)]
