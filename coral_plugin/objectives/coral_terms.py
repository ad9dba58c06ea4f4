"""The terms of COrAL's loss on projected parts, and which modalities each view masks, whatever networks made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from coral_plugin.losses import cosine_embedding, info_nce, nt_xent, squared_cosine
from coral_plugin.losses.supervised import supervised_contrast
from coral_plugin.networks.masking import mask_ratio, partition
from coral_plugin.objectives.base import over_batch

if TYPE_CHECKING:
    from coral_plugin.objectives.coral import CoralSettings

_PENALTIES = {"cosine": cosine_embedding, "squared_cosine": squared_cosine}


def coral_terms(
    one: Mapping[str, Tensor],
    two: Mapping[str, Tensor],
    *,
    settings: CoralSettings,
    present: Mapping[str, Tensor | None] | None = None,
    classes: Tensor | None = None,
) -> dict[str, Tensor]:
    """Terms ``shared``, ``unique``, ``orthogonality`` (unweighted) and ``total`` (paper, equations 3 to 8).

    Args:
        one: Parts of one view behind their projection heads, ``shared`` first, each ``(B, d)``.
        two: The same of the other view.
        settings: Of the method.
        present: ``(B,)`` of bool for each part, which samples have it; None where all have.
        classes: ``(B,)`` where samples of a class are positives.
    """
    present = present or dict.fromkeys(one)
    labels = [] if classes is None else [classes]
    loss = partial(_contrast, settings)
    contrast = {name: over_batch(loss, one[name], two[name], *labels, present=present[name]) for name in one}
    shared = contrast.pop("shared")
    unique = torch.stack(list(contrast.values())).sum()
    # the shared part comes first, so the pairs are (shared, unique) and (unique, unique)
    penalty = _PENALTIES[settings.orthogonality]
    orthogonality = torch.stack(
        [
            over_batch(penalty, view[a], view[b], present=_both(present[a], present[b]), least=1)
            for view in (one, two)
            for a, b in combinations(view, 2)
        ]
    ).sum()
    total = (
        settings.shared_weight * shared
        + settings.unique_weight * unique
        + settings.orthogonality_weight * orthogonality
    )
    return {"shared": shared, "unique": unique, "orthogonality": orthogonality, "total": total}


def ratio_at(settings: CoralSettings, progress: float) -> float:
    """The mask ratio at ``progress`` in [0, 1] of the training."""
    match settings.masking:
        case "none":
            return 0.0
        case "constant":
            return settings.mask_ratio
    return mask_ratio(progress, settings.mask_stages)


def view_masks(
    settings: CoralSettings, names: Sequence[str], progress: float, generator: torch.Generator | None
) -> tuple[dict[str, float], dict[str, float]]:
    """``{modality: mask ratio}`` of the modalities that each of the two views masks."""
    if settings.mask_partition == "fixed":
        half = (len(names) + 1) // 2
        parts = list(names[:half]), list(names[half:])
    else:
        parts = partition(names, generator)
    ratio = ratio_at(settings, progress)
    return dict.fromkeys(parts[0], ratio), dict.fromkeys(parts[1], ratio)


def _contrast(settings: CoralSettings, one: Tensor, two: Tensor, classes: Tensor | None = None) -> Tensor:
    if classes is not None:
        neutral = settings.positives == "class_neutral"
        return supervised_contrast(one, two, classes, temperature=settings.temperature, neutral=neutral)
    loss = nt_xent if settings.contrast == "nt_xent" else info_nce
    return loss(one, two, temperature=settings.temperature)


def _both(one: Tensor | None, two: Tensor | None) -> Tensor | None:
    """Samples that have both; None where that is every sample."""
    return one if two is None else two if one is None else one & two
