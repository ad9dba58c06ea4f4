"""What clip, cross_self, cmc, simclr and slip have in common: one vector for each modality, and a head on it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import EncoderLike, NetworkSettings, default_width, pooled_encoders, resolve_encoders
from coral_plugin.networks.heads import project_present, project_views
from coral_plugin.networks.pathways import safe
from coral_plugin.objectives.base import Objective, over_batch


class PooledObjective(Objective):
    """Each modality has an encoder, whose valid tokens are averaged to a vector (B, D), and a head of its own.

    Args:
        modalities: What is encoded, in order.
        network: Width, encoders by name and heads.
        settings: Of the method.
        encoders: Modules or functions from Python; they win over the names in ``network``.

    Attributes:
        name: Of the method, as registered.
        least: Modalities that it needs.

    Raises:
        InputError: fewer modalities than the method needs.
    """

    name: ClassVar[str]
    least: ClassVar[int] = 2

    def __init__(
        self,
        modalities: tuple[Modality, ...],
        network: NetworkSettings,
        settings: Any,
        encoders: Mapping[str, EncoderLike] | None = None,
    ) -> None:
        super().__init__(modalities, network, settings, encoders)
        if len(modalities) < self.least:
            given = ", ".join(m.name for m in modalities) or "none"
            needed = "one modality" if self.least == 1 else "two modalities"
            hint = "" if self.least == 1 else "; simclr works with one"
            raise InputError(f"{self.name} needs at least {needed}, got {len(modalities)} ({given}){hint}.")
        self.settings = settings
        self.modalities = modalities
        self.width = network.width or default_width(modalities)
        builders = resolve_encoders(modalities, {**network.encoders, **(encoders or {})}, self.width)
        self.encoders = pooled_encoders(modalities, builders, self.width)
        self.heads = nn.ModuleDict({safe(m.name): self.head(self.width, network) for m in modalities})

    @staticmethod
    @abstractmethod
    def head(width: int, network: NetworkSettings) -> nn.Module:
        """A fresh head, ``(B, width)`` to ``(B, network.head_output)``."""

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """The vector (B, D) of each modality that the batch has; zero where a sample lacks it."""
        return {name: self.encoders[safe(name)](batch) for name in batch}

    def projected(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """The vectors behind the heads, each (B, head_output); zero where a sample lacks the modality."""
        return self.project(batch, self.heads)

    def project(self, batch: MultimodalBatch, heads: nn.ModuleDict) -> dict[str, Tensor]:
        """The vectors behind ``heads``, ``{name: (B, head_output)}``."""
        return {
            name: project_present(heads[safe(name)], self.encoders[safe(name)](batch), batch.all_present(name))
            for name in batch
        }

    def project_two(
        self, first: MultimodalBatch, second: MultimodalBatch, heads: nn.ModuleDict
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """:meth:`project` of two views of the same samples, in one call of each head."""
        one, two = {}, {}
        for name in first:
            encoder = self.encoders[safe(name)]
            vectors = (encoder(first), encoder(second))
            one[name], two[name] = project_views(heads[safe(name)], vectors, first.all_present(name))
        return one, two


def over_pairs(loss: Callable[..., Tensor], parts: Mapping[str, Tensor], batch: MultimodalBatch) -> Tensor:
    """Mean of ``loss`` over all pairs of modalities, each on the samples that have both.

    Args:
        loss: Function of two tensors (N, d); a scalar.
        parts: ``{modality: (B, d)}``.
        batch: Where they come from; says which samples have which modality.

    Raises:
        InputError: fewer than two modalities.
    """
    if len(parts) < 2:
        raise InputError(f"A loss between modalities needs two of them in the batch, got {', '.join(parts) or 'none'}.")
    pairs = combinations(parts, 2)
    return torch.stack([over_batch(loss, parts[a], parts[b], present=batch.all_present(a, b)) for a, b in pairs]).mean()


def over_modalities(
    loss: Callable[..., Tensor], one: Mapping[str, Tensor], two: Mapping[str, Tensor], batch: MultimodalBatch
) -> Tensor:
    """Mean over the modalities of ``loss`` between two views, each on the samples that have the modality.

    Args:
        loss: Function of two tensors (N, d); a scalar.
        one: ``{modality: (B, d)}`` of the first view.
        two: The same of the second view.
        batch: Where they come from; says which samples have which modality.
    """
    return torch.stack([over_batch(loss, one[name], two[name], present=batch.all_present(name)) for name in one]).mean()


def check_numbers(settings: Any, *, positive: Iterable[str] = (), weights: Iterable[str] = ()) -> None:
    """Settings that are divided by must be positive, and weights cannot be negative.

    Raises:
        InputError: one is not; NaN and infinity are neither.
    """
    for name in positive:
        if not 0 < getattr(settings, name) < math.inf:
            raise InputError(f"method.{name} must be positive, got {getattr(settings, name)}.")
    for name in weights:
        if not 0 <= getattr(settings, name) < math.inf:
            raise InputError(f"method.{name} cannot be negative, got {getattr(settings, name)}.")
