"""Augmentations of images ``(B, C, H, W)`` in [0, 1]: the SimCLR recipe, whole batches at a time.

The draw of a sample is a parameter (a box, a factor, a width), and a sample that an operation leaves alone has the
neutral one: every operation is one pass over the batch. Results are new tensors in [0, 1]. The second argument, valid
steps elsewhere, is None for images.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from coral_plugin.augmentations import colour
from coral_plugin.augmentations.base import NOT_NEGATIVE, POSITIVE, SHARE, Range, augmentation
from coral_plugin.augmentations.sequences import uniform

_TRIES = 10


@augmentation("image", bounds={"scale": SHARE, "ratio": POSITIVE}, probability=1.0)
def resized_crop(
    images: Tensor,
    _lengths: None,
    generator: torch.Generator | None,
    *,
    scale: Range = (0.08, 1.0),
    ratio: Range = (3 / 4, 4 / 3),
) -> Tensor:
    """A random box of each image, stretched back to the size of the image, bilinear.

    The box covers ``U(scale)`` of the area with a logarithmically uniform aspect ratio, as torchvision's
    ``RandomResizedCrop`` has it, but its corners need not lie on whole pixels. A box that does not fit is drawn anew,
    up to ten times; then the image is kept whole.

    Args:
        images: ``(B, C, H, W)``.
        generator: Source of randomness.
        scale: Range of the share of the area.
        ratio: Range of width / height of the box.

    Returns:
        ``(B, C, H, W)``.
    """
    return _sample(images, *_boxes(images, generator, scale, ratio))


@augmentation("image", bounds={"scale": SHARE}, probability=1.0)
def plain_crop(
    images: Tensor, _lengths: None, generator: torch.Generator | None, *, scale: Range = (0.5, 1.0)
) -> Tensor:
    """:func:`resized_crop` of at least half of the area, for un-augmented branches (specification 1.8)."""
    return resized_crop(images, None, generator, scale=scale)


@augmentation("image", bounds={"fraction": SHARE}, probability=1.0)
def shift(images: Tensor, _lengths: None, generator: torch.Generator | None, *, fraction: float = 0.25) -> Tensor:
    """Each image moved by up to ``fraction`` of its size along either axis, its border repeated outwards.

    Removes the place of an object and nothing else: for small images, in which a crop would leave too few pixels.
    """
    draw = torch.rand(2, len(images), device=images.device, generator=generator)
    left, top = (2 * draw - 1) * fraction
    return _sample(images, left, top, torch.ones_like(left), torch.ones_like(top))


@augmentation("image", bounds={"degrees": NOT_NEGATIVE, "fraction": SHARE, "zoom": POSITIVE}, probability=1.0)
def pose(
    images: Tensor,
    _lengths: None,
    generator: torch.Generator | None,
    *,
    degrees: float = 30.0,
    fraction: float = 0.15,
    zoom: Range = (0.8, 1.25),
) -> Tensor:
    """Each image turned, moved and enlarged at random: another view of the same object.

    Removes place, orientation and size of an object, and keeps all of it in the picture, which a crop of a small image
    does not. Pixels from outside repeat the border.

    Args:
        images: ``(B, C, H, W)``.
        generator: Source of randomness.
        degrees: Greatest turn either way.
        fraction: Greatest move along either axis, as a share of the side.
        zoom: Range of the enlargement, drawn logarithmically uniform.

    Returns:
        ``(B, C, H, W)``.
    """
    batch, device = len(images), images.device
    angle = uniform(batch, (-math.radians(degrees), math.radians(degrees)), device, generator)
    factor = uniform(batch, (math.log(zoom[0]), math.log(zoom[1])), device, generator).exp()
    right, down = (2 * torch.rand(2, batch, device=device, generator=generator) - 1) * (2 * fraction)
    # grid_sample measures both sides from -1 to 1; pixels are square, so the sides' ratio enters the turn
    ratio = images.shape[-2] / images.shape[-1]
    cos, sin = angle.cos() / factor, angle.sin() / factor
    rows = torch.stack([cos, -sin * ratio, right, sin / ratio, cos, down], dim=1)
    return warp(images, rows.view(batch, 2, 3)).clamp_(0, 1)


@augmentation(
    "image", bounds={"time": POSITIVE, "frequency": POSITIVE, "delay": SHARE, "offset": SHARE}, probability=1.0
)
def spectrogram_warp(
    images: Tensor,
    _lengths: None,
    generator: torch.Generator | None,
    *,
    time: Range = (0.8, 1.25),
    frequency: Range = (0.85, 1.18),
    delay: float = 0.1,
    offset: float = 0.03,
) -> Tensor:
    """Each spectrogram as if from another voice: longer or shorter, and with its frequencies scaled.

    Speed perturbation (Ko et al., Interspeech 2015) and vocal tract length perturbation (Jaitly and Hinton, ICML
    workshop 2013) on the picture: time runs to the right and is stretched from the left edge, frequency runs upwards
    and is stretched from the lower edge. Pixels from outside repeat the border.

    Args:
        images: ``(B, C, H, W)``, frequency along H, its highest band first, time along W.
        generator: Source of randomness.
        time: Range of the factor of the duration, drawn logarithmically uniform.
        frequency: Range of the factor of the frequencies, drawn likewise.
        delay: Greatest move in time either way, as a share of W.
        offset: Greatest move in frequency either way, as a share of H.

    Returns:
        ``(B, C, H, W)``.
    """
    batch, device = len(images), images.device
    width = uniform(batch, (-math.log(time[1]), -math.log(time[0])), device, generator).exp()
    height = uniform(batch, (-math.log(frequency[1]), -math.log(frequency[0])), device, generator).exp()
    right, down = 2 * torch.rand(2, batch, device=device, generator=generator) - 1
    return _sample(images, delay * right, 1 - height + offset * down, width, height)


@augmentation("image")
def flip(images: Tensor, _lengths: None, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Left and right exchanged; nothing is drawn."""
    return images.flip(-1)


