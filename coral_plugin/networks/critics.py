"""Critics: scores of pairs of embeddings, for bounds of the mutual information."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConcatCritic(nn.Module):
    """``f(u, v) = MLP([u; v])`` with two hidden layers of ReLU, for every pair of a batch (METHODS 2.4).

    The paper of FactorCL says one hidden layer, its code has two. The first layer is split,
    ``W [u; v] = W_u u + W_v v``: it is computed for 2 N rows instead of N x N, and no ``[u_i; v_j]`` is ever built.
    What remains for N x N pairs are the two hidden layers, ``2 * N * N * hidden`` values.

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
        """``u`` (N, first) and ``v`` (M, second) to ``f(u_i, v_j)``: (N, M)."""
        left, right = self.joint.weight.split(self.split, dim=1)
        rows, columns = F.linear(u, left), F.linear(v, right, self.joint.bias)
        pairs = torch.relu_(rows[:, None, :] + columns[None, :, :])  # (N, M, hidden)
        scores: Tensor = self.score(torch.relu_(self.hidden(pairs)))
        return scores.squeeze(-1)
