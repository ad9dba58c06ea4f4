"""Dropout with masks from cheap random bits on the CPU.

On the CPU half of the time of a transformer's feed-forward goes into one Bernoulli draw per element. Here each random
64-bit word decides on eight elements, so a probability is rounded to a multiple of 1/256 (0.1 becomes 26/256) and the
scale is that of the rounded probability: the expectation is exact. On other devices torch's own dropout is used.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_LEVELS = 256


def dropout(x: Tensor, p: float, *, training: bool) -> Tensor:
    """Elements of ``x`` (any shape) set to zero with probability ``p`` in [0, 1), the others scaled up."""
    if not training or p == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p, training=True)
    keep, scale = _draw(x, p)
    return x * keep.to(x.dtype).mul_(scale)


def relu_dropout(x: Tensor, p: float, *, training: bool) -> Tensor:
    """``dropout(relu(x), p)``, writing into ``x``.

    Only the output is kept for the backward pass, which the following linear layer keeps anyway.

    Args:
        x: Any shape; overwritten, so it must be an intermediate result that nobody else reads.
        p: Probability of dropping, in [0, 1).
        training: Whether anything is dropped.
    """
    if not training or p == 0:
        return F.relu_(x)
    if x.device.type != "cpu":
        return F.dropout(F.relu_(x), p, training=True)
    result: Tensor = _ReluDropout.apply(x, p)
    return result


def _draw(x: Tensor, p: float) -> tuple[Tensor, float]:
    """What is kept of ``x``, as bool of its shape, and the factor that keeps the expectation."""
    dropped = min(max(1, round(p * _LEVELS)), _LEVELS - 1)
    words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
    return keep, _LEVELS / (_LEVELS - dropped)


class _ReluDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        keep, ctx.scale = _draw(x, p)
        x.relu_().mul_(keep).mul_(ctx.scale)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (output,) = ctx.saved_tensors
        # what was dropped or negative is exactly zero in the output
        return torch.ops.aten.threshold_backward(grads[0], output, 0).mul_(ctx.scale), None
