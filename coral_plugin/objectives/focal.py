"""FOCAL: shared and private halves of each modality in orthogonal subspaces (arXiv:2310.20071; specification 2.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.losses import cosine_embedding, nt_xent
from coral_plugin.networks import EncoderBuilders, NetworkSettings
from coral_plugin.networks.heads import ProjectionHead
from coral_plugin.objectives.base import Step, check_numbers, over_batch, training_recipe
from coral_plugin.objectives.pooled import PooledObjective


@dataclass(frozen=True, kw_only=True)
class FocalSettings:
    """Settings of FOCAL.

    Attributes:
        temperature: Temperature of both contrastive terms; published are 0.5 with convolutions and a GRU (DeepSense)
            and 0.07 with a Swin transformer.
        shared_weight: Weight of the contrast between the shared halves of two modalities.
        private_weight: Weight of the contrast between two views of a private half.
        orthogonality_weight: Weight of the cosines between halves that shall be orthogonal.
    """

    temperature: float = 0.5
    shared_weight: float = 1.0
    private_weight: float = 1.0
    orthogonality_weight: float = 3.0

    def __post_init__(self) -> None:
        check_numbers(
            self, positive=["temperature"], weights=["shared_weight", "private_weight", "orthogonality_weight"]
        )


# 6,000 epochs are published, on windows of a few hours of sensors; the length and the batch are COrAL's
_TRAINING = training_recipe(1e-3, 5e-2, schedule="cosine", warmup=0.0, gradient_clip=5.0)


class Focal(PooledObjective):
    """FOCAL contrasts shared halves between modalities and private halves within each, and keeps all halves orthogonal.

    Each modality's projection is cut into a shared and a private half. Represented by the encoders' vectors, as
    published. The published loss also has a ranking term (weight 5) that keeps consecutive windows of a recording
    closer together than windows of different recordings; samples here have no order in time, so it is left out.
    """

    Settings = FocalSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": _TRAINING,
        "transformer": _TRAINING | {"method.temperature": 0.07},
    }

    @staticmethod
    def head(width: int, network: NetworkSettings) -> ProjectionHead:
        """Two linear layers with ReLU between, as wide as the output."""
        output = network.head_output
        return ProjectionHead(nn.Linear(width, output), nn.ReLU(), nn.Linear(output, output))

    def build(self, builders: EncoderBuilders) -> None:
        """An encoder and a head for each modality.

        Raises:
            InputError: ``network.head_output`` has no two halves.
        """
        if self.network.head_output % 2:
            raise InputError(f"focal cuts network.head_output in two halves; {self.network.head_output} is odd.")
        super().build(builders)

    def projected(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``shared/<modality>`` and ``unique/<modality>``, each (B, head_output / 2)."""
        return _halves(self.project(batch, self.heads))

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``shared``, ``private``, ``orthogonality`` (unweighted sums) and ``total`` (specification 2.9)."""
        views = [_halves(view) for view in self.project_two(step.first, step.second, self.heads)]
        contrast = partial(nt_xent, temperature=self.settings.temperature)
        batch, names = step.first, list(step.first)
        pairs = list(combinations(names, 2))
        shared = [
            over_batch(contrast, view[f"shared/{a}"], view[f"shared/{b}"], present=batch.all_present(a, b))
            for view in views
            for a, b in pairs
        ]
        private = [
            over_batch(contrast, *(view[f"unique/{name}"] for view in views), present=batch.all_present(name))
            for name in names
        ]
        apart = [
            *((f"shared/{name}", f"unique/{name}", batch.all_present(name)) for name in names),
            *((f"unique/{a}", f"unique/{b}", batch.all_present(a, b)) for a, b in pairs),
        ]
        cosines = [
            over_batch(cosine_embedding, view[one], view[other], present=present, least=1)
            for view in views
            for one, other, present in apart
        ]
        terms = {
            name: torch.stack(values).sum() if values else views[0][f"shared/{names[0]}"].sum() * 0.0
            for name, values in (("shared", shared), ("private", private), ("orthogonality", cosines))
        }
        total = sum(getattr(self.settings, f"{name}_weight") * value for name, value in terms.items())
        return {**terms, "total": total}


def _halves(projected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    halves = {name: part.chunk(2, dim=1) for name, part in projected.items()}
    return {
        **{f"shared/{name}": shared for name, (shared, _) in halves.items()},
        **{f"unique/{name}": unique for name, (_, unique) in halves.items()},
    }
