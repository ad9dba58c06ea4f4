"""Latent converters: what an encoder returns to tokens of the fusion width (specification 1.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# above this many features one token for each is more tokens than the attention is worth
MAX_FEATURE_TOKENS = 64


class FeatureTokenizer(nn.Module):
    """A vector of m features to m tokens: ``token_j = x_j W_j + b_j``, W and b drawn from N(0, 1).

    Args:
        features: m.
        width: Token width D.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, width))
        self.bias = nn.Parameter(torch.randn(features, width))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, m)`` to ``(B, m, D)``."""
        return x.unsqueeze(-1) * self.weight + self.bias


class VectorTokenizer(nn.Module):
    """A vector to one token; a linear map where its size is not the width already.

    Args:
        features: Size of the vector.
        width: Token width D.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.project = nn.Identity() if features == width else nn.Linear(features, width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, m)`` to ``(B, 1, D)``."""
        token: Tensor = self.project(x)
        return token.unsqueeze(1)


class SequenceTokenizer(nn.Module):
    """A sequence to tokens, step by step; a linear map where its size is not the width already.

    Args:
        features: Size of a step.
        width: Token width D.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.project = nn.Identity() if features == width else nn.Linear(features, width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, m)`` to ``(B, T, D)``."""
        tokens: Tensor = self.project(x)
        return tokens


class PatchTokenizer(nn.Module):
    """A feature map to one token a cell: 1x1 convolution plus a fixed 2-D sine-cosine position code.

    Args:
        channels: Channels C of the map.
        grid: Height and width (h, w) of the map.
        width: Token width D; a multiple of 4.
    """

    position: Tensor

    def __init__(self, channels: int, grid: tuple[int, int], width: int) -> None:
        super().__init__()
        self.grid = grid
        self.project = nn.Conv2d(channels, width, kernel_size=1)
        self.register_buffer("position", sine_cosine_position(grid, width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, h, w)`` to ``(B, h * w, D)``."""
        return self.project(x).flatten(2).transpose(1, 2) + self.position


def sine_cosine_position(grid: tuple[int, int], width: int) -> Tensor:
    """Fixed position code of an (h, w) grid: sines and cosines of row and column, ``(h * w, width)``.

    With ``p = width / 4`` and ``w_k = 10000^(-k / p)`` the code of cell (r, c) is
    ``[sin(r w), cos(r w), sin(c w), cos(c w)]``; a width that is no multiple of 4 is cut from the next one.
    """
    quarter = -(-width // 4)
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    return torch.cat([_waves(cells.flatten(), quarter) for cells in (rows, columns)], dim=1)[:, :width].float()


def step_position(steps: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Fixed position code of the steps of a series: sines and cosines, ``(steps, width)`` (arXiv:1706.03762).

    With ``p = width / 2`` and ``w_k = 10000^(-k / p)`` the code of step t is ``[sin(t w), cos(t w)]``; an odd width is
    cut from the next one.
    """
    return _waves(torch.arange(steps, device=device), -(-width // 2))[:, :width].float()


def _waves(places: Tensor, count: int) -> Tensor:
    """``(T,)`` to sines and cosines of ``count`` frequencies, ``(T, 2 * count)``."""
    frequency = 10_000 ** (-torch.arange(count, dtype=torch.float64, device=places.device) / count)
    angle = places[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def tokenizer_for(output: tuple[int, ...], width: int) -> nn.Module:
    """The tokenizer that fits an encoder's output of shape ``output`` (without the batch axis).

    A vector of the width is one token; a shorter one up to 64 features gives a token a feature, any other is projected
    to one token. A sequence keeps its steps; a feature map gives a token a cell.

    Raises:
        ValueError: the output is none of the three.
    """
    if len(output) == 1:
        small = output[0] != width and output[0] <= MAX_FEATURE_TOKENS
        return (FeatureTokenizer if small else VectorTokenizer)(output[0], width)
    if len(output) == 2:
        return SequenceTokenizer(output[1], width)
    if len(output) == 3:
        return PatchTokenizer(output[0], (output[1], output[2]), width)
    raise ValueError(f"no tokenizer for an output of shape {output}")
