"""Operations on the colours of images ``(B, 3, H, W)`` in [0, 1]: brightness, contrast, saturation, hue, grayscale."""

from __future__ import annotations

import torch
from torch import Tensor

from coral_plugin.augmentations.base import NOT_NEGATIVE, SHARE, augmentation
from coral_plugin.augmentations.sequences import uniform
from coral_plugin.data import Modality
from coral_plugin.errors import InputError

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in PIL


def _coloured(modality: Modality) -> bool:
    return modality.features == 3


@augmentation(
    "image",
    bounds={"brightness": NOT_NEGATIVE, "contrast": NOT_NEGATIVE, "saturation": NOT_NEGATIVE, "hue": SHARE},
    probability=0.8,
    fits=_coloured,
)
def color_jitter(
    images: Tensor,
    _lengths: None,
    generator: torch.Generator | None,
    *,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
    hue: float = 0.1,
) -> Tensor:
    """Random brightness, contrast, saturation and hue of each image, always in this order.

    torchvision draws the order too; a fixed one needs no wait for the device and makes little difference.

    Args:
        images: ``(B, 3, H, W)``.
        generator: Source of randomness.
        brightness: The factor is drawn from ``U(max(0, 1 - b), 1 + b)``; contrast and saturation likewise.
        contrast: See brightness.
        saturation: See brightness.
        hue: The turn of the colour circle is drawn from ``U(-hue, hue)``, at most 0.5.

    Returns:
        ``(B, 3, H, W)``.

    Raises:
        InputError: images without three channels.
    """
    _check(images, "color_jitter")
    drawn = draw_factors(len(images), images.device, generator, (brightness, contrast, saturation), hue)
    return adjust(images, *(factor for factor, _ in drawn))


@augmentation("image", probability=0.2, fits=_coloured)
def grayscale(images: Tensor, _lengths: None, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """All three channels replaced by the luma; nothing is drawn.

    Raises:
        InputError: images without three channels.
    """
    _check(images, "grayscale")
    return luma(images).expand_as(images).clone()


def draw_factors(
    size: int,
    device: torch.device,
    generator: torch.Generator | None,
    strengths: tuple[float, float, float] = (0.4, 0.4, 0.4),
    hue: float = 0.1,
) -> list[tuple[Tensor, float]]:
    """Brightness, contrast, saturation and turn ``(size,)``, each with the value that changes nothing."""
    factors = [(uniform(size, (max(0.0, 1 - s), 1 + s), device, generator), 1.0) for s in strengths]
    return [*factors, (uniform(size, (-hue, hue), device, generator), 0.0)]


def adjust(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue of each image changed, in this order, each cut to [0, 1].

    Args:
        images: ``(B, 3, H, W)``.
        brightness: ``(B,)`` factor of every value.
        contrast: ``(B,)`` factor of the distance to the mean luma of the image.
        saturation: ``(B,)`` factor of the distance to the luma of the pixel.
        hue: ``(B,)`` turn of the colour circle; 1 is all the way round.

    Returns:
        ``(B, 3, H, W)``.
    """

    def per_image(parameter: Tensor) -> Tensor:
        return parameter.to(images.dtype).view(-1, 1, 1, 1)

    result = (images * per_image(brightness)).clamp_(0, 1)
    mean = luma(result).mean(dim=(2, 3), keepdim=True)
    result = torch.lerp(mean, result, per_image(contrast)).clamp_(0, 1)
    result = torch.lerp(luma(result), result, per_image(saturation)).clamp_(0, 1)
    return turn_hue(result, hue)


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """The hue of ``images`` (B, 3, H, W) advanced by ``turn`` (B,) in HSV space; value and chroma stay."""
    red, green, blue = images.unbind(1)
    value = images.amax(dim=1)
    chroma = value - images.amin(dim=1)
    below = chroma.clamp(min=torch.finfo(images.dtype).tiny)
    # gray pixels have no hue; whatever comes out of the branches is multiplied by their chroma, 0
    sixth = torch.where(
        value == red,
        (green - blue).div_(below),
        torch.where(value == green, (blue - red).div_(below).add_(2), (red - green).div_(below).add_(4)),
    ).add_(6 * turn.to(images.dtype).view(-1, 1, 1))
    # each channel is a trapezium over the hue circle, a third of the circle apart from the next
    channels = [value - _trapezium(sixth + shift).mul_(chroma) for shift in (5, 3, 1)]
    return torch.stack(channels, dim=1)


def luma(images: Tensor) -> Tensor:
    """Weighted mean of red, green and blue, shape ``(B, 1, H, W)``."""
    red, green, blue = images.split(1, dim=1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def _trapezium(place: Tensor) -> Tensor:
    """What a channel lacks over a hue circle of 6: nothing on two sixths, all chroma on two, sloping between."""
    # as place.remainder(6), in half the time: next to a multiple of 6, where the quotient may be rounded up, it is 0
    place = place.sub(place.div(6).floor_(), alpha=6)
    return torch.minimum(place, 4 - place).clamp_(0, 1)


def _check(images: Tensor, operation: str) -> None:
    if images.shape[1] != 3:
        raise InputError(f"{operation} needs images of 3 channels, got {images.shape[1]}.")
