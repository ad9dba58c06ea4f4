"""Tokens replaced by a learned one, many times over (InfMasking)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MaskToken(nn.Module):
    """K copies of a modality's tokens, each with a random share replaced by one learned token (METHODS 2.3).

    The released code counts padded steps as tokens and hides a modality of one token always. Here L is the number of a
    sample's own tokens, padding stays padding, and at least one token is kept: a modality of one token is never hidden.

    Args:
        width: Token width D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(1, 1, width))
        nn.init.trunc_normal_(self.token, std=0.02, a=-0.02, b=0.02)

    def forward(
        self,
        tokens: Tensor,
        padding: Tensor | None,
        ratio: float,
        copies: int,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens ``(B, T, D)`` and padding ``(B, T)`` to ``(K * B, T, D)`` and ``(K * B, T)``, the first copy first.

        Args:
            tokens: Of one modality.
            padding: True where a token is padding; None where none is.
            ratio: Share of each sample's tokens that is replaced, in [0, 1).
            copies: K, each masked anew.
            generator: Source of the choice.
        """
        size, length, _ = tokens.shape
        noise = torch.rand(copies, size, length, device=tokens.device, generator=generator)
        if padding is None:
            valid = torch.full((size,), length, device=tokens.device)
        else:
            noise, valid = noise.masked_fill(padding, 2.0), (~padding).sum(dim=1)
        # ranks of the noise: a sample's own tokens in random order, then its padding
        keep = noise.argsort(dim=-1).argsort(dim=-1) < kept_tokens(valid, ratio).unsqueeze(1)  # (K, B, T)
        masked = torch.where(keep.unsqueeze(-1), tokens, self.token).flatten(0, 1)
        return masked, None if padding is None else padding.repeat(copies, 1)


def kept_tokens(valid: Tensor, ratio: float) -> Tensor:
    """``floor(L * (1 - ratio))`` in double precision, but at least 1, for each L of ``valid`` (any shape, integers).

    The rounding is the published one: 0.2 of 50 is a little less than 10.

    >>> kept_tokens(torch.tensor([50, 10, 24, 1]), 0.8).tolist()
    [9, 1, 4, 1]
    """
    return (valid.double() * (1 - ratio)).floor().long().clamp(min=1)
