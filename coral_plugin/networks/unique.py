"""Unique pathways: the tokens of one modality to one vector, in the three designs of the paper's Table 5."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from coral_plugin.errors import InputError
from coral_plugin.networks.attention import FusionBlock

UniqueDesign = Literal["mlp_half", "mlp_full", "transformer_half"]


class AttentionPooling(nn.Module):
    """Weighted mean of tokens; the weights are a softmax of dot products with one learned query (specification 6.8).

    Args:
        width: Token width.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(width))

    def forward(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """``(B, T, D)`` with padding ``(B, T)`` to ``(B, D)``; padded tokens have no weight; a row of them gives 0."""
        scores = tokens @ self.query  # (B, T)
        if padding is None:
            return torch.einsum("bt,btd->bd", scores.softmax(dim=1), tokens)
        # the least number, not minus infinity, of which a row would be no number
        scores = scores.masked_fill(padding, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=1).masked_fill(padding, 0.0)
        return torch.einsum("bt,btd->bd", weights, tokens)


class UniquePathway(nn.Module):
    """Tokens of one modality to its unique representation.

    ``mlp_half``: per token Linear(D, D), LayerNorm, GELU, Linear(D, D / 2), then attention pooling. ``mlp_full``: the
    same at width D. ``transformer_half``: Linear(D, D / 2) and one transformer block, then attention pooling.

    Args:
        width: Token width D.
        design: One of the three.
        heads: Attention heads of ``transformer_half``, 4 in Table 5; the greatest divisor of D / 2 up to it is used.

    Attributes:
        output_width: D / 2, or D for ``mlp_full``.

    Raises:
        InputError: an unknown design, or an odd width that is to be halved.

    Example:
        >>> tokens, padding = torch.ones(4, 50, 32), torch.arange(50).expand(4, 50) >= 30
        >>> UniquePathway(32)(tokens, padding).shape
        torch.Size([4, 16])
        >>> UniquePathway(32, "mlp_full")(tokens).shape
        torch.Size([4, 32])
    """

    def __init__(self, width: int, design: UniqueDesign = "mlp_half", heads: int = 4) -> None:
        super().__init__()
        if design not in get_args(UniqueDesign):
            raise InputError(f"Unknown unique pathway {design!r}; known: {', '.join(get_args(UniqueDesign))}.")
        if width % 2 and design != "mlp_full":
            raise InputError(f"A width of {width} cannot be halved for the unique pathway; make network.width even.")
        self.output_width = width if design == "mlp_full" else width // 2
        self.block: nn.Module | None = None
        if design == "transformer_half":
            self.tokens: nn.Module = nn.Linear(width, self.output_width)
            fitting = max(h for h in range(1, heads + 1) if self.output_width % h == 0)
            self.block = FusionBlock(self.output_width, fitting, depth=1)
        else:
            self.tokens = nn.Sequential(
                nn.Linear(width, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, self.output_width)
            )
        self.pool = AttentionPooling(self.output_width)

    def forward(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """``(B, T, D)`` with padding ``(B, T)`` to ``(B, output_width)``."""
        x = self.tokens(tokens)
        if self.block is not None:
            # a row of padding looks at itself: of nothing at all attention is no number
            x = self.block(x, None if padding is None else padding & ~padding.all(dim=1, keepdim=True))
        pooled: Tensor = self.pool(x, padding)
        return pooled
