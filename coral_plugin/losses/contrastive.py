"""Contrastive losses over a batch of positive pairs, as pure functions of two embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from coral_plugin.errors import InputError
from coral_plugin.losses.chunks import sum_over_rows


def check_pairs(anchors: Tensor, positives: Tensor, name: str) -> None:
    """Both inputs are (N, d) and of one shape.

    Raises:
        InputError: they are not.
    """
    if anchors.ndim != 2 or anchors.shape != positives.shape:
        raise InputError(
            f"{name} needs two tensors of one shape (N, d), got {tuple(anchors.shape)} and {tuple(positives.shape)}."
        )


def at_least_float32(values: Tensor) -> Tensor:
    """``values`` in float32, or as they are in float64: half precision is too coarse for a loss."""
    return values if values.dtype == torch.float64 else values.float()


def unit_rows(rows: Tensor) -> Tensor:
    """``rows`` (..., d) divided by their Euclidean length, in float32 at least; rows of zeros stay zero."""
    return F.normalize(at_least_float32(rows), dim=-1)


def nt_xent(anchors: Tensor, positives: Tensor, *, temperature: Tensor | float = 0.1) -> Tensor:
    r"""Normalised temperature-scaled cross-entropy (SimCLR, arXiv:2002.05709, eq. 1), symmetric in its arguments.

    Row ``i`` of both inputs is a positive pair; the other ``2N - 2`` rows of both are its negatives, and the positive
    is part of the denominator. This is the InfoNCE that the code of CoMM, InfMasking and COrAL computes.

    Args:
        anchors: Embeddings of view 1, ``(N, d)``. Need not be normalised.
        positives: Embeddings of view 2, ``(N, d)``.
        temperature: Divisor of the cosine similarities; positive. A scalar tensor may be learnt.

    Returns:
        A scalar in float32 (float64 for float64 input).

    Raises:
        InputError: the shapes differ or are not ``(N, d)``.

    Example:
        >>> round(nt_xent(torch.eye(4), torch.eye(4), temperature=0.5).item(), 4)
        0.5944
    """
    check_pairs(anchors, positives, "nt_xent")
    count = len(anchors)
    z = unit_rows(torch.cat([anchors, positives]))  # (2N, d)
    target = torch.arange(2 * count, device=z.device).roll(count)  # i <-> i + N

    def of_rows(start: int, some: Tensor, target: Tensor, z: Tensor, temperature: Tensor | float) -> Tensor:
        logits = some @ z.T / temperature  # (R, 2N)
        exclude_diagonal(logits, start)  # no row with itself
        return F.cross_entropy(logits, target, reduction="sum")

    return sum_over_rows(of_rows, [z, target], [z, temperature], width=2 * count) / (2 * count)


def info_nce(anchors: Tensor, positives: Tensor, *, temperature: Tensor | float = 1.0) -> Tensor:
    r"""InfoNCE as equation 4 of the COrAL paper prints it: negatives of the other view only, and only they below.

    .. math:: -\frac1N \sum_i \log \frac{\exp s(a_i, p_i)}{\sum_{j \neq i} \exp s(a_i, p_j)}

    with the cosine similarity ``s``; ``temperature = 1`` is the paper's.

    Args:
        anchors: Embeddings of view 1, ``(N, d)``, N >= 2. Need not be normalised.
        positives: Embeddings of view 2, ``(N, d)``.
        temperature: Divisor of the cosine similarities; positive. A scalar tensor may be learnt.

    Returns:
        A scalar in float32 (float64 for float64 input); it can be negative, since the positive is not part of the
        denominator.

    Raises:
        InputError: the shapes differ, are not ``(N, d)``, or N is 1 (no negatives).

    Example:
        >>> round(info_nce(torch.eye(3), torch.eye(3)).item(), 4)  # log 2 - 1
        -0.3069
    """
    check_pairs(anchors, positives, "info_nce")
    if len(anchors) < 2:
        raise InputError("info_nce needs at least two pairs: with one there are no negatives.")

    def of_rows(start: int, some: Tensor, others: Tensor, temperature: Tensor | float) -> Tensor:
        logits = some @ others.T / temperature  # (R, N)
        positive = logits.diagonal(start).clone()
        exclude_diagonal(logits, start)
        return (logits.logsumexp(dim=1) - positive).sum()

    count = len(anchors)
    whole: list[Tensor | float] = [unit_rows(positives), temperature]
    return sum_over_rows(of_rows, [unit_rows(anchors)], whole, width=count) / count


def exclude_diagonal(logits: Tensor, start: int) -> None:
    """Set entry ``(i, start + i)`` of ``logits`` (R, N, ...) to minus infinity, in place.

    For logits whose softmax or logsumexp is taken: the gradient of these entries is zero by itself, so autograd,
    which would copy the matrix, does not record it.
    """
    with torch.no_grad():
        logits.diagonal(start).fill_(float("-inf"))
