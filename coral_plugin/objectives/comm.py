"""CoMM: what to align? Contrastive multimodal learning of R, U and S in one space (arXiv:2409.07402)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.losses import nt_xent
from coral_plugin.losses.comm import unimodal_joint, weighted_mean
from coral_plugin.networks import (
    EncoderBuilders,
    SharedPathway,
    projection_head,
)
from coral_plugin.objectives.base import Objective, Step, check_numbers, over_batch, training_recipe

JOINT = "joint"


class Projected(NamedTuple):
    """One view behind the head: each modality ``{name: (B, d)}`` by itself, and all of them together ``(B, d)``."""

    single: dict[str, Tensor]
    joint: Tensor


@dataclass(frozen=True, kw_only=True)
class CommSettings:
    """Settings of CoMM.

    Attributes:
        temperature: Divisor of the similarities.
        unimodal_weight: Weight of each modality's term.
        joint_weight: Weight of the term of all modalities together.
    """

    temperature: float = 0.1
    unimodal_weight: float = 1.0
    joint_weight: float = 1.0

    def __post_init__(self) -> None:
        weights = {name: value for name, value in vars(self).items() if name.endswith("_weight")}
        check_numbers(self, positive=["temperature"], weights=weights)
        if not any(weights.values()):
            raise InputError(f"At least one of {', '.join(f'method.{name}' for name in weights)} must be positive.")


class Comm(Objective):
    """CoMM pulls together, for each sample, the fused vector of all modalities and that of each alone.

    Each modality alone, and all together, go through one fusion and one head.
    """

    Settings = CommSettings
    # specification 3. Where the sources disagree on Vision&Touch (1e-3 or 1e-4) the command of the README is taken.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **dict.fromkeys(
            ("paper", "as_run_by_coral", "mosi", "humor", "ur_funny", "sarcasm", "mustard"), training_recipe(1e-3, 1e-2)
        ),
        "trifeature": training_recipe(3e-4, 1e-4),
        "mosei": training_recipe(1e-4, 1e-2),
        "mimic": training_recipe(1e-3, 1e-2) | {"network.width": 512},
        "vision_touch_ee": training_recipe(1e-3, 1e-2) | {"network.width": 128},
        "vision_touch_contact": training_recipe(1e-3, 1e-2) | {"network.width": 512},
        "vision_touch_trimodal": training_recipe(1e-4, 1e-2) | {"network.width": 512},
        "ur_funny_trimodal": training_recipe(1e-4, 1e-2),
        "imdb": training_recipe(1e-4, 1e-2, schedule="cosine", warmup=0.1) | {"network.width": 768},
    }

    def build(self, builders: EncoderBuilders) -> None:
        """A shared pathway and one head."""
        self.shared = SharedPathway(self.modalities, builders, self.width, self.network.depth, self.network.heads)
        self.shared_head = projection_head(self.width, self.network.head_hidden, self.network.head_output)

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``shared`` (B, D): the fusion of all modalities that the batch has, before the head."""
        return {"shared": self.shared(batch)}

    def projected(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """The same part behind the head, (B, head_output)."""
        return {name: self.shared_head(part) for name, part in self.embed(batch).items()}

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``unimodal/<modality>``, ``joint`` and ``total``, their weighted mean (specification 2.2).

        A modality's term is over the samples that have it.
        """
        self.shared.tokenise_ahead(step.first, step.second)
        one, two = (self._project(batch, *self.shared.tokenise(batch)) for batch in (step.first, step.second))
        return self._with_total(self._contrast(step.first, one, two))

    def _project(
        self, batch: MultimodalBatch, tokens: dict[str, Tensor], padding: dict[str, Tensor | None]
    ) -> Projected:
        """Each modality's tokens and all of them, fused and projected."""
        single = self.shared.fuse_each(tokens, padding, batch, self.shared_head)
        return Projected(single, self.shared_head(self.shared.fusion(tokens, padding)))

    def _contrast(self, batch: MultimodalBatch, one: Projected, two: Projected) -> dict[str, Tensor]:
        """The terms of two views, over the samples of all processes."""
        temperature = self.settings.temperature
        alone = partial(unimodal_joint, temperature=temperature)
        together = partial(nt_xent, temperature=temperature)
        return {
            **{
                f"unimodal/{name}": over_batch(
                    alone, one.single[name], two.single[name], one.joint, two.joint, present=batch.all_present(name)
                )
                for name in one.single
            },
            JOINT: over_batch(together, one.joint, two.joint),
        }

    def _with_total(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """The terms and ``total``; a term's weight is the setting that its name begins with."""
        weights = [getattr(self.settings, f"{name.partition('/')[0]}_weight") for name in terms]
        return {**terms, "total": weighted_mean(list(terms.values()), weights)}
