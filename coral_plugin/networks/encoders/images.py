"""Encoders of images: AlexNet's convolutions, and a small network for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks.encoders.gabor import GaborEnergy

ALEXNET_SMALLEST = 63
_MOST_ORIENTATIONS = 64
_MOST_STRIDE = 32
_WINDOW = 9  # pixels of a Gabor filter


def _needs_image(modality: Modality, name: str) -> None:
    if modality.kind != "image":
        raise InputError(f"{name} encodes images; {modality.name!r} is of kind {modality.kind}.")


class AlexNet(nn.Sequential):
    """The convolutions of AlexNet (Krizhevsky 2014, the one-column variant), randomly initialised, without classifier.

    224 px give a map of 256 x 6 x 6. The released code also holds a linear layer 9216 -> 256 that nothing uses
    (2,359,552 parameters an encoder); it is left out here.

    Args:
        modality: Image (C, H, W), at least 63 px a side.
        width: Token width, not used: the patch tokenizer brings the 256 channels to the width.

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
    """Convolutions with batch normalisation for small images, down to a grid of a few cells along the short side.

    The first layer halves the image (5x5, few channels; or fixed Gabor energies), or takes larger strides; every
    further halving of the grid doubles the channels and, while more halvings follow, adds a second layer at the new
    size.

    Args:
        modality: Image (C, H, W), any size.
        width: Token width, not used: the patch tokenizer brings the channels to the width.
        channels: Channels of the first layer.
        most: Largest number of channels.
        grid: Number of cells along the short side at which it stops; each cell becomes a token.
        pool: Take the mean of all cells: one vector, which is one token where it has as many channels as the width.
            Each cell of a small image sees most of it: masking some of them hides nothing, masking this one does.
        stride: Stride of the first layer, 1 to 32; 0 halves the image where over two grids fit into its short side. A
            greater one makes a large picture of few details, such as a spectrogram, cost what a small one costs.
        orientations: Number of orientations of fixed Gabor energies (:class:`GaborEnergy`) in place of a learnt first
            layer; 0 for none. They separate textures from the first step on, for trainings too short to learn that.

    Raises:
        InputError: the modality is not an image, a number of channels or cells below 1, or a stride that is none.
    """

    def __init__(
        self,
        modality: Modality,
        width: int,  # noqa: ARG002
        *,
        channels: int = 16,
        most: int = 128,
        grid: int = 4,
        pool: bool = False,
        stride: int = 0,
        orientations: int = 0,
    ) -> None:
        super().__init__()
        _needs_image(modality, "small_conv")
        if min(channels, most) < 1:
            raise InputError(f"small_conv needs at least one channel, got channels={channels}, most={most}.")
        if grid < 1:
            raise InputError(f"small_conv needs at least one cell, got grid={grid}.")
        if not 0 <= orientations <= _MOST_ORIENTATIONS:
            raise InputError(f"small_conv takes 0 to {_MOST_ORIENTATIONS} orientations, got {orientations}.")
        if not 0 <= stride <= _MOST_STRIDE or (stride not in (0, 2) and orientations):
            raise InputError(f"small_conv takes strides 1 to {_MOST_STRIDE} (2 with orientations), or 0; got {stride}.")
        side = min(modality.shape[1:])
        stride = stride or (2 if side > 2 * grid or orientations else 1)
        inputs = channels
        if orientations:
            energies = GaborEnergy(modality.shape[0], orientations, _WINDOW)
            inputs = energies.output_channels
            layers: list[nn.Module] = [energies, nn.BatchNorm2d(inputs)]
        else:
            layers = _layer(modality.shape[0], channels, kernel=max(5, 2 * stride - 1), stride=stride)
        side = -(-side // stride)
        outputs = min(2 * channels, most)
        layers += _layer(inputs, outputs, stride=2 if side > grid else 1)
        side = -(-side // 2) if side > grid else side
        while side > grid:
            layers += _layer(outputs, outputs)
            inputs, outputs, side = outputs, min(2 * outputs, most), -(-side // 2)
            layers += _layer(inputs, outputs, stride=2)
        self.pool = pool
        # on a CPU convolutions are a third faster with the channels innermost
        self.net = nn.Sequential(*layers)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, channels, h, w)``, or ``(B, channels)`` with ``pool``."""
        features: Tensor = self.net(x.contiguous(memory_format=torch.channels_last))
        return features.mean(dim=(2, 3)) if self.pool else features


def _layer(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
