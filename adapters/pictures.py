"""Pictures as bytes, made smaller."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def shrink(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures of another size.

    Args:
        pixels: ``(N, C, H, W)`` in 0 ... 255, of any type.
        size: Height and width.

    Returns:
        ``(N, C, *size)`` of bytes, each pixel the weighted mean of those it stands for (bilinear, antialiased).
    """
    whole = pixels.float()
    if tuple(pixels.shape[-2:]) != tuple(size):
        whole = nn.functional.interpolate(whole, size=list(size), mode="bilinear", antialias=True)
    return whole.round_().clamp_(0, 255).to(torch.uint8)


def width_for(height: int, shape: tuple[int, int]) -> int:
    """Width that keeps the proportions of pictures of ``shape`` (height, width) at another height.

    >>> width_for(128, (256, 160))
    80
    """
    return max(1, round(height * shape[1] / shape[0]))
