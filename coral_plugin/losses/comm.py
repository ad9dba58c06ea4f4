"""CoMM: each modality alone is aligned with all of them together (arXiv:2409.07402)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from coral_plugin.errors import InputError
from coral_plugin.losses.contrastive import nt_xent


def unimodal_joint(
    single_first: Tensor, single_second: Tensor, joint_first: Tensor, joint_second: Tensor, *, temperature: float = 0.1
) -> Tensor:
    r"""One modality of either view against all modalities of the other view (specification 2.2).

    .. math:: \ell_i = \tfrac12 [\mathrm{NTX}(z'_i, z''_J) + \mathrm{NTX}(z''_i, z'_J)]

    The released code pairs augmented modalities, as here; the paper prints the modality without augmentation.

    Args:
        single_first: Embeddings of the modality in view 1, ``(N, d)``.
        single_second: The same in view 2, ``(N, d)``.
        joint_first: Embeddings of all modalities in view 1, ``(N, d)``.
        joint_second: The same in view 2, ``(N, d)``.
        temperature: Divisor of the cosine similarities; positive.

    Raises:
        InputError: the shapes differ or are not ``(N, d)``.

    Example:
        >>> round(unimodal_joint(*4 * [torch.eye(4)], temperature=0.5).item(), 4)
        0.5944
    """
    crossed = [
        nt_xent(single_first, joint_second, temperature=temperature),
        nt_xent(single_second, joint_first, temperature=temperature),
    ]
    return torch.stack(crossed).mean()


def weighted_mean(terms: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Sum of ``weight * term`` over the number of terms: weights are not normalised (specification 2.2, 2.3).

    Args:
        terms: Scalars.
        weights: One for each term.

    Raises:
        InputError: not one weight for each term, or no terms.

    Example:
        >>> weighted_mean([torch.tensor(2.0), torch.tensor(4.0)], [1, 3]).item()
        7.0
    """
    if not terms or len(terms) != len(weights):
        raise InputError(f"weighted_mean needs one weight for each term, got {len(weights)} for {len(terms)}.")
    return torch.stack([weight * term for weight, term in zip(weights, terms, strict=True)]).mean()