@augmentation("image", bounds={"sigma": NOT_NEGATIVE})
def blur(images: Tensor, _lengths: None, generator: torch.Generator | None, *, sigma: Range = (0.1, 2.0)) -> Tensor:
    """Gaussian blur of ``U(sigma)`` pixels at 224 pixels; at another size in proportion to the shorter side."""
    return gaussian_blur(images, uniform(len(images), sigma, images.device, generator) * _unit(images), max(sigma))


def gaussian_blur(images: Tensor, sigma: Tensor, greatest: float) -> Tensor:
    """Each image convolved with its own Gaussian, the border repeated outwards.

    Args:
        images: ``(B, C, H, W)``.
        sigma: ``(B,)`` in pixels; at 0 an image stays what it is.
        greatest: Upper bound of sigma at 224 pixels. Kernels reach three times as far.

    Returns:
        ``(B, C, H, W)``.
    """
    batch, channels, height, width = images.shape
    reach = max(1, math.ceil(3 * greatest * _unit(images)))
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma.clamp(min=1e-3).unsqueeze(1) ** 2))  # (B, K)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).to(images.dtype).repeat_interleave(channels, dim=0)
    groups = batch * channels
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    planes = padded.reshape(1, groups, height + 2 * reach, width + 2 * reach)
    rows = F.conv2d(planes, kernel.view(groups, 1, 1, -1), groups=groups)
    return F.conv2d(rows, kernel.view(groups, 1, -1, 1), groups=groups).view(images.shape)


