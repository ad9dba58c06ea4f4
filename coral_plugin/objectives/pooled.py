"""What clip, cross_self, cmc, simclr and slip have in common: one vector for each modality, and a head on it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import (
    EncoderBuilders,
    NetworkSettings,
    PooledEncoders,
    module_key,
)
from coral_plugin.networks.alongside import EncoderCall, tokenise_ahead
from coral_plugin.networks.heads import project_present, project_views
from coral_plugin.objectives.base import Objective, over_batch


class PooledObjective(Objective):
    """Each modality has an encoder, whose valid tokens are averaged to a vector (B, D), and a head of its own."""

    def build(self, builders: EncoderBuilders) -> None:
        """An encoder and a head for each modality."""
        self.encoders = PooledEncoders(self.modalities, builders, self.width)
        self.heads = nn.ModuleDict({module_key(m.name): self.head(self.width, self.network) for m in self.modalities})

    @staticmethod
    @abstractmethod
    def head(width: int, network: NetworkSettings) -> nn.Module:
        """A fresh head, ``(B, width)`` to ``(B, network.head_output)``."""

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """The vector (B, D) of each modality that the batch has; zero where a sample lacks it."""
        vectors: dict[str, Tensor] = self.encoders(batch)
        return vectors

    def projected(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """The vectors behind the heads, each (B, head_output); zero where a sample lacks the modality."""
        return self.project(batch, self.heads)

    def project(self, batch: MultimodalBatch, heads: nn.ModuleDict) -> dict[str, Tensor]:
        """The vectors behind ``heads``, ``{name: (B, head_output)}``."""
        self.tokenise_ahead((name, batch) for name in batch)
        return {
            name: project_present(
                heads[module_key(name)], self.encoders[module_key(name)](batch), batch.all_present(name)
            )
            for name in batch
        }

    def tokenise_ahead(self, calls: Iterable[tuple[str, MultimodalBatch]]) -> None:
        """Compute the tokens of modalities of batches, in the order in which they are needed, where that is faster."""
        tokenise_ahead(EncoderCall(self.encoders[module_key(name)].tokens, batch, name) for name, batch in calls)

    def project_two(
        self, first: MultimodalBatch, second: MultimodalBatch, heads: nn.ModuleDict
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """:meth:`project` of two views of the same samples, in one call of each head."""
        self.tokenise_ahead((name, batch) for name in first for batch in (first, second))
        one, two = {}, {}
        for name in first:
            encoder = self.encoders[module_key(name)]
            vectors = (encoder(first), encoder(second))
            one[name], two[name] = project_views(heads[module_key(name)], vectors, first.all_present(name))
        return one, two


def over_pairs(loss: Callable[..., Tensor], parts: Mapping[str, Tensor], batch: MultimodalBatch) -> Tensor:
    """Mean of ``loss`` over all pairs of modalities, each on the samples that have both.

    Args:
        loss: Function of two tensors (N, d); a scalar.
        parts: ``{modality: (B, d)}``.
        batch: Batch that they were made of; knows which samples have which modality.

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
        batch: Batch that they were made of; knows which samples have which modality.
    """
    return torch.stack([over_batch(loss, one[name], two[name], present=batch.all_present(name)) for name in one]).mean()
