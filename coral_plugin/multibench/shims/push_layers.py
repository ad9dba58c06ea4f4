"""Residual blocks as fannypack has them; the names of the weights are its own."""

from __future__ import annotations

from torch import Tensor, nn


class _Residual(nn.Module):
    def __init__(self, block1: nn.Module, block2: nn.Module) -> None:
        super().__init__()
        self.block1, self.block2 = block1, block2
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """``relu(block2(relu(block1(x))) + x)``, of the shape of ``x``."""
        out: Tensor = self.activation(self.block2(self.activation(self.block1(x))) + x)
        return out


class Linear(_Residual):
    """Two linear layers.

    Args:
        units: Width in and out.
        bottleneck_units: Width between; ``units`` by default.
    """

    def __init__(self, units: int, bottleneck_units: int | None = None) -> None:
        inner = bottleneck_units or units
        super().__init__(nn.Linear(units, inner), nn.Linear(inner, units))


class Conv2d(_Residual):
    """Two convolutions that keep height and width.

    Args:
        channels: Number of channels, in and out.
        bottleneck_channels: Between; ``channels`` by default.
        kernel_size: Odd.
    """

    def __init__(self, channels: int, bottleneck_channels: int | None = None, kernel_size: int = 3) -> None:
        inner, pad = bottleneck_channels or channels, kernel_size // 2
        super().__init__(
            nn.Conv2d(channels, inner, kernel_size, padding=pad), nn.Conv2d(inner, channels, kernel_size, padding=pad)
        )
