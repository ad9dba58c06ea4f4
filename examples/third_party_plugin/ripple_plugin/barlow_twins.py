"""An objective: Barlow Twins (arXiv:2103.03230) on the vectors of all modalities side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import EncoderLike, NetworkSettings, default_width, projection_head, resolve_encoders
from coral_plugin.networks.pathways import pooled_encoders, safe
from coral_plugin.objectives import Objective, over_batch


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
    """Both views of a sample give the same vector, whose entries have nothing in common.

    Args:
        modalities: One or more.
        network: Width, encoders by name, head.
        settings: Of the method.
        encoders: Modules or functions from Python; they win over the names in ``network``.
    """

    Settings = BarlowTwinsSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}}

    def __init__(
        self,
        modalities: tuple[Modality, ...],
        network: NetworkSettings,
        settings: BarlowTwinsSettings,
        encoders: Mapping[str, EncoderLike] | None = None,
    ) -> None:
        super().__init__(modalities, network, settings, encoders)
        width = network.width or default_width(modalities)
        builders = resolve_encoders(modalities, {**network.encoders, **(encoders or {})}, width)
        self.settings, self.names = settings, [modality.name for modality in modalities]
        self.encoders = pooled_encoders(modalities, builders, width)
        self.head = projection_head(width * len(modalities), network.head_hidden, network.head_output)

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``{modality: (B, D)}`` of the modalities that the batch has."""
        return {name: self.encoders[safe(name)](batch) for name in batch}

    def loss(
        self,
        first: MultimodalBatch,
        second: MultimodalBatch,
        progress: float,
        generator: torch.Generator | None = None,
        *,
        raw: MultimodalBatch | None = None,
    ) -> dict[str, Tensor]:
        """Equation 1: ``invariance``, ``redundancy`` and their weighted sum ``total``."""
        del progress, generator, raw
        one, two = (self.head(torch.cat(list(self.embed(view).values()), dim=1)) for view in (first, second))
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
