"""The loss of CLIP as a pure function of two embeddings and a scale."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from coral_plugin.losses.chunks import sum_over_rows
from coral_plugin.losses.contrastive import check_pairs, unit_rows


def clip_loss(anchors: Tensor, positives: Tensor, scale: Tensor | float) -> Tensor:
    r"""Symmetric cross-entropy over the similarities of two modalities (CLIP, arXiv:2103.00020, figure 3).

    .. math:: \tfrac12 \left[ CE(e^t A B^\top, diag) + CE(e^t B A^\top, diag) \right]

    with normalised rows. Row ``i`` of both is a pair; negatives are the other rows of the other modality alone.

    Args:
        anchors: Embeddings of one modality, ``(N, d)``. Need not be normalised.
        positives: Embeddings of the other, ``(N, d)``.
        scale: Multiplies the cosine similarities, ``exp(t)``; learned as ``t`` in CLIP. A scalar.

    Returns:
        A scalar in float32 (float64 for float64 input), also under autocast.

    Raises:
        InputError: the shapes differ or are not ``(N, d)``.

    Example:
        >>> round(clip_loss(torch.eye(4), torch.eye(4), 2.0).item(), 4)  # log(1 + 3 / e²)
        0.3408
    """
    check_pairs(anchors, positives, "clip_loss")
    a, b = unit_rows(anchors), unit_rows(positives)
    target = torch.arange(len(a), device=a.device)
    return sum_over_rows(_of_rows, [a, b, target], [a, b, scale], width=len(a)) / 2


def _of_rows(
    start: int, some_a: Tensor, some_b: Tensor, target: Tensor, a: Tensor, b: Tensor, scale: Tensor | float
) -> Tensor:
    """What some rows contribute to the mean cross-entropy with the rows of the other modality, both ways summed."""
    del start
    logits = scale * (some_a @ b.T)  # (R, N)
    forth = F.cross_entropy(logits, target, reduction="sum")
    others = logits.T if len(some_a) == len(a) else scale * (some_b @ a.T)
    back = F.cross_entropy(others, target, reduction="sum")
    return forth / len(a) + back / len(a)
