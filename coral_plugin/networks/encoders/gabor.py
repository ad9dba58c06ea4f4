"""Oriented energies of an image: a fixed first layer that tells textures apart before anything is learnt."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# wavelengths in units of the window: of these two the longer one is a blob or an edge, the shorter one a grating
_WAVELENGTHS = (0.42, 0.8)
_ENVELOPE = 0.5  # of the Gaussian envelope, in wavelengths


class Energies(NamedTuple):
    """What :class:`GaborEnergy` returns.

    Attributes:
        values: ``(B, C + 1, h, w)``, channels innermost: the energies and colours, and a last channel of ones, by which
            a convolution can add a shift that ends at the border.
        mean: ``(C,)`` mean of each channel over the batch, without the ones.
        variance: ``(C,)`` biased variance likewise.
    """

    values: Tensor
    mean: Tensor
    variance: Tensor


class GaborEnergy(nn.Module):
    """Moduli of Gabor filters in quadrature on the grey image, and its colours, at half the size.

    A pair of filters a quarter of a wave apart responds alike wherever a grating begins: the modulus says which
    orientation and wavelength are there and not where their crests lie (Adelson & Bergen 1985; the first order of a
    scattering transform, Bruna & Mallat 2013, arXiv:1203.1513). Nothing of it is trained.

    Args:
        channels: Number of channels of the image.
        orientations: Number of orientations of the filters, evenly spaced.
        window: Side of a filter in pixels, odd.

    Attributes:
        output_channels: Two wavelengths by ``orientations``, and the image's own channels.
        signature: Arguments; two layers of the same arguments compute the same.
    """

    filters: Tensor

    def __init__(self, channels: int, orientations: int, window: int) -> None:
        super().__init__()
        self.register_buffer("filters", gabor_pairs(orientations, window), persistent=False)
        self.output_channels = len(self.filters) // 2 + channels
        self.signature = (channels, orientations, window)

    def forward(self, images: Tensor) -> Energies:
        """``(B, C, H, W)`` to :class:`Energies` of ``(B, output_channels + 1, ceil(H / 2), ceil(W / 2))``.

        They have a gradient where the images want one (saliency maps, a network in front).
        """
        planes = images.contiguous()  # one channel at a time is read faster so
        grey = planes.mean(dim=1, keepdim=True)
        # the strides of one channel say nothing, but torch reads the layout of the result from them
        filters = self.filters.flatten(1).unflatten(1, (1, *self.filters.shape[2:]))
        even, odd = F.conv2d(grey, filters, stride=2, padding=filters.shape[-1] // 2).chunk(2, dim=1)
        # values are of the order of 1, where torch.hypot's care for overflow only costs time
        squares = even.square().addcmul_(odd, odd)
        if squares.requires_grad:  # the root's slope at zero, where an image is black, is infinite
            squares = squares.clamp(min=torch.finfo(squares.dtype).tiny)
        features = torch.cat([squares.sqrt_(), _halved(planes)], dim=1)
        # in two passes: torch.var_mean takes fifteen times as long
        mean = features.mean(dim=(0, 2, 3))
        variance = (features - mean.view(1, -1, 1, 1)).square_().mean(dim=(0, 2, 3))
        values = F.pad(features, (0, 0, 0, 0, 0, 1), value=1.0).contiguous(memory_format=torch.channels_last)
        return Energies(values, mean, variance)


def _halved(planes: Tensor) -> Tensor:
    """Means of 2 x 2 pixels; at an odd edge of those that are there. torch's own pooling takes five times as long."""
    if planes.shape[-1] % 2 or planes.shape[-2] % 2:
        return F.avg_pool2d(planes, 2, ceil_mode=True)
    columns = planes[..., ::2] + planes[..., 1::2]
    return (columns[..., ::2, :] + columns[..., 1::2, :]).mul_(0.25)


def gabor_pairs(orientations: int, window: int) -> Tensor:
    """Even filters, then the odd one of each a quarter of a wave apart: ``(4 * orientations, 1, window, window)``.

    Each has unit length and no response to a uniform image.

    >>> gabor_pairs(3, 9).shape, bool(gabor_pairs(3, 9).sum(dim=(2, 3)).abs().max() < 1e-5)
    (torch.Size([12, 1, 9, 9]), True)
    """
    away = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    down, right = torch.meshgrid(away, away, indexing="ij")
    filters = []
    for phase, share, turn in product((0.0, math.pi / 2), _WAVELENGTHS, range(orientations)):
        wavelength, angle = share * window, math.pi * turn / orientations
        envelope = torch.exp(-(down**2 + right**2) / (2 * (_ENVELOPE * wavelength) ** 2))
        along = right * math.cos(angle) + down * math.sin(angle)
        wave = envelope * torch.cos(2 * math.pi * along / wavelength + phase)
        wave = wave - envelope * (wave.sum() / envelope.sum())
        filters.append(wave / wave.norm())
    return torch.stack(filters).unsqueeze(1).float()