@augmentation("image", bounds={"scale": SHARE}, probability=1.0)
def simclr(images: Tensor, _lengths: None, generator: torch.Generator | None, *, scale: Range = (0.08, 1.0)) -> Tensor:
    """The SimCLR recipe (arXiv:2002.05709, appendix A) with the probabilities of specification 1.8.

    Crop; colour jitter (0.8); grayscale (0.2); blur (0.5); horizontal flip (0.5). Images without exactly three channels
    skip the two operations on colour.
    """
    device, batch = images.device, len(images)

    def coin(probability: float) -> Tensor:
        return torch.rand(batch, device=device, generator=generator) < probability

    left, top, width, height = _boxes(images, generator, scale, (3 / 4, 4 / 3))
    # mirrored while it is sampled: the flip commutes with all that follows
    turned = coin(0.5)
    left, width = torch.where(turned, left + width, left), torch.where(turned, -width, width)
    result = _sample(images, left, top, width, height)
    if images.shape[1] == 3:
        changed, gray = coin(0.8), coin(0.2)
        factors = colour.draw_factors(batch, device, generator)
        result = colour.adjust(result, *(torch.where(changed, f, neutral) for f, neutral in factors))
        result = torch.where(gray.view(-1, 1, 1, 1), colour.luma(result), result)
    sigma = uniform(batch, (0.1, 2.0), device, generator) * _unit(images)
    return gaussian_blur(result, torch.where(coin(0.5), sigma, 0), 2.0)


def _unit(images: Tensor) -> float:
    """The shorter side in units of 224 pixels, for which the recipe's widths are given."""
    return min(images.shape[-2:]) / 224


def _boxes(images: Tensor, generator: torch.Generator | None, scale: Range, ratio: Range) -> tuple[Tensor, ...]:
    """Left, top, width and height of a random box in each image, as shares of its sides; ``(B,)`` each."""
    batch, device = len(images), images.device
    tall, wide = images.shape[-2:]
    area = uniform(batch * _TRIES, scale, device, generator).view(batch, _TRIES)
    aspect = uniform(batch * _TRIES, (math.log(ratio[0]), math.log(ratio[1])), device, generator).exp()
    aspect = aspect.view(batch, _TRIES) * (tall / wide)  # of the sides measured as shares
    widths, heights = (area * aspect).sqrt(), (area / aspect).sqrt()
    fits = (widths <= 1) & (heights <= 1)
    first = fits.long().argmax(dim=1, keepdim=True)
    fitting = fits.any(dim=1)
    width = torch.where(fitting, widths.gather(1, first).squeeze(1), 1)
    height = torch.where(fitting, heights.gather(1, first).squeeze(1), 1)
    left = torch.rand(batch, device=device, generator=generator) * (1 - width)
    top = torch.rand(batch, device=device, generator=generator) * (1 - height)
    return left, top, width, height


def _sample(images: Tensor, left: Tensor, top: Tensor, width: Tensor, height: Tensor) -> Tensor:
    """The boxes of ``images`` at full size; a negative width reads from right to left."""
    zero = torch.zeros_like(left)
    # grid_sample measures both sides from -1 to 1
    across = torch.stack([width, zero, 2 * left + width - 1], dim=1)
    down = torch.stack([zero, height, 2 * top + height - 1], dim=1)
    # rounding of the weights may leave [0, 1] by an ulp
    return warp(images, torch.stack([across, down], dim=1)).clamp_(0, 1)


def warp(images: Tensor, affine: Tensor, outside: str = "border") -> Tensor:
    """``images`` (B, C, H, W) read at the places to which ``affine`` (B, 2, 3) takes each pixel, bilinear.

    ``outside`` is the padding mode of :func:`torch.nn.functional.grid_sample`: ``border`` or ``zeros``.
    """
    return F.grid_sample(
        images, pixel_places(affine.to(images.dtype), images), padding_mode=outside, align_corners=False
    )


def pixel_places(affine: Tensor, images: Tensor) -> Tensor:
    """Places ``(B, H, W, 2)`` to which ``affine`` (B, 2, 3) takes the pixels of ``images`` (B, C, H, W).

    What :func:`torch.nn.functional.affine_grid` returns without aligned corners, by sums in place of products of thin
    matrices, in a tenth of the time.
    """
    height, width = images.shape[-2:]
    down, right = ((2 * torch.arange(n, device=affine.device, dtype=affine.dtype) + 1) / n - 1 for n in (height, width))
    across = affine[:, :, 0, None] * right  # (B, 2, W)
    along = affine[:, :, 1, None] * down + affine[:, :, 2, None]  # (B, 2, H)
    return along.transpose(1, 2).unsqueeze(2) + across.transpose(1, 2).contiguous().unsqueeze(1)
