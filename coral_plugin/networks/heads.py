"""Projection heads, in front of the losses only."""

from __future__ import annotations

from torch import nn


def projection_head(width: int, hidden: int = 512, output: int = 256) -> nn.Sequential:
    """Three linear layers, batch normalisation and ReLU between: ``(B, width)`` to ``(B, output)`` (METHODS 1.3)."""
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, output),
    )
