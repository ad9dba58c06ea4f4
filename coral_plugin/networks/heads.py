"""Projection heads, in front of the losses only."""

from __future__ import annotations

from torch import Tensor, nn

from coral_plugin.distributed import gather
from coral_plugin.networks.pathways import spread


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


def project_present(head: nn.Module, vectors: Tensor, present: Tensor | None) -> Tensor:
    """``head`` of the rows of ``vectors`` (B, D) that are ``present`` (B,); zero for the others. ``(B, d)``.

    Rows that are absent do not reach the batch statistics of a normalisation, which are those of all processes.
    """
    # one row of all processes has no statistics; every row goes through then, and the term is 0 for lack of negatives
    if present is None or (head.training and int(gather(present).sum()) < 2):
        projected: Tensor = head(vectors)
        return projected
    rows = present.nonzero().squeeze(1)
    return spread(head(vectors[rows]), rows, len(vectors))
