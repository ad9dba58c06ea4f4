"""Attention with dropout over long series, a few weights at a time, so that they stay in a CPU's cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from coral_plugin.derivatives import refuse_second_derivative
from coral_plugin.networks.dropout import kept

# weights of one piece, 1 MiB in float32; the forward pass holds them twice, the backward pass three times
CACHED_WEIGHTS = 2**18


class LongAttention(torch.autograd.Function):
    r"""Softmax attention whose weights are dropped with probability p, none of them kept.

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
        """Attend in every head of every sample, N of them together.

        Args:
            ctx: Context of the backward pass.
            query: ``(N, Q, d)``, contiguous.
            key: ``(N, T, d)``, contiguous.
            value: ``(N, T, d)``, contiguous.
            padding: ``(N, T)``, True for keys that nobody may attend to; None for none.
            p: Probability of dropping a weight, in (0, 1).

        Returns:
            ``(N, Q, d)``.
        """
        ctx.p, ctx.seed = p, int(torch.randint(2**32, ()))
        out, logarithms = torch.empty_like(query), query.new_empty(*query.shape[:2], 1)
        generator = torch.Generator().manual_seed(ctx.seed)
        weights, mask = _buffers(query, key, 2)
        for heads, queries in _pieces(query, key):
            part = _scores(query[heads, queries], key[heads], padding, heads, weights)
            highest = part.amax(-1, keepdim=True)
            total = part.sub_(highest).exp_().sum(-1, keepdim=True)
            logarithms[heads, queries] = highest + total.log()
            part.mul_(_drawn(part.shape, p, generator, mask))
            out[heads, queries] = torch.bmm(part, value[heads]).div_(total.mul_(1 - p))
        ctx.save_for_backward(query, key, value, padding, out, logarithms)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of query, key and value from that of the output, (N, Q, d)."""
        refuse_second_derivative(
            "Attention in the cache", "choose the encoder affect_transformer(fused=False), or attend(cached=False)"
        )
        query, key, value, padding, out, logarithms = ctx.saved_tensors
        along = (grads[0] * out).sum(-1, keepdim=True)  # sum of g O in each row
        upstream = grads[0] / (1 - ctx.p)
        of_query, of_key, of_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        generator = torch.Generator().manual_seed(ctx.seed)
        scale = query.shape[-1] ** -0.5
        weights, mask, of_weights = _buffers(query, key, 3)
        for heads, queries in _pieces(query, key):
            part = _scores(query[heads, queries], key[heads], padding, heads, weights)
            part.sub_(logarithms[heads, queries]).exp_()
            drawn, gradient = _drawn(part.shape, ctx.p, generator, mask), upstream[heads, queries]
            of_part = torch.bmm(gradient, value[heads].mT, out=_shaped(of_weights, part.shape))
            of_part.mul_(drawn).sub_(along[heads, queries]).mul_(part)
            of_value[heads].baddbmm_(part.mul_(drawn).mT, gradient)
            of_query[heads, queries] = torch.bmm(of_part, key[heads]).mul_(scale)
            of_key[heads].baddbmm_(of_part.mT, query[heads, queries], alpha=scale)
        return of_query, of_key, of_value, None, None


def _piece(query: Tensor, key: Tensor) -> tuple[int, int]:
    """Number of heads and of queries in the largest piece: several heads whole, or a few queries of one."""
    heads = max(1, CACHED_WEIGHTS // max(1, query.shape[1] * key.shape[1]))
    return heads, query.shape[1] if heads > 1 else max(1, CACHED_WEIGHTS // max(1, key.shape[1]))


def _pieces(query: Tensor, key: Tensor) -> Iterator[tuple[slice, slice]]:
    """Heads and queries of one piece after the other."""
    heads, queries = _piece(query, key)
    for head in range(0, query.shape[0], heads):
        for first in range(0, query.shape[1], queries):
            yield slice(head, head + heads), slice(first, first + queries)


def _buffers(query: Tensor, key: Tensor, number: int) -> list[Tensor]:
    """Flat memory for the weights of the largest piece, several times."""
    heads, queries = _piece(query, key)
    most = min(heads, query.shape[0]) * min(queries, query.shape[1]) * key.shape[1]
    return [query.new_empty(most) for _ in range(number)]


def _shaped(buffer: Tensor, shape: torch.Size) -> Tensor:
    return buffer[: shape.numel()].view(shape)


def _scores(query: Tensor, key: Tensor, padding: Tensor | None, heads: slice, buffer: Tensor) -> Tensor:
    """Scaled products (n, q, T) of queries (n, q, d) and keys (n, T, d), in ``buffer``."""
    shape = torch.Size((*query.shape[:2], key.shape[1]))
    scores = torch.bmm(query, key.mT, out=_shaped(buffer, shape)).mul_(query.shape[-1] ** -0.5)
    if padding is not None:
        scores.masked_fill_(padding[heads].unsqueeze(1), float("-inf"))
    return scores


def _drawn(shape: torch.Size, p: float, generator: torch.Generator, buffer: Tensor) -> Tensor:
    """What dropout keeps, 1 or 0, in ``buffer``."""
    return _shaped(buffer, shape).copy_(kept(shape, p, generator))
