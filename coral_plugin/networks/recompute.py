"""A function of a long tensor in pieces, computed anew in the backward pass: memory of one piece instead of all."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from coral_plugin.machine import batch_share
from coral_plugin.networks.rows import exporting


def in_pieces(
    function: Callable[[Tensor], Tensor], x: Tensor, size: int, dim: int = 0, whole: int | None = None
) -> Tensor:
    """``function(x)`` for a function that treats the places along ``dim`` one by one.

    Up to ``whole`` places it is called once. Beyond that it is called on pieces of ``size``, whose results are
    concatenated; what it computes on the way is dropped and computed again when its gradient is wanted, with the same
    random numbers. That costs one more forward pass.

    Args:
        function: Function that keeps the number of places along ``dim``.
        x: Values of any shape.
        size: Largest number of places in a piece, at least 1.
        dim: Axis that is cut.
        whole: Largest number of places of which everything is kept; ``size`` by default.
    """
    if exporting() or x.shape[dim] <= batch_share() * (size if whole is None else whole):
        return function(x)
    # of equal size: a small last one would leave holes in the heap (networks/attention.py)
    pieces = x.split(-(-x.shape[dim] // -(-x.shape[dim] // size)), dim)
    if not torch.is_grad_enabled():
        return torch.cat([function(piece) for piece in pieces], dim)
    return torch.cat([checkpoint(function, piece, use_reentrant=False) for piece in pieces], dim)
