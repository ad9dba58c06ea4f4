"""Encoder of tabular features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError


class MLP(nn.Module):
    """``Linear(d, hidden)``, ReLU, ``Linear(hidden, output)`` (on MIMIC: 5 features, hidden and output 10).

    Args:
        modality: Tabular (d,).
        width: Token width; not used, the feature tokenizer behind it brings each output to the width.
        hidden: Hidden units; by default twice the features, within the output and the width.
        output: Output features, each of which becomes a token; by default the features, within 10 and 32.

    Raises:
        InputError: the modality is not tabular.
    """

    def __init__(self, modality: Modality, width: int, *, hidden: int | None = None, output: int | None = None) -> None:
        super().__init__()
        if modality.kind != "tabular":
            raise InputError(f"mlp encodes tabular features; {modality.name!r} is of kind {modality.kind}.")
        output = output or min(max(modality.features, 10), 32)
        hidden = hidden or max(output, min(width, 2 * modality.features))
        self.net = nn.Sequential(nn.Linear(modality.features, hidden), nn.ReLU(), nn.Linear(hidden, output))

    def draws(self, x: Tensor, padding: Tensor | None) -> list[tuple[torch.Size, float]]:  # noqa: ARG002
        """Nothing is drawn in a forward pass, so it may run beside other encoders (networks/alongside.py)."""
        return []

    def forward(self, x: Tensor) -> Tensor:
        """``(B, d)`` to ``(B, output)``."""
        features: Tensor = self.net(x)
        return features
