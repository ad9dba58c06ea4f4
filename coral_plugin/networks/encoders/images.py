"""Encoders of images: AlexNet's convolutions, and a small network for small images."""

from __future__ import annotations

from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError

ALEXNET_SMALLEST = 63


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
    """3x3 convolutions with batch normalisation for small images, strided until a grid of about 4 x 4 is left.

    Args:
        modality: Image (C, H, W), any size from 2 px a side.
        width: Not used; the patch tokenizer brings the channels to the width.
        channels: Channels of the first layer, doubled at every stride up to ``most``.
        most: Greatest number of channels.

    Raises:
        InputError: the modality is not an image.
    """

    def __init__(self, modality: Modality, width: int, *, channels: int = 32, most: int = 128) -> None:  # noqa: ARG002
        super().__init__()
        _needs_image(modality, "small_conv")
        layers: list[nn.Module] = []
        inputs, side = modality.shape[0], min(modality.shape[1:])
        outputs = channels
        strides = [2] * max(0, (side - 1).bit_length() - 2) or [1]
        if len(strides) == 1:
            strides.append(1)
        for stride in strides:
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            inputs, outputs = outputs, min(2 * outputs, most)
        self.net = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, channels, h, w)``."""
        features: Tensor = self.net(x)
        return features
