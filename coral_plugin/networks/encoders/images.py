"""Encoders of images: AlexNet's convolutions, and a small network for small images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks.encoders.gabor import Energies, GaborEnergy
from coral_plugin.networks.precision import autocasting

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
        folded: Whether the normalisation of these energies becomes part of the convolution that follows it, which is
            faster and equal up to rounding. Half precision and several processes go without in any case.

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
        folded: bool = True,
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
        self.pool, self.folded = pool, folded
        # on a CPU convolutions are a third faster with the channels innermost
        self.net = nn.Sequential(*layers)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def fixed(self) -> GaborEnergy | None:
        """The first stage where it has no weights: two pathways compute it once."""
        first = self.net[0]
        return first if isinstance(first, GaborEnergy) else None

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, channels, h, w)``, or ``(B, channels)`` with ``pool``."""
        if self.fixed is not None:
            return self.learnt(self.fixed(x))
        return self._pooled(self.net(x.contiguous(memory_format=torch.channels_last)))

    def learnt(self, energies: Energies) -> Tensor:
        """The output of :meth:`forward` from that of the ``fixed`` stage."""
        norm, convolution = self.net[1], self.net[2]
        # other classes: another normalisation took its place, such as that over all processes
        half = autocasting(energies.values.device) or energies.values.element_size() < 4
        if self.folded and type(norm) is nn.BatchNorm2d and not half:
            features = _normalised_convolution(energies, norm, convolution)  # type: ignore[arg-type]
        else:
            features = convolution(norm(energies.values[:, :-1]))
        return self._pooled(self.net[3:](features))

    def _pooled(self, features: Tensor) -> Tensor:
        return features.mean(dim=(2, 3)) if self.pool else features


def _normalised_convolution(energies: Energies, norm: nn.BatchNorm2d, convolution: nn.Conv2d) -> Tensor:
    """``convolution(norm(values))`` with scales and shifts moved into its weights.

    The shifts end at the border, as the normalised values do: they are the weights of the channel of ones. Since the
    values seldom need a gradient, neither they nor their gradient are computed.
    """
    values, mean, variance = energies
    if norm.training:
        count = values.numel() // values.shape[1]
        norm.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        unbiased = variance.detach() * (count / max(1, count - 1))
        norm.running_mean.lerp_(mean.detach(), norm.momentum)  # type: ignore[union-attr, arg-type]
        norm.running_var.lerp_(unbiased, norm.momentum)  # type: ignore[union-attr, arg-type]
    else:
        mean, variance = norm.running_mean, norm.running_var  # type: ignore[assignment]
    scale = norm.weight * (variance + norm.eps).rsqrt()
    shift = norm.bias - mean * scale
    kernel = convolution.weight  # (outputs, C, 3, 3)
    shifted = (kernel * shift.view(1, -1, 1, 1)).sum(dim=1, keepdim=True)
    weights = torch.cat([kernel * scale.view(1, -1, 1, 1), shifted], dim=1)
    return F.conv2d(values, weights, stride=convolution.stride, padding=convolution.padding)


def _layer(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
