"""Encoders of time series and sequences: GRU and one-dimensional convolutions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks.recurrent import gated_states


def _needs_steps(modality: Modality, name: str) -> None:
    if not modality.temporal:
        raise InputError(f"{name} encodes series; {modality.name!r} is of kind {modality.kind}.")


class GRU(nn.Module):
    """Gated recurrent units; every state is a token (MIMIC's series), or the last one alone.

    Runs forward in time over right-padded steps, so padding never reaches a valid state.

    Args:
        modality: Series (T, d).
        width: Token width D, the default hidden size.
        hidden: Hidden size.
        layers: Number of layers.
        fused: Whether a CPU may compute the gradients of all steps at once (networks/recurrent.py); the results are
            the same.
        alongside: Whether it may run beside other encoders, each on a thread of its own (networks/alongside.py).
        last: The state after a sample's last valid step is its only token, as MultiBench's late fusions have it: for
            series whose end is what matters.

    Raises:
        InputError: the modality has no time steps.
    """

    accepts_padding = True

    def __init__(
        self,
        modality: Modality,
        width: int,
        *,
        hidden: int | None = None,
        layers: int = 1,
        last: bool = False,
        fused: bool = True,
        alongside: bool = True,
    ) -> None:
        super().__init__()
        _needs_steps(modality, "gru")
        self.gru = nn.GRU(modality.features, hidden or width, num_layers=layers, batch_first=True)
        self.last, self.fused, self.alongside = last, fused, alongside

    def draws(self, x: Tensor, padding: Tensor | None) -> list[tuple[torch.Size, float]] | None:  # noqa: ARG002
        """Nothing is drawn in a forward pass; None where it may not run beside other encoders."""
        return [] if self.alongside else None

    def forward(self, x: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """``(B, T, d)`` with padding ``(B, T)`` to ``(B, T or, with last, 1, hidden)`` with padding."""
        states = gated_states(self.gru, x, fused=self.fused)
        if not self.last:
            return states, padding
        if padding is None:
            return states[:, -1:], None
        ends = (~padding).sum(dim=1).clamp(min=1) - 1
        return states[torch.arange(x.shape[0], device=x.device), ends].unsqueeze(1), padding.all(dim=1, keepdim=True)


class Conv1d(nn.Module):
    """Strided convolutions over time with layer normalisation over the channels of a step.

    A step's normalisation never looks at other steps, and padded steps are zeroed after every layer, so a
    representation does not depend on what padding holds or how much of it there is.

    Args:
        modality: Series (T, d).
        width: Token width D, the default number of channels of the last layer.
        channels: Channels of each layer; the default doubles up to the width.
        kernel: Kernel size; odd.
        stride: Stride of each layer but where fewer than 4 steps would be left.

    Raises:
        InputError: the modality has no time steps, or an even kernel.
    """

    accepts_padding = True

    def __init__(
        self,
        modality: Modality,
        width: int,
        *,
        channels: tuple[int, ...] | None = None,
        kernel: int = 5,
        stride: int = 2,
    ) -> None:
        super().__init__()
        _needs_steps(modality, "conv1d")
        if kernel % 2 == 0:
            raise InputError(f"conv1d needs an odd kernel, got {kernel}.")
        sizes = channels or (max(width // 4, 8), max(width // 2, 8), width)
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        self.strides: list[int] = []
        steps, features = modality.shape[0], modality.features
        for size in sizes:
            layer_stride = stride if steps >= 4 * stride else 1
            self.convolutions.append(nn.Conv1d(features, size, kernel, stride=layer_stride, padding=kernel // 2))
            self.norms.append(nn.LayerNorm(size))
            self.strides.append(layer_stride)
            steps, features = -(-steps // layer_stride), size

    def draws(self, x: Tensor, padding: Tensor | None) -> list[tuple[torch.Size, float]]:  # noqa: ARG002
        """Nothing is drawn in a forward pass, so it may run beside other encoders (networks/alongside.py)."""
        return []

    def forward(self, x: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """``(B, T, d)`` with padding ``(B, T)`` to ``(B, T', channels)`` with padding ``(B, T')``."""
        for convolution, norm, stride in zip(self.convolutions, self.norms, self.strides, strict=True):
            if padding is not None:
                x = x.masked_fill(padding.unsqueeze(-1), 0.0)
            x = F.gelu(norm(convolution(x.transpose(1, 2)).transpose(1, 2)))
            if padding is not None:
                # output step i is centred on input step i * stride
                padding = padding[:, ::stride]
        return x, padding
