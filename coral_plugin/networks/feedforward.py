"""The feed-forward of a transformer layer, computed for a few steps at a time so that its hidden layer stays in cache.

The hidden layer is 50 times as wide as the steps of the papers' affect data (2048 to 40). Here 256 steps go through
both linear maps before the next ones, nothing of the hidden layer is kept but a bit per value for dropout, and the
backward pass computes it again. What the cache saves pays for that: on MOSI's shapes a
training step is 1.16 times as fast as with the plain operations (0.41 to 1.35 in single rounds), and takes 0.8 GiB in
place of 1.45 (benchmarks/RESULTS.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from coral_plugin.derivatives import refuse_second_derivative
from coral_plugin.networks.dropout import dropout, kept
from coral_plugin.networks.precision import plain_on_cpu, untouched
from coral_plugin.networks.recompute import in_pieces

# hidden values that are held at once on a CPU: 2 MiB in float32, which a core's cache holds
_CACHED = 2**19
# and elsewhere, and by the plain path: 128 MiB
_MOST_HIDDEN = 2**25


def feed_forward(steps: Tensor, first: nn.Linear, second: nn.Linear, p: float = 0.0, *, fused: bool = True) -> Tensor:
    """``second(dropout(relu(first(steps))))``.

    Args:
        steps: ``(P, D)``.
        first: Map from D to the hidden width.
        second: Map back to D. Layers that have taken the place of a linear one, or have hooks, are called.
        p: Probability that a hidden value is dropped, in [0, 1).
        fused: Whether the hidden layer may stay in the cache of a CPU; otherwise, on other devices and in other types
            than float32 and float64 the operations follow each other (same result, other random numbers).

    Returns:
        ``(P, D)``.
    """

    def plain(some: Tensor) -> Tensor:
        result: Tensor = second(dropout(first(some).relu(), p, training=p > 0))
        return result

    if not (untouched(first, nn.Linear) and untouched(second, nn.Linear)):
        return plain(steps)
    if fused and plain_on_cpu(steps):
        result: Tensor = _FeedForward.apply(steps, first.weight, first.bias, second.weight, second.bias, p)
        return result
    return in_pieces(plain, steps, max(1, _MOST_HIDDEN // first.out_features))


def pieces_of(steps: int, first: nn.Linear) -> list[torch.Size]:
    """Shapes of the hidden layers that are computed one after the other for so many steps."""
    size = _rows(first.weight)
    return [torch.Size((min(size, steps - start), first.out_features)) for start in range(0, steps, size)]


class _FeedForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, p: float) -> Tensor:
        out = torch.empty_like(x)
        pieces = _pieces(x, w1)
        hidden, scratch = _buffers(x, w1)
        back = (w2 / (1 - p)).t()
        masks = []
        for start, end in pieces:
            part = hidden[: end - start]
            mask = kept(part.shape, p) if p else None
            _hidden(x[start:end], w1, b1, mask, part, scratch)
            torch.addmm(b2, part, back, out=out[start:end])
            masks.append(None if mask is None else np.packbits(mask))
        ctx.save_for_backward(x, w1, b1, w2)
        ctx.p, ctx.masks = p, masks
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative("A feed-forward in the cache", "choose the encoder affect_transformer(fused=False)")
        x, w1, b1, w2 = ctx.saved_tensors
        grad = grads[0] / (1 - ctx.p)
        pieces = _pieces(x, w1)
        ones = torch.cat([x, x.new_ones(len(x), 1)], dim=1)  # the bias is the weight of a constant input
        of_first, of_second = x.new_zeros(x.shape[1] + 1, len(w1)), torch.zeros_like(w2)
        of_x = torch.empty_like(x)
        hidden, of_hidden = _buffers(x, w1)
        for (start, end), bits in zip(pieces, ctx.masks, strict=True):
            part, of_part = hidden[: end - start], of_hidden[: end - start]
            mask = None if bits is None else torch.from_numpy(np.unpackbits(bits, count=part.numel())).view(part.shape)
            _hidden(x[start:end], w1, b1, mask, part, of_hidden)
            of_second.addmm_(grad[start:end].t(), part)
            torch.mm(grad[start:end], w2, out=of_part)
            # what was dropped or negative is exactly zero in the hidden layer
            torch.ops.aten.threshold_backward.grad_input(of_part, part, 0, grad_input=of_part)
            of_first.addmm_(ones[start:end].t(), of_part)
            torch.mm(of_part, w1, out=of_x[start:end])
        return of_x, of_first[:-1].t(), of_first[-1], of_second, grads[0].sum(0), None


def _pieces(x: Tensor, w1: Tensor) -> list[tuple[int, int]]:
    size = _rows(w1)
    return [(start, min(start + size, len(x))) for start in range(0, len(x), size)]


def _rows(w1: Tensor) -> int:
    return max(1, _CACHED // len(w1))


def _buffers(x: Tensor, w1: Tensor) -> tuple[Tensor, Tensor]:
    """Two hidden layers of one piece, ``(rows, F)`` each."""
    shape = min(_rows(w1), len(x)), len(w1)
    return x.new_empty(shape), x.new_empty(shape)


def _hidden(x: Tensor, w1: Tensor, b1: Tensor, mask: Tensor | None, out: Tensor, scratch: Tensor) -> None:
    torch.addmm(b1, x, w1.t(), out=out).relu_()
    if mask is not None:
        out.mul_(scratch[: len(x)].copy_(mask))
