"""InfMasking: a joint embedding against many masked views of the same samples (arXiv:2509.25270)."""

from __future__ import annotations

import torch
from torch import Tensor

from coral_plugin.errors import InputError
from coral_plugin.losses.chunks import sum_over_rows
from coral_plugin.losses.contrastive import exclude_diagonal, unit_rows


def masked_bound(
    anchors: Tensor, masked: Tensor, *, temperature: Tensor | float = 0.1, covariance_weight: Tensor | float = 1.0
) -> Tensor:
    r"""Contrast with infinitely many masked views, bounded by the moments of K of them (specification 2.3).

    With the mean :math:`\mu_i` and covariance :math:`\Sigma_i` (divided by K) of the masked views of sample i,

    .. math::
        M = \frac1N \sum_i -p_i + \log(e^{p_i + v_i} + \mathrm{Neg}_i), \quad
        p_i = q_i \cdot \mu_i / \tau, \quad v_i = r \, q_i^\top \Sigma_i q_i / 2 \tau^2,

    where the negatives of i are the K masked views and the anchor of every other sample. The covariance is never
    formed: :math:`q^\top \Sigma q` is the variance over k of the similarities :math:`q \cdot m_k`.

    Args:
        anchors: q, embeddings of the unmasked joint view, ``(N, d)``. Need not be normalised.
        masked: m, embeddings of the K masked views of the same samples, ``(N, K, d)``. Need not be normalised.
        temperature: Divisor of the cosine similarities; positive. A scalar tensor may be learnt.
        covariance_weight: r, what the covariance is scaled by. The released code increases it linearly,
            ``lambda * (epoch + 1) / epochs``.

    Returns:
        A scalar in float32 (float64 for float64 input).

    Raises:
        InputError: the shapes are not as above, or K is 0.

    Example:
        >>> round(masked_bound(torch.eye(4), torch.eye(4).unsqueeze(1), temperature=0.5).item(), 4)
        0.5944
    """
    if anchors.ndim != 2 or masked.ndim != 3 or anchors.shape != masked[:, :1].squeeze(1).shape:
        raise InputError(
            f"masked_bound needs anchors (N, d) and masked views (N, K, d) with K >= 1, "
            f"got {tuple(anchors.shape)} and {tuple(masked.shape)}."
        )
    count, copies, _ = masked.shape
    q, m = unit_rows(anchors), unit_rows(masked)

    def of_rows(
        start: int, some: Tensor, q: Tensor, m: Tensor, temperature: Tensor | float, covariance_weight: Tensor | float
    ) -> Tensor:
        across = (some @ m.flatten(0, 1).T).unflatten(1, (count, copies)) / temperature  # (R, N, K): i, j, k
        within = some @ q.T / temperature  # (R, N)
        pairs = across.diagonal(start).T.clone()  # (R, K), each sample with its K masked views
        exclude_diagonal(across, start)
        exclude_diagonal(within, start)
        positive = pairs.mean(dim=1)
        variance = covariance_weight / 2 * pairs.var(dim=1, correction=0)  # over temperature² already
        bound = (positive + variance).unsqueeze(1)
        below = torch.cat([bound, across.flatten(1), within], dim=1).logsumexp(dim=1)
        return (below - positive).sum()

    whole: list[Tensor | float] = [q, m, temperature, covariance_weight]
    return sum_over_rows(of_rows, [q], whole, width=count * (copies + 1)) / count
