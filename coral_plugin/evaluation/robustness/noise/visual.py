"""Noise on images ``(B, C, H, W)`` in [0, 1], after MultiBench's ``robustness/visual_robust.py``.

Ten operations in a row, each on an image with probability ``level``: at level 1 all of them. Those on colour leave
images without three channels alone, and images that have become gray. Four have bugs in MultiBench and do here what
their names promise: there, salt is the value 1 of 255, Gaussian noise has a standard deviation below one of 255 gray
levels and wraps around, both make the image gray, and a crop exchanges height and width.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from coral_plugin.augmentations.colour import luma
from coral_plugin.augmentations.images import warp

DEGREES = 20.0  # greatest turn either way, as in MultiBench's code; its docstring has 20 to 40
CROP = 0.8  # share of each side that a crop keeps
# red, green and blue as picture libraries name them: their green is half as bright
_TINTS = ((1.0, 0.0, 0.0), (0.0, 128 / 255, 0.0), (0.0, 0.0, 1.0))
_COOLEST, _HOTTEST = 1000.0, 10000.0  # kelvin


def visual(images: Tensor, lengths: Tensor, level: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """All ten, one after the other, each on an image with probability ``level``; what changes ends in [0, 1]."""

    def coin() -> Tensor:
        return torch.rand(len(images), device=images.device, generator=generator) < level

    coloured = images.shape[1] == 3
    gray = coin() & coloured
    result = _where(gray, lambda x: luma(x).expand_as(x), images) if coloured else images
    result = _where(coin(), low_contrast, result)
    result = _where(coin(), lambda x: 1 - x, result)
    for change in (white_balance, tint):
        # both draw for every image, so that what one gets does not depend on its neighbours
        result = torch.where(_wide(coin() & ~gray & coloured), change(result, generator), result)
    result = torch.where(_wide(coin()), salt_and_pepper(result, level, generator), result)
    result = torch.where(_wide(coin()), gaussian(result, level, generator), result)
    for move in (turned, mirrored, cropped):
        result = torch.where(_wide(coin()), move(result, generator), result)
    return torch.where(result == images, images, result.clamp(0, 1))


def low_contrast(images: Tensor) -> Tensor:
    """Half way to the mean luma of the image."""
    mean = (luma(images) if images.shape[1] == 3 else images.mean(dim=1, keepdim=True)).mean(dim=(2, 3), keepdim=True)
    return torch.lerp(mean, images, 0.5)


def white_balance(images: Tensor, generator: torch.Generator) -> Tensor:
    """The light of a black body of 1000 to 10000 K in steps of 500, each equally likely.

    Red, green and blue are multiplied by :func:`black_body`. Images without three channels stay as they are.
    """
    temperature = torch.randint(2, 21, (len(images),), device=images.device, generator=generator) * 500.0
    if images.shape[1] != 3:
        return images
    return images * black_body(temperature).to(images.dtype).view(-1, 3, 1, 1)


def black_body(kelvin: Tensor) -> Tensor:
    """Red, green and blue ``(N, 3)`` in [0, 1] of a black body at ``kelvin`` (N,), 1000 to 10000.

    Tanner Helland's approximation of Mitchell Charity's table ("How to convert temperature to RGB", 2012).
    """
    t = kelvin.double() / 100
    cool = t <= 66
    red = torch.where(cool, 255.0, 329.698727446 * (t - 60).clamp(min=1) ** -0.1332047592)
    green = torch.where(
        cool,
        99.4708025861 * t.log() - 161.1195681661,
        288.1221695283 * (t - 60).clamp(min=1) ** -0.0755148492,
    )
    blue = torch.where(cool, 138.5177312231 * (t - 10).clamp(min=1).log() - 305.0447927307, 255.0)
    blue = torch.where(t <= 19, 0.0, blue)
    return torch.stack([red, green, blue], dim=1).clamp(0, 255) / 255


def tint(images: Tensor, generator: torch.Generator) -> Tensor:
    """70 % of the image and 30 % of red, green or blue; images without three channels as they are."""
    index = torch.randint(3, (len(images),), device=images.device, generator=generator)
    if images.shape[1] != 3:
        return images
    colours = torch.tensor(_TINTS, device=images.device, dtype=images.dtype)[index]
    return torch.lerp(images, colours.view(-1, 3, 1, 1).expand_as(images), 0.3)


def salt_and_pepper(images: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Each pixel white with probability ``level / 2``, black with the same, in all channels together."""
    draw = torch.rand(len(images), 1, *images.shape[2:], device=images.device, generator=generator)
    return images.masked_fill(draw < level / 2, 1.0).masked_fill((draw >= level / 2) & (draw < level), 0.0)


def gaussian(images: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """``x + level * N(0, 1)``, one number per pixel, added to all of its channels, cut to [0, 1]."""
    shape = (len(images), 1, *images.shape[2:])
    draw = torch.randn(shape, device=images.device, dtype=images.dtype, generator=generator)
    return (images + level * draw).clamp(0, 1)


def turned(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images turned by up to 20 degrees either way, bilinear; what comes in from outside is black."""
    angle = (2 * torch.rand(len(images), device=images.device, generator=generator) - 1) * math.radians(DEGREES)
    ratio = images.shape[-2] / images.shape[-1]
    zero = torch.zeros_like(angle)
    rows = torch.stack([angle.cos(), -angle.sin() * ratio, zero, angle.sin() / ratio, angle.cos(), zero], dim=1)
    return warp(images, rows.view(-1, 2, 3), "zeros")


def mirrored(images: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """Images with left and right exchanged."""
    return images.flip(-1)


def cropped(images: Tensor, generator: torch.Generator) -> Tensor:
    """A box of four fifths of each side, anywhere, stretched back to the size of the image, bilinear."""
    left, top = (1 - CROP) * torch.rand(2, len(images), device=images.device, generator=generator)
    zero, side = torch.zeros_like(left), torch.full_like(left, CROP)
    # grid_sample measures both sides from -1 to 1
    rows = torch.stack([side, zero, 2 * left + CROP - 1, zero, side, 2 * top + CROP - 1], dim=1)
    return warp(images, rows.view(-1, 2, 3))


def _where(chosen: Tensor, change: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.where(_wide(chosen), change(images), images)


def _wide(flags: Tensor) -> Tensor:
    return flags.view(-1, 1, 1, 1)
