"""Exchange between the processes of one training. Without a process group every function is the identity."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes that train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def gather(rows: Tensor) -> Tensor:
    """Rows ``(B_r, ...)`` of every process r, in the order of the processes: ``(sum of B_r, ...)``.

    The gradient flows back to the process that a row came from: backward sums the gradients of all processes over its
    rows. Each process computes the same loss on the gathered rows, and DDP divides by their number, so the gradient
    is that of one process with the whole batch. The numbers of rows may differ.
    """
    if world_size() == 1:
        return rows
    if not rows.is_floating_point():
        return _collect(rows.to(torch.int64))[0].to(rows.dtype)
    gathered: Tensor = _Gather.apply(rows)
    return gathered


def agree(tensor: Tensor) -> Tensor:
    """The ``tensor`` of process 0, in every process; shape and type are the same everywhere."""
    if world_size() > 1:
        tensor = tensor.clone()
        dist.broadcast(tensor, src=0)
    return tensor


class _Gather(torch.autograd.Function):
    """The gather with its gradient, in one place: torch's gather is deprecated."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        gathered, counts = _collect(rows)
        ctx.start = sum(counts[: rank()])
        ctx.stop = ctx.start + len(rows)
        return gathered

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        return gradient[ctx.start : ctx.stop]


def _collect(rows: Tensor) -> tuple[Tensor, list[int]]:
    """All rows, and how many each process has; collectives need equal shapes, so fewer rows are padded."""
    counts = torch.zeros(world_size(), dtype=torch.int64, device=rows.device)
    counts[rank()] = len(rows)
    dist.all_reduce(counts)
    numbers = counts.tolist()
    padded = rows.new_zeros(max(numbers), *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in numbers]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, numbers, strict=True)]), numbers
