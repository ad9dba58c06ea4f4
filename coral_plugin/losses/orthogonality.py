"""Penalties that keep two embeddings of the same samples apart."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from coral_plugin.losses.contrastive import at_least_float32, check_pairs


def cosine_embedding(a: Tensor, b: Tensor) -> Tensor:
    """Mean of ``max(0, cos)`` over row pairs: any angle of at least 90 degrees is free (COrAL paper, eq. 7).

    This is torch's cosine embedding loss with target -1 and margin 0.

    Args:
        a: Embeddings ``(N, d)``.
        b: Embeddings ``(N, d)`` of the same samples.

    Raises:
        InputError: the shapes differ or are not ``(N, d)``.

    Example:
        >>> import torch
        >>> cosine_embedding(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item()
        0.5
    """
    return _cosine(a, b, "cosine_embedding").clamp_min(0).mean()


def squared_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Mean of ``cos²`` over row pairs: 0 when orthogonal, 1 when parallel or opposite (the released COrAL code).

    Args:
        a: Embeddings ``(N, d)``.
        b: Embeddings ``(N, d)`` of the same samples.

    Raises:
        InputError: the shapes differ or are not ``(N, d)``.

    Example:
        >>> import torch
        >>> squared_cosine(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])).item()
        0.5
    """
    return _cosine(a, b, "squared_cosine").square().mean()


def _cosine(a: Tensor, b: Tensor, name: str) -> Tensor:
    check_pairs(a, b, name)
    return F.cosine_similarity(at_least_float32(a), at_least_float32(b), dim=-1)
