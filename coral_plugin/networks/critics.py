"""Critics: scores of pairs of embeddings, for bounds of the mutual information."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.networks.pair_scores import PairScores


class ConcatCritic(nn.Module):
    """``f(u, v) = MLP([u; v])`` with two hidden layers of ReLU, for every pair of a batch (specification 2.4).

    The paper of FactorCL says one hidden layer, its code has two. The first layer is split,
    ``W [u; v] = W_u u + W_v v``: it is computed for 2 N rows instead of N x N, and no ``[u_i; v_j]`` is ever built.
    What remains for N x N pairs is three products with the matrix of the second layer, one forward and two backward,
    and a byte for each hidden unit of a pair is kept in between, or nothing in large batches (:class:`PairScores`).

    Args:
        first: Size of u.
        second: Size of v.
        hidden: Units of both hidden layers.
    """

    def __init__(self, first: int, second: int, hidden: int = 512) -> None:
        super().__init__()
        self.split = (first, second)
        self.joint = nn.Linear(first + second, hidden)
        self.hidden = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """``u`` (N, first) and ``v`` (M, second) to ``f(u_i, v_j)``: (N, M), in the type of the weights."""
        rows, columns = self._first_layer(u, v, self.joint.weight, self.joint.bias)
        everywhere, _ = self._pairs(rows, columns, None, None)
        return everywhere

    def apart(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """The scores twice, for two losses at the price of one.

        Returns:
            ``f(u_i, v_j)`` (N, M) with a gradient for u and v alone, and the same with one for the parameters alone.
        """
        weight, bias = self.joint.weight, self.joint.bias
        rows, columns = self._first_layer(u, v, weight.detach(), bias.detach())
        own_rows, own_columns = self._first_layer(u.detach(), v.detach(), weight, bias)
        return self._pairs(rows, columns, own_rows, own_columns)

    def _first_layer(self, u: Tensor, v: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """What u and what v contribute to the units of the first layer: (N, hidden) and (M, hidden)."""
        left, right = weight.split(self.split, dim=1)
        with torch.autocast(u.device.type, enabled=False):
            return F.linear(u.to(weight.dtype), left), F.linear(v.to(weight.dtype), right, bias)

    @torch.compiler.disable
    def _pairs(
        self, rows: Tensor, columns: Tensor, own_rows: Tensor | None, own_columns: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(rows.device.type, enabled=False):
            scores: tuple[Tensor, Tensor] = PairScores.apply(
                rows, columns, own_rows, own_columns, *self.hidden.parameters(), *self.score.parameters()
            )
        return scores
