"""InfMasking: CoMM, and the joint view against many masked views of itself (arXiv:2509.25270)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from coral_plugin.errors import InputError
from coral_plugin.losses.infmasking import masked_bound
from coral_plugin.networks import EncoderBuilders
from coral_plugin.networks.mask_token import MaskToken
from coral_plugin.objectives.base import Step, check_numbers, over_batch, training_recipe
from coral_plugin.objectives.comm import Comm, CommSettings


@dataclass(frozen=True, kw_only=True)
class InfMaskingSettings(CommSettings):
    """Settings of InfMasking; the defaults are those of its Trifeature runs, which COrAL's authors took everywhere.

    Attributes:
        temperature: Divisor of the similarities.
        masked_weight: Weight of each view's term with its masked views.
        unimodal_weight: Weight of each modality's term.
        joint_weight: Weight of the term of all modalities together.
        covariance_scale: lambda, the factor of the covariance of the masked views at the end of the training;
            it grows linearly from 0 on.
        mask_ratio: rho, share of each modality's tokens that is replaced, in [0, 1); of a modality of one token the
            probability that it is.
        masks: Number K of masked views of each view.
    """

    masked_weight: float = 1.0
    covariance_scale: float = 1.0
    mask_ratio: float = 0.7
    masks: int = 6

    def __post_init__(self) -> None:
        check_numbers(self, weights=["covariance_scale"])
        if not 0 <= self.mask_ratio < 1:
            raise InputError(f"method.mask_ratio is a share in [0, 1), got {self.mask_ratio}.")
        if self.masks < 1:
            raise InputError(f"method.masks must be at least 1, got {self.masks}.")
        super().__post_init__()


def _recipe(
    rate: float,
    decay: float,
    temperature: float,
    scale: float,
    ratio: float,
    masks: int,
    joint: float = 1.0,
    **more: Any,
) -> dict[str, Any]:
    """A row of the table in specification 2.3, and more of its training."""
    return {
        **training_recipe(rate, decay, **more),
        "method.temperature": temperature,
        "method.covariance_scale": scale,
        "method.mask_ratio": ratio,
        "method.masks": masks,
        "method.joint_weight": joint,
    }


class InfMasking(Comm):
    """InfMasking is CoMM that also compares the fused vector of all modalities with those of many masked views.

    In all presets a modality that is one token for the fusion is hidden in a masked view with probability
    ``mask_ratio``, and one modality of a sample at least is seen; the released code hides such a modality always
    (:class:`MaskToken`).
    """

    Settings = InfMaskingSettings
    deterministic: ClassVar[Mapping[str, Any]] = {"mask_ratio": 0.0}
    # The released runs stop early on Trifeature and with three modalities, and choose the epoch by the probe; here
    # the last of 100 counts. The decay of `as_run_by_coral`, its lambda and weights are not stated: Trifeature's.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **dict.fromkeys(("paper", "as_run_by_coral", "trifeature"), _recipe(3e-4, 1e-4, 0.1, 1.0, 0.7, 6)),
        "mosi": _recipe(1e-3, 1e-2, 0.1, 0.25, 0.8, 5),
        **dict.fromkeys(("humor", "ur_funny"), _recipe(1e-3, 1e-2, 0.05, 2.0, 0.5, 4, joint=5.0)),
        **dict.fromkeys(("sarcasm", "mustard"), _recipe(1e-3, 5e-2, 0.05, 1.0, 0.5, 5)),
        "mimic": _recipe(3e-4, 1e-2, 0.2, 1.0, 0.8, 6, joint=5.0) | {"network.width": 512},
        "vision_touch_contact": _recipe(1e-4, 1e-2, 0.1, 1.0, 0.7, 6) | {"network.width": 512},
        "vision_touch_ee": _recipe(1e-4, 1e-2, 0.1, 1.0, 0.5, 4, joint=5.0) | {"network.width": 128},
        "ur_funny_trimodal": _recipe(1e-3, 1e-2, 0.05, 2.0, 0.5, 4) | {"network.depth": 2},
        "vision_touch_trimodal": _recipe(1e-4, 1e-2, 0.1, 1.0, 0.8, 5) | {"network.depth": 2, "network.width": 512},
        "imdb": _recipe(1e-3, 1e-2, 0.2, 0.5, 0.8, 4, joint=5.0, epochs=70, schedule="cosine", warmup=10 / 70)
        | {"network.width": 768},
    }

    settings: InfMaskingSettings

    def build(self, builders: EncoderBuilders) -> None:
        """The networks of CoMM, and a mask token."""
        super().build(builders)
        self.mask = MaskToken(self.width)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``masked/first``, ``masked/second``, CoMM's, and their weighted mean ``total`` (specification 2.3).

        The weight of the covariance is :meth:`covariance_weight` of ``progress``.
        """
        weight = self.covariance_weight(step.progress)
        self.used = {"covariance_weight": weight}
        bound = partial(masked_bound, temperature=self.settings.temperature, covariance_weight=weight)
        terms, views = {}, []
        self.shared.tokenise_ahead(step.first, step.second)
        for name, batch in (("first", step.first), ("second", step.second)):
            tokens, padding = self.shared.tokenise(batch)
            view = self._project(batch, tokens, padding)
            terms[f"masked/{name}"] = over_batch(
                bound, view.joint, self._project_masked(tokens, padding, step.generator)
            )
            views.append(view)
        return self._with_total({**terms, **self._contrast(step.first, *views)})

    def covariance_weight(self, progress: float) -> float:
        """r, what the covariance is scaled by when ``progress`` of the training is over.

        The released code holds ``lambda * (e + 1) / E`` during epoch e (from 0) of E. Here it is ``lambda * progress``,
        step by step: the same at the end of each epoch, and within it smaller by up to ``lambda / E``.
        """
        return self.settings.covariance_scale * progress

    def _project_masked(
        self, tokens: dict[str, Tensor], padding: dict[str, Tensor | None], generator: torch.Generator | None
    ) -> Tensor:
        """``(B, K, d)``: K masked views of the joint tokens, fused at once, each normalised by itself in the head."""
        copies = self.settings.masks
        fused = self.shared.fusion(*self.mask(tokens, padding, self.settings.mask_ratio, copies, generator))
        projected: Tensor = self.shared_head(fused, copies)
        return projected.unflatten(0, (copies, -1)).transpose(0, 1)
