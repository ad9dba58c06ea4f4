"""Bounds of the mutual information from a matrix of critic scores (FactorCL, arXiv:2306.05268; specification 2.4)."""

from __future__ import annotations

import math

from torch import Tensor

from coral_plugin.errors import InputError
from coral_plugin.losses.contrastive import at_least_float32


def nce_bound(scores: Tensor) -> Tensor:
    r"""Lower bound :math:`I_\mathrm{NCE}` of the mutual information; at most ``log N``.

    .. math:: \frac1N \sum_i f(u_i, v_i) - \frac1N \sum_j \log \sum_i \exp f(u_i, v_j) + \log N

    The sum is over the first argument, for each ``v_j``: one direction only. Neither normalisation nor temperature.

    Args:
        scores: ``f(u_i, v_j)`` of every pair, ``(N, N)``; row i is the first argument.

    Returns:
        A scalar in float32 (float64 for float64 scores).

    Raises:
        InputError: the scores are no square matrix of at least one pair.

    Example:
        >>> import torch
        >>> round(nce_bound(torch.tensor([[2.0, 0.0], [0.0, 2.0]])).item(), 4)  # log 2 - log(1 + exp(-2))
        0.5662
    """
    scores = _checked(scores, "nce_bound")
    return scores.diagonal().mean() - scores.logsumexp(dim=0).mean() + math.log(len(scores))


def club_bound(scores: Tensor) -> Tensor:
    r"""Upper bound :math:`I_\mathrm{CLUB}` of the mutual information, where the critic is the optimal one of NCE.

    .. math:: \frac1N \sum_i f(u_i, v_i) - \frac1{N^2} \sum_{i, j} f(u_i, v_j)

    Bounded on neither side in its scores: with a critic that is not optimal it is no bound at all.

    Args:
        scores: ``f(u_i, v_j)`` of every pair, ``(N, N)``; row i is the first argument.

    Returns:
        A scalar in float32 (float64 for float64 scores).

    Raises:
        InputError: the scores are no square matrix of at least one pair.

    Example:
        >>> import torch
        >>> club_bound(torch.tensor([[2.0, 0.0], [0.0, 2.0]])).item()
        1.0
    """
    scores = _checked(scores, "club_bound")
    return scores.diagonal().mean() - scores.mean()


def _checked(scores: Tensor, name: str) -> Tensor:
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or not len(scores):
        raise InputError(f"{name} needs the scores of all pairs, (N, N), got {tuple(scores.shape)}.")
    return at_least_float32(scores)
