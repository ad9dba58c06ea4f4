"""Tokens replaced by a learned one, many times over (InfMasking)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class MaskToken(nn.Module):
    """K copies of all modalities' tokens, each with a random share replaced by one learned token (specification 2.3).

    Of a sample's L tokens of a modality ``floor(L * (1 - ratio))`` stay, one at least. A modality of one token is
    hidden with probability ``ratio``, drawn for each sample and copy; where that would hide everything that the sample
    has, one of its modalities stays, each equally often.

    The released code hides a modality of one token always, and counts padded steps as tokens. Here padding stays
    padding and L is the number of the sample's tokens: always hidden, two modalities of one token each would leave
    nothing to distinguish.

    Args:
        width: Token width D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(1, 1, width))
        nn.init.trunc_normal_(self.token, std=0.02, a=-0.02, b=0.02)

    def forward(
        self,
        tokens: Mapping[str, Tensor],
        padding: Mapping[str, Tensor | None],
        ratio: float,
        copies: int,
        generator: torch.Generator | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | None]]:
        """Tokens ``(B, T, D)`` and padding ``(B, T)`` to ``(K * B, T, D)`` and ``(K * B, T)``, the first copy first.

        Args:
            tokens: Tokens of each modality.
            padding: True where a token is padding; None where none is.
            ratio: Share of each sample's tokens that is replaced, in [0, 1).
            copies: K, each masked anew.
            generator: Source of the choice.
        """
        draws = {name: _draw(part, padding[name], copies, generator) for name, part in tokens.items()}
        # what decides on a modality's only token; one of several tokens stays anyway, a missing one cannot
        coins = torch.stack(
            [
                noise.amin(dim=-1).masked_fill(valid > 1, math.inf).masked_fill(valid == 0, -math.inf)
                for noise, valid in draws.values()
            ]
        )  # (n, K, B)
        hidden = (coins < ratio) & (coins < coins.amax(dim=0))
        masked: dict[str, Tensor] = {}
        for (name, (noise, valid)), whole in zip(draws.items(), hidden, strict=True):
            # ranks of the noise: a sample's own tokens in random order, then its padding
            keep = noise.argsort(dim=-1).argsort(dim=-1) < kept_tokens(valid, ratio).unsqueeze(1)  # (K, B, T)
            keep = (keep & ~whole.unsqueeze(-1)).unsqueeze(-1)
            masked[name] = torch.where(keep, tokens[name], self.token).flatten(0, 1)
        return masked, {name: None if mask is None else mask.repeat(copies, 1) for name, mask in padding.items()}


def _draw(
    tokens: Tensor, padding: Tensor | None, copies: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Noise ``(K, B, T)`` in [0, 1), above it where a token is padding, and the number of valid tokens ``(B,)``."""
    size, length, _ = tokens.shape
    noise = torch.rand(copies, size, length, device=tokens.device, generator=generator)
    if padding is None:
        return noise, torch.full((size,), length, device=tokens.device)
    return noise.masked_fill(padding, 2.0), (~padding).sum(dim=1)


def kept_tokens(valid: Tensor, ratio: float) -> Tensor:
    """``floor(L * (1 - ratio))`` in double precision, but at least 1, for each L of ``valid`` (any shape, integers).

    The rounding is the published one: 0.2 of 50 is a little less than 10.

    >>> kept_tokens(torch.tensor([50, 10, 24, 1]), 0.8).tolist()
    [9, 1, 4, 1]
    """
    return (valid.double() * (1 - ratio)).floor().long().clamp(min=1)
