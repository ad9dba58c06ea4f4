"""Encoders of images: AlexNet's convolutions, and a small network for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError

ALEXNET_SMALLEST = 63
# of the small network: cells a side at most, side from which the first layer strides by 4, modules of a layer
GRID, LARGE, LAYER = 7, 64, 3


def _needs_image(modality: Modality, name: str) -> None:
    if modality.kind != "image":
        raise InputError(f"{name} encodes images; {modality.name!r} is of kind {modality.kind}.")


class AlexNet(nn.Sequential):
    """The convolutions of AlexNet (Krizhevsky 2014, the one-column variant), randomly initialised, without classifier.

    224 px give a map of 256 x 6 x 6. The released code also holds a linear layer 9216 -> 256 that nothing uses
    (2,359,552 parameters an encoder); it is left out here.

    Args:
        modality: Image (C, H, W), at least 63 px a side.
        width: Not used; the patch tokenizer brings the 256 channels to the width.

    Raises:
        InputError: the modality is not an image, or too small.
    """

    def __init__(self, modality: Modality, width: int) -> None:  # noqa: ARG002
        _needs_image(modality, "alexnet")
        if min(modality.shape[1:]) < ALEXNET_SMALLEST:
            raise InputError(
                f"alexnet needs images of at least {ALEXNET_SMALLEST} px, {modality.name!r} has {modality.shape[1:]}; "
                f"take --encoder {modality.name}=small_conv."
            )
        super().__init__(
            nn.Conv2d(modality.shape[0], 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
        )


class SmallConv(nn.Module):
    """Strided convolutions with batch normalisation for small images, until a grid of 4 to 7 cells a side is left.

    From 64 px on the first layer is 7x7 with stride 4, as in AlexNet most of the arithmetic would otherwise go into
    the finest grid; all other layers are 3x3 with stride 2.

    Args:
        modality: Image (C, H, W), any size.
        width: Not used; the patch tokenizer brings the channels to the width.
        channels: Channels of the first layer, doubled at every further one up to ``most``.
        most: Greatest number of channels.

    Raises:
        InputError: the modality is not an image.
    """

    def __init__(self, modality: Modality, width: int, *, channels: int = 32, most: int = 128) -> None:  # noqa: ARG002
        super().__init__()
        _needs_image(modality, "small_conv")
        layers: list[nn.Module] = []
        inputs, outputs, side = modality.shape[0], channels, min(modality.shape[1:])
        while side > GRID or len(layers) < 2 * LAYER:
            first_of_large = not layers and side >= LARGE
            stride = 4 if first_of_large else 2 if side > GRID else 1
            kernel = 7 if first_of_large else 3
            layers += [
                nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            inputs, outputs, side = outputs, min(2 * outputs, most), -(-side // stride)
        # on a CPU convolutions are a third faster with the channels innermost
        self.net = nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, channels, h, w)``."""
        features: Tensor = self.net(x.contiguous(memory_format=torch.channels_last))
        return features
