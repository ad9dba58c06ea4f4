"""Noise on vectors ``(B, d)``, after MultiBench's ``robustness/tabular_robust.py``."""

from __future__ import annotations

import torch
from torch import Tensor


def drop_entries(values: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Each entry set to 0 with probability ``level``."""
    hit = torch.rand(values.shape, device=values.device, generator=generator) < level
    return values.masked_fill(hit, 0.0)


def swap_entries(values: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Each entry, taken from left to right, changes places with its left neighbour with probability ``level``.

    An entry may be carried on to the right. MultiBench documents the same, but its code loses the right one of the two:
    both places hold the left one afterwards.
    """
    batch, width = values.shape
    hit = torch.rand(batch, width, device=values.device, generator=generator) < level
    hit[:, 0] = False
    places = torch.arange(width, device=values.device).expand(batch, width)
    # what arrives at place j with the exchanges up to j done: the last entry that was not exchanged itself
    carried = places.masked_fill(hit, 0).cummax(dim=1).values
    origin = carried.clone()
    origin[:, :-1] = torch.where(hit[:, 1:], places[:, 1:], carried[:, :-1])
    return values.gather(1, origin)


def tabular(values: Tensor, lengths: Tensor, level: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """:func:`drop_entries`, then :func:`swap_entries`; at level 1 nothing is left."""
    return swap_entries(drop_entries(values, level, generator), level, generator)
