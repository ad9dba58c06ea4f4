"""An MLP of one hidden layer and one output on every sum of two rows, block by block."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from coral_plugin.derivatives import refuse_second_derivative
from coral_plugin.machine import batch_share

# values of a block of activations: in the second cache of a CPU; on a GPU as many as keep it busy
_BLOCK = {"cpu": 2**19, "cuda": 2**26}
# bytes that are kept of the units of all pairs; with more of them their layer is computed again for the gradient
_MOST_KEPT = 2**27


class PairScores(torch.autograd.Function):
    r"""``s_ij = w . relu(W relu(a_i + b_j) + c) + d`` for all pairs, ``(N, M)``.

    Autograd would keep both layers of activations of every pair and pass over them once for each operation. Here a
    block of rows stays in the cache, and what is kept for the gradient is which units of the second layer were on, a
    byte each; of large batches, where that would be more than 128 MiB, not even that. That is
    enough: with ``on`` for them and ``g`` for the gradient of s,

    .. math::
        Q = \sum_{ij} g_{ij} \, on_{ij} \, relu(a_i + b_j)^\top, \quad r = \sum_{ij} g_{ij} \, on_{ij}

    are the gradients of W and c up to a factor ``w`` of each unit, and ``Q . W + c r`` (by rows) is that of w.

    The scores are returned twice where a second pair of first arguments is given, which must have the values of the
    first: the gradient of the first scores then goes to the first pair, that of the second scores to the second pair
    and to the layers, as if two copies of the network had been run, one of them frozen.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        columns: Tensor,
        own_rows: Tensor | None,
        own_columns: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        score: Tensor,
        offset: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Scores for rows a (N, h), columns b (M, h), weight W (h, h), bias c (h,), score w (1, h), offset d (1,)."""
        del own_columns
        count, units = len(columns), weight.shape[0]
        scores = rows.new_empty(len(rows), count)
        keep = len(rows) * count * units <= _MOST_KEPT * batch_share() ** 2
        on = torch.empty(len(rows) if keep else 0, count, units, dtype=torch.bool, device=rows.device)
        for block in _blocks(rows, columns):
            first = _first(rows[block], columns)
            second = torch.addmm(bias, first, weight.T)
            if keep:
                torch.gt(second.view(-1, count, units), 0, out=on[block])
            scores[block] = torch.mv(second.relu_(), score[0]).view(-1, count)
        scores += offset
        ctx.save_for_backward(rows, columns, weight, bias, score, on)
        ctx.two = own_rows is not None
        return scores, scores.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, second_gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of everything in ``forward``, from those of the scores and of the second scores, ``(N, M)``."""
        refuse_second_derivative("The scores of a critic")
        rows, columns, weight, bias, score, on = ctx.saved_tensors
        routes = [_Route(gradient, rows, columns), *([_Route(second_gradient, rows, columns)] if ctx.two else [])]
        outer = routes[-1].gradient
        scaled = score.T * weight  # w and W in one product
        total, sums = torch.zeros_like(weight), torch.zeros_like(bias)
        for block in _blocks(rows, columns):
            first = _first(rows[block], columns)
            units = on[block] if len(on) else torch.addmm(bias, first, weight.T).view(-1, *on.shape[1:]) > 0
            active = units.to(weight.dtype)  # (n, M, h)
            inner = active.flatten(0, 1) @ scaled
            inner = torch.ops.aten.threshold_backward(inner, first, 0).view(-1, len(columns), weight.shape[1])
            for route in routes:
                route.add(block, inner)
            flat = active.mul_(outer[block].unsqueeze(2)).flatten(0, 1)
            total.addmm_(flat.T, first)
            sums += flat.sum(dim=0)
        layers = (
            score.T * total,
            score[0] * sums,
            ((total * weight).sum(dim=1) + bias * sums).unsqueeze(0),
            outer.sum().reshape(1),
        )
        return *routes[0].sums, *(routes[1].sums if ctx.two else (None, None)), *layers


class _Route:
    """One way back from the scores to the rows and columns of the first layer."""

    def __init__(self, gradient: Tensor, rows: Tensor, columns: Tensor) -> None:
        self.gradient = gradient
        self.sums = torch.zeros_like(rows), torch.zeros_like(columns)

    def add(self, block: slice, inner: Tensor) -> None:
        """Take in a block of rows; ``inner`` (n, M, h) is the gradient of a score by its units of the first layer."""
        product = inner * self.gradient[block].unsqueeze(2)
        self.sums[0][block] = product.sum(dim=1)
        self.sums[1].add_(product.sum(dim=0))


def _blocks(rows: Tensor, columns: Tensor) -> list[slice]:
    """Slices of the rows; the units of all pairs of a slice make up a block."""
    step = max(1, _BLOCK.get(rows.device.type, _BLOCK["cpu"]) // max(1, columns.numel()))
    return [slice(start, start + step) for start in range(0, len(rows), step)]


def _first(rows: Tensor, columns: Tensor) -> Tensor:
    """``relu(a_i + b_j)`` of a block of rows: ``(n * M, h)``."""
    return (rows.unsqueeze(1) + columns).relu_().flatten(0, 1)
