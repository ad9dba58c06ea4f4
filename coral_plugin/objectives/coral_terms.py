"""COrAL's settings, the terms of its loss on projected parts, and the modalities that each view masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Literal, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from coral_plugin.errors import InputError
from coral_plugin.losses import cosine_embedding, info_nce, nt_xent, squared_cosine
from coral_plugin.losses.supervised import supervised_contrast
from coral_plugin.networks.masking import mask_ratio, partition
from coral_plugin.networks.unique import UniqueDesign
from coral_plugin.objectives.base import check_numbers, over_batch

_PENALTIES = {"cosine": cosine_embedding, "squared_cosine": squared_cosine}


@dataclass(frozen=True, kw_only=True)
class CoralSettings:
    """Settings of COrAL; the defaults are the paper's.

    Attributes:
        contrast: ``nt_xent`` (what the released code computes, and with it the published results) or ``info_nce``
            (equation 4 as printed: no negatives within a view, the positive not below).
        temperature: Divisor of the similarities. The paper prints none; its code uses 0.1.
        shared_weight: Weight of the contrastive loss of the shared pathway.
        unique_weight: Weight of the summed contrastive losses of the unique pathways.
        alignment_weight: Weight of the summed terms of each modality alone against all of them, in the shared pathway;
            0 in the paper, where nothing but the masks asks for what modalities have in common.
        orthogonality: ``cosine`` = max(0, cos) (paper, equation 7) or ``squared_cosine`` (released code).
        orthogonality_weight: 1 in the paper; 10 (MultiBench) or 1 (Trifeature) in the released code.
        masking: ``increasing`` (the stages below), ``constant`` (``mask_ratio``) or ``none``.
        mask_stages: Mask ratios of the schedule, each for an equal share of the training.
        mask_ratio: The constant ratio.
        mask_partition: ``random``: the modalities are split again for each batch (paper); ``fixed``: the first half
            of them is masked in the first view, the rest in the second (released code).
        unique_pathway: Design of the unique pathways (Table 5).
        copy_unique: Whether unique encoders, tokenizers and heads start as copies of the shared (first) ones, as in
            the released code; otherwise each is initialised by itself.
        positives: Samples that the contrastive losses pull together: ``instance``, the two views of a sample; with
            labels (fine-tuning, paper, section 5.6.5) ``class``, all samples of a class, or ``class_neutral``, the two
            views, with the other samples of the class neither pulled nor pushed.
        labels: Name of the classification task whose classes these are; the first one by default.
    """

    contrast: Literal["nt_xent", "info_nce"] = "nt_xent"
    temperature: float = 0.1
    shared_weight: float = 1.0
    unique_weight: float = 1.0
    alignment_weight: float = 0.0
    orthogonality: Literal["cosine", "squared_cosine"] = "cosine"
    orthogonality_weight: float = 1.0
    masking: Literal["increasing", "constant", "none"] = "increasing"
    mask_stages: tuple[float, ...] = (0.05, 0.35, 0.55, 0.75)
    mask_ratio: float = 0.75
    mask_partition: Literal["random", "fixed"] = "random"
    unique_pathway: UniqueDesign = "mlp_half"
    copy_unique: bool = False
    positives: Literal["instance", "class", "class_neutral"] = "instance"
    labels: str = ""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                raise InputError(f"method.{name} is one of {', '.join(get_args(hint))}, got {getattr(self, name)!r}.")
        weights = ["shared_weight", "unique_weight", "alignment_weight", "orthogonality_weight"]
        check_numbers(self, positive=["temperature"], weights=weights)
        if self.positives != "instance" and self.contrast != "nt_xent":
            raise InputError(f"method.positives {self.positives} needs method.contrast nt_xent, got {self.contrast}.")
        if self.labels and self.positives == "instance":
            raise InputError(
                "method.labels names the classes of method.positives class and has no effect with instance; the labels "
                "that are scored are the data set's (source.labels, where it has several)."
            )
        if not self.mask_stages or not all(0 <= ratio <= 1 for ratio in (*self.mask_stages, self.mask_ratio)):
            raise InputError(f"Mask ratios are shares in [0, 1], got {self.mask_stages} and {self.mask_ratio}.")


def coral_terms(
    one: Mapping[str, Tensor],
    two: Mapping[str, Tensor],
    *,
    settings: CoralSettings,
    present: Mapping[str, Tensor | None] | None = None,
    classes: Tensor | None = None,
    aligned: Tensor | None = None,
) -> dict[str, Tensor]:
    """Terms ``shared``, ``unique``, ``orthogonality`` (unweighted) and ``total`` (paper, equations 3 to 8).

    With ``aligned``, which the paper does not have, also ``alignment``.

    Args:
        one: Parts of one view behind their projection heads, ``shared`` first, each ``(B, d)``.
        two: The same of the other view.
        settings: Settings of COrAL.
        present: ``(B,)`` of bool for each part, which samples have it; None where all have.
        classes: Class of each sample, ``(B,)``, where samples of a class are positives.
        aligned: Value of :func:`alignment`.
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
    terms = {"shared": shared, "unique": unique, "orthogonality": orthogonality}
    total = (
        settings.shared_weight * shared
        + settings.unique_weight * unique
        + settings.orthogonality_weight * orthogonality
    )
    if aligned is not None:
        terms["alignment"] = aligned
        total = total + settings.alignment_weight * aligned
    return {**terms, "total": total}


def alignment(
    single: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    shared: tuple[Tensor, Tensor],
    *,
    settings: CoralSettings,
    present: Mapping[str, Tensor | None],
    classes: Tensor | None = None,
) -> Tensor:
    r"""Each modality alone in one view against all of them in the other: CoMM's term, in the shared pathway.

    .. math:: \sum_i \tfrac12 [\ell(S'_i, S'') + \ell(S''_i, S')]

    S is the shared part of a view, whose masks hide tokens; S_i is modality i alone through the same fusion and head,
    with nothing hidden. ℓ is the contrast of the settings, over the samples that have the modality.

    Args:
        single: ``{modality: (B, d)}`` of each view, through the shared pathway and its head by itself.
        shared: The shared part of each view behind its head, ``(B, d)``.
        settings: Settings of COrAL.
        present: ``(B,)`` of bool for each modality, which samples have it; None where all have.
        classes: Class of each sample, ``(B,)``, where samples of a class are positives.
    """
    labels = [] if classes is None else [classes]
    loss = partial(_contrast, settings)
    crossed = [
        over_batch(loss, alone[name], whole, *labels, present=present[name])
        for alone, whole in zip(single, reversed(shared), strict=True)
        for name in alone
    ]
    return torch.stack(crossed).sum() / 2


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
