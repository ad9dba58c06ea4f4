"""Attention with dropout over long series, a few weights at a time, so that they stay in a CPU's cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from coral_plugin.networks.dropout import kept

# weights that are held at once: 1 MiB in float32, which a core's second cache holds
CACHED_WEIGHTS = 2**18


class LongAttention(torch.autograd.Function):
    r"""Softmax attention of many heads whose weights are dropped with probability p, none of them kept.

    Autograd would keep weights, masks and products, three matrices of Q times T, and where that is too much would
    compute pieces that leave the cache. Here the backward pass computes each weight anew from the logarithm L of its
    row's sum, and draws each mask again from the seed of the forward pass. With ``m`` for a mask over 1 - p,
    ``P = exp(S - L)`` for the weights and ``g`` for the gradient of the output ``O = (m P) V``,

    .. math::
        dV = (m P)^\top g, \quad dS = P \, (m \, g V^\top - \sum g O)

    as in FlashAttention (Dao et al., arXiv:2205.14135, algorithm 4).
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, p: float) -> Tensor:
        """From query (N, Q, d), key and value (N, T, d), padding (N, T) or None and p in (0, 1) to (N, Q, d)."""
        ctx.p, ctx.seed = p, int(torch.randint(2**62, ()))
        out, logarithms = torch.empty_like(query), query.new_empty(*query.shape[:2], 1)
        generator = torch.Generator().manual_seed(ctx.seed)
        weights, mask = _buffers(query, key, 2)
        for some, rows in _pieces(query, key):
            part = _scores(query[some, rows], key[some], padding, some, weights)
            highest = part.amax(-1, keepdim=True)
            total = part.sub_(highest).exp_().sum(-1, keepdim=True)
            logarithms[some, rows] = highest + total.log()
            part.mul_(_drawn(part.shape, p, generator, mask))
            out[some, rows] = torch.bmm(part, value[some]).div_(total.mul_(1 - p))
        ctx.save_for_backward(query, key, value, padding, out, logarithms)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of query, key and value from that of the output, (N, Q, d)."""
        query, key, value, padding, out, logarithms = ctx.saved_tensors
        along = (grads[0] * out).sum(-1, keepdim=True)  # of each row's output
        gradient = grads[0] / (1 - ctx.p)
        of_query, of_key, of_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        generator = torch.Generator().manual_seed(ctx.seed)
        scale = query.shape[-1] ** -0.5
        weights, mask, of_weights = _buffers(query, key, 3)
        for some, rows in _pieces(query, key):
            part = _scores(query[some, rows], key[some], padding, some, weights).sub_(logarithms[some, rows]).exp_()
            drawn, above = _drawn(part.shape, ctx.p, generator, mask), gradient[some, rows]
            of_part = torch.bmm(above, value[some].mT, out=_shaped(of_weights, part.shape))
            of_part.mul_(drawn).sub_(along[some, rows]).mul_(part)
            of_value[some].baddbmm_(part.mul_(drawn).mT, above)
            of_query[some, rows] = torch.bmm(of_part, key[some]).mul_(scale)
            of_key[some].baddbmm_(of_part.mT, query[some, rows], alpha=scale)
        return of_query, of_key, of_value, None, None


def _pieces(query: Tensor, key: Tensor) -> Iterator[tuple[slice, slice]]:
    """Heads and queries of one piece after the other: several heads whole, or a few queries of one."""
    count, rows = query.shape[:2]
    heads = max(1, CACHED_WEIGHTS // max(1, rows * key.shape[1]))
    queries = rows if heads > 1 else max(1, CACHED_WEIGHTS // max(1, key.shape[1]))
    for first in range(0, count, heads):
        for start in range(0, rows, queries):
            yield slice(first, first + heads), slice(start, start + queries)


def _buffers(query: Tensor, key: Tensor, number: int) -> list[Tensor]:
    """Flat memory for the weights of the largest piece, several times."""
    some, rows = next(_pieces(query, key))
    most = min(some.stop, query.shape[0]) * min(rows.stop, query.shape[1]) * key.shape[1]
    return [query.new_empty(most) for _ in range(number)]


def _shaped(buffer: Tensor, shape: torch.Size) -> Tensor:
    return buffer[: shape.numel()].view(shape)


def _scores(query: Tensor, key: Tensor, padding: Tensor | None, some: slice, buffer: Tensor) -> Tensor:
    """Scaled products (n, q, T) of queries (n, q, d) and keys (n, T, d), in ``buffer``."""
    shape = torch.Size((*query.shape[:2], key.shape[1]))
    scores = torch.bmm(query, key.mT, out=_shaped(buffer, shape)).mul_(query.shape[-1] ** -0.5)
    if padding is not None:
        scores.masked_fill_(padding[some].unsqueeze(1), float("-inf"))
    return scores


def _drawn(shape: torch.Size, p: float, generator: torch.Generator, buffer: Tensor) -> Tensor:
    """What dropout keeps, 1 or 0, in ``buffer``."""
    return _shaped(buffer, shape).copy_(kept(shape, p, generator))
