"""The contrastive loss with labels: what shares a class is pulled together, or at least not pushed apart."""

from __future__ import annotations

import torch
from torch import Tensor

from coral_plugin.errors import InputError
from coral_plugin.losses.chunks import sum_over_rows
from coral_plugin.losses.contrastive import check_pairs, unit_rows


def supervised_contrast(
    anchors: Tensor, positives: Tensor, labels: Tensor, *, temperature: Tensor | float = 0.1, neutral: bool = False
) -> Tensor:
    r"""Supervised contrastive loss of two views (SupCon, arXiv:2004.11362, eq. 2, the sum outside of the logarithm).

    With ``z`` the normalised rows of both views, ``A(i)`` all rows but ``i`` and ``P(i)`` those of them that carry the
    label of ``i``:

    .. math:: \frac1{2N} \sum_i \frac{-1}{|P(i)|} \sum_{p \in P(i)}
        \log \frac{\exp(z_i \cdot z_p / \tau)}{\sum_{a \in A(i)} \exp(z_i \cdot z_a / \tau)}

    Args:
        anchors: Embeddings of view 1, ``(N, d)``. Need not be normalised.
        positives: Embeddings of view 2, ``(N, d)``.
        labels: ``(N,)``, classes as integers.
        temperature: Divisor of the cosine similarities; positive. A scalar tensor may be learnt.
        neutral: Leave other samples of the class out altogether: the only positive is the other view, and rows of the
            same class are no negatives.

    Returns:
        A scalar in float32 (float64 for float64 input). Where all labels differ it is the NT-Xent loss.

    Raises:
        InputError: the shapes do not fit.

    Example:
        >>> z = torch.eye(4)
        >>> round(supervised_contrast(z, z, torch.arange(4), temperature=0.5).item(), 4)  # as nt_xent
        0.5944
        >>> round(supervised_contrast(z, z, torch.tensor([0, 0, 1, 1]), temperature=0.5, neutral=True).item(), 4)
        0.4327
    """
    check_pairs(anchors, positives, "supervised_contrast")
    if labels.shape != anchors.shape[:1]:
        raise InputError(
            f"supervised_contrast needs a label for each of {len(anchors)} rows, got {tuple(labels.shape)}."
        )
    rows = torch.cat([anchors, positives])
    z = unit_rows(rows)  # (2N, d)
    classes = labels.repeat(2)  # of all rows
    columns = torch.arange(len(z), device=z.device)
    other_view = columns.roll(len(anchors))

    def of_rows(
        start: int, some: Tensor, of_some: Tensor, row: Tensor, pair: Tensor, z: Tensor, temperature: Tensor | float
    ) -> Tensor:
        del start
        itself = row.unsqueeze(1) == columns  # (R, 2N)
        same = of_some.unsqueeze(1) == classes
        pulled = pair.unsqueeze(1) == columns if neutral else same & ~itself
        left_out = (same & ~pulled) if neutral else itself
        shares = (some @ z.T / temperature).masked_fill(left_out, float("-inf")).log_softmax(dim=1)
        return -(shares.masked_fill(~pulled, 0.0).sum(dim=1) / pulled.sum(dim=1)).sum()

    return sum_over_rows(of_rows, [z, classes, columns, other_view], [z, temperature], width=len(z)) / len(z)
