"""Losses on the cross-correlation matrix of two embeddings: Barlow Twins and its split form in DeCUR."""

from __future__ import annotations

import torch
from torch import Tensor

from coral_plugin.errors import InputError
from coral_plugin.losses.chunks import full_precision
from coral_plugin.losses.contrastive import at_least_float32, check_pairs

_EPSILON = 1e-5  # of torch's batch normalisation, which the published code standardises with


def cross_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Correlations between the dimensions of two embeddings over the batch, ``(d, d)``, in float32 at least.

    Args:
        a: Embeddings ``(N, d)``.
        b: Embeddings ``(N, d)`` of the same samples.

    Raises:
        InputError: the shapes differ or are not ``(N, d)``.

    Example:
        >>> cross_correlation(torch.tensor([[1.0], [-1.0]]), torch.tensor([[2.0], [-2.0]])).round(decimals=3)
        tensor([[1.]])
    """
    check_pairs(a, b, "cross_correlation")
    with full_precision(a):
        return _standardised(a).T @ _standardised(b) / len(a)


def redundancy_reduction(correlation: Tensor, target: float, redundancy_weight: float = 0.0051) -> Tensor:
    """Squared distance of the diagonal from ``target``, and the weighted squares of all other entries; a scalar.

    With target 1 this is the loss of Barlow Twins (arXiv:2103.03230, equation 1); DeCUR (arXiv:2309.05300) takes target
    0 for the dimensions that two modalities shall not share.

    Args:
        correlation: Cross-correlation matrix ``(d, d)``.
        target: Correlation that each dimension shall have with itself.
        redundancy_weight: Weight of the entries beside the diagonal.

    Example:
        >>> redundancy_reduction(torch.eye(3), target=1.0).item(), redundancy_reduction(torch.eye(3), target=0.0).item()
        (0.0, 3.0)
    """
    diagonal = correlation.diagonal()
    others = correlation.square().sum() - diagonal.square().sum()
    return (diagonal - target).square().sum() + redundancy_weight * others


def barlow_twins(a: Tensor, b: Tensor, *, redundancy_weight: float = 0.0051) -> Tensor:
    """:func:`redundancy_reduction` of the cross-correlation of two embeddings ``(N, d)`` with target 1; a scalar.

    Raises:
        InputError: the shapes differ or are not ``(N, d)``.

    Example:
        >>> rows = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
        >>> round(barlow_twins(rows, rows).item(), 4)
        0.0
    """
    return redundancy_reduction(cross_correlation(a, b), 1.0, redundancy_weight)


def decoupled(a: Tensor, b: Tensor, *, common: int, redundancy_weight: float = 0.0051) -> Tensor:
    """Mean of two :func:`redundancy_reduction`: the first dimensions agree, the others do not (DeCUR, equation 5).

    Args:
        a: Embeddings ``(N, d)`` of one modality.
        b: Embeddings ``(N, d)`` of another modality.
        common: Number of dimensions that both share, from 1 to d; with d there is no second term.
        redundancy_weight: Weight of the correlations between different dimensions.

    Raises:
        InputError: the shapes differ or are not ``(N, d)``, or ``common`` is outside of 1 to d.

    Example:
        >>> rows = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
        >>> round(decoupled(rows, rows, common=1).item(), 3)  # the second dimension correlates, and should not
        0.5
    """
    correlation = cross_correlation(a, b)
    if not 1 <= common <= len(correlation):
        raise InputError(f"decoupled needs from 1 to {len(correlation)} common dimensions, got {common}.")
    shared = redundancy_reduction(correlation[:common, :common], 1.0, redundancy_weight)
    unique = redundancy_reduction(correlation[common:, common:], 0.0, redundancy_weight)
    return (shared + unique) / 2


def _standardised(rows: Tensor) -> Tensor:
    rows = at_least_float32(rows)
    variance, mean = torch.var_mean(rows, dim=0, correction=0)
    return (rows - mean) * (variance + _EPSILON).rsqrt()
