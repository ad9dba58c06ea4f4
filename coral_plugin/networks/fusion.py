"""The fusion transformer: tokens of all modalities to one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from coral_plugin.networks.attention import FusionBlock


def join_padding(tokens: Sequence[Tensor], padding: Sequence[Tensor | None]) -> Tensor | None:
    """Padding ``(B, T_1 + T_2 + ...)`` of concatenated tokens; None where nothing is padded."""
    if all(mask is None for mask in padding):
        return None
    masks = [
        torch.zeros(t.shape[:2], dtype=torch.bool, device=t.device) if mask is None else mask
        for t, mask in zip(tokens, padding, strict=True)
    ]
    return torch.cat(masks, dim=1)


class FusionTransformer(nn.Module):
    """Concatenates tokens, prepends a learned ``[CLS]`` and returns its output (specification 1.5).

    Args:
        width: Token width D.
        depth: Number of blocks.
        heads: Attention heads; divides D.
    """

    def __init__(self, width: int, depth: int = 1, heads: int = 8) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.randn(1, 1, width))
        self.blocks = nn.ModuleList(FusionBlock(width, heads, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Mapping[str, Tensor], padding: Mapping[str, Tensor | None]) -> Tensor:
        """``{modality: (B, T_i, D)}`` with ``{modality: (B, T_i) or None}`` to ``(B, D)``."""
        x, mask = self._joined(tokens, padding)
        last = len(self.blocks) - 1
        for depth, block in enumerate(self.blocks):
            x = block(x, mask, queries=1 if depth == last else None)
        fused: Tensor = self.norm(x[:, 0])
        return fused

    def all_tokens(
        self, tokens: Mapping[str, Tensor], padding: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, Tensor | None]:
        """Every output and its padding, ``[CLS]`` first: ``(B, 1 + T, D)``, T the sum of T_i, and ``(B, 1 + T)``.

        The first output is that of :meth:`forward`; what comes out at padded tokens means nothing.
        """
        x, mask = self._joined(tokens, padding)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x), mask

    def _joined(
        self, tokens: Mapping[str, Tensor], padding: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, Tensor | None]:
        parts = list(tokens.values())
        cls = self.cls.expand(parts[0].shape[0], -1, -1)
        mask = join_padding([cls, *parts], [None, *(padding.get(name) for name in tokens)])
        return torch.cat([cls, *parts], dim=1), mask  # (B, 1 + T, D)
