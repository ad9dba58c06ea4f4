"""Asymmetric masking: which modalities each view hides, how much of them, and when."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from coral_plugin.distributed import agree


def mask_tokens(tokens: Tensor, ratio: float, generator: torch.Generator | None = None) -> Tensor:
    """Tokens ``(B, T, D)`` with each token set to zero with probability ``ratio``, independently.

    Masked tokens stay in the sequence and nothing is rescaled (specification 6.9). Padding is not touched by it in
    effect: a padded token is out of the attention, masked or not.
    """
    if ratio <= 0:
        return tokens
    keep = torch.rand(tokens.shape[:2], device=tokens.device, generator=generator) >= ratio  # (B, T)
    return tokens * keep.unsqueeze(-1)


def partition(names: Sequence[str], generator: torch.Generator | None = None) -> tuple[list[str], list[str]]:
    """The modalities split at random into two disjoint halves; sizes differ by one when their number is odd.

    Which half is the greater one is random too, so that every modality is masked equally often. Processes that train
    together share one partition, since they share one batch.
    """
    device = generator.device if generator is not None else "cpu"
    order = agree(torch.randperm(len(names), device=device, generator=generator)).tolist()
    half = len(names) // 2
    if len(names) % 2:
        half += int(agree(torch.randint(2, (), device=device, generator=generator)))
    return [names[i] for i in order[:half]], [names[i] for i in order[half:]]


def mask_ratio(progress: float, stages: Sequence[float]) -> float:
    """Ratio at ``progress`` in [0, 1] of training, which spends an equal share on each of ``stages``.

    >>> [mask_ratio(p, (0.05, 0.35, 0.55, 0.75)) for p in (0.0, 0.2499, 0.25, 0.99, 1.0)]
    [0.05, 0.05, 0.35, 0.75, 0.75]
    """
    return stages[min(int(progress * len(stages)), len(stages) - 1)]
