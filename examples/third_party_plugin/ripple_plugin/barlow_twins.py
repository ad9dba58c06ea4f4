"""An objective: Barlow Twins (arXiv:2103.03230) on the vectors of all modalities side by side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import EncoderBuilders, PooledEncoders, projection_head
from coral_plugin.objectives import Objective, Step, over_batch


@dataclass(frozen=True, kw_only=True)
class BarlowTwinsSettings:
    """Settings of Barlow Twins.

    Attributes:
        redundancy: Weight of the correlations off the diagonal (lambda of the paper).
    """

    redundancy: float = 5e-3

    def __post_init__(self) -> None:
        if not self.redundancy >= 0:
            raise InputError(f"method.redundancy cannot be negative, got {self.redundancy}.")


class BarlowTwins(Objective):
    """Both views of a sample give the same vector, whose entries have nothing in common."""

    Settings = BarlowTwinsSettings
    min_modalities = 1

    def build(self, builders: EncoderBuilders) -> None:
        """An encoder for each modality, and one head on all vectors side by side."""
        self.encoders = PooledEncoders(self.modalities, builders, self.width)
        width = self.width * len(self.modalities)
        self.head = projection_head(width, self.network.head_hidden, self.network.head_output)

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``{modality: (B, D)}`` of the modalities that the batch has."""
        vectors: dict[str, Tensor] = self.encoders(batch)
        return vectors

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Equation 1: ``invariance``, ``redundancy`` and their weighted sum ``total``."""
        one, two = (self.head(torch.cat(list(self.embed(view).values()), dim=1)) for view in (step.first, step.second))
        invariance = over_batch(lambda a, b: (1 - correlation(a, b).diagonal()).square().sum(), one, two)
        redundancy = over_batch(lambda a, b: correlation(a, b).fill_diagonal_(0).square().sum(), one, two)
        return {
            "invariance": invariance,
            "redundancy": redundancy,
            "total": invariance + self.settings.redundancy * redundancy,
        }


def correlation(one: Tensor, two: Tensor) -> Tensor:
    """Correlation ``(d, d)`` over the batch of the entries of two views ``(B, d)``."""
    one, two = ((z - z.mean(0)) / (z.std(0, correction=0) + 1e-6) for z in (one.float(), two.float()))
    return one.T @ two / len(one)
