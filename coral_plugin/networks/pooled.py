"""A modality's values to one vector, the mean of its tokens: what methods without a fusion contrast."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.networks.factory import EncoderBuilders
from coral_plugin.networks.pathways import TokenEncoder, module_key, tokenise


class PooledEncoder(nn.Module):
    """One modality to one vector: its encoder and tokenizer, then the mean over valid tokens (specification 2.4, 2.5).

    Args:
        modality: Modality to encode.
        encoder: Any module, as for :class:`TokenEncoder`.
        width: Width D of tokens and vector.
    """

    def __init__(self, modality: Modality, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.name = modality.name
        self.tokens = TokenEncoder(modality, encoder, width)

    def forward(self, batch: MultimodalBatch) -> Tensor:
        """``(B, D)``; zero for samples that lack the modality."""
        tokens, padding = tokenise(self.tokens, batch, self.name)
        if padding is None:
            return tokens.mean(dim=1)
        valid = (~padding).unsqueeze(-1)
        return (tokens * valid).sum(dim=1) / valid.sum(dim=1).clamp(min=1)


class PooledEncoders(nn.ModuleDict):
    """A fresh :class:`PooledEncoder` for each modality, under its :func:`module_key`.

    Args:
        modalities: Modalities to encode, in order.
        builders: ``{modality: function}``; each call makes a fresh encoder.
        width: Width D of tokens and vectors.
    """

    def __init__(self, modalities: Iterable[Modality], builders: EncoderBuilders, width: int) -> None:
        super().__init__({module_key(m.name): PooledEncoder(m, builders[m.name](), width) for m in modalities})

    def forward(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``{modality: (B, D)}`` of the modalities that the batch has; zero where a sample lacks one."""
        return {name: self[module_key(name)](batch) for name in batch}
