"""Projection heads, in front of the losses only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from coral_plugin.distributed import gather
from coral_plugin.networks.rows import on_present, scatter_rows


class ProjectionHead(nn.Sequential):
    """Layers in a row that take several batches at once, each with batch statistics of its own."""

    def forward(self, vectors: Tensor, batches: int = 1) -> Tensor:
        """``(batches * B, width)``, one batch after the other, to ``(batches * B, output)``.

        The same as a call for each batch, but the products are larger and the gradients of the weights, which are the
        most of what a wide head moves, are written once.
        """
        for layer in self:
            if batches > 1 and isinstance(layer, _BatchNorm):
                parts = vectors.unflatten(0, (batches, len(vectors) // batches)).unbind()
                vectors = torch.cat([layer(part) for part in parts])
            else:
                vectors = layer(vectors)
        return vectors


def projection_head(width: int, hidden: int = 512, output: int = 256) -> ProjectionHead:
    """Three linear layers, batch normalisation and ReLU between: ``(B, width)`` to ``(B, output)`` (METHODS 1.3)."""
    return ProjectionHead(
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

    Missing rows do not reach the batch statistics of a normalisation, which are those of all processes.
    """
    # one row of all processes has no statistics; every row goes through then, and the term is 0 for lack of negatives
    if present is None or (head.training and int(gather(present).sum()) < 2):
        projected: Tensor = head(vectors)
        return projected
    return on_present(head, present, vectors)


def project_views(head: nn.Module, views: Sequence[Tensor], present: Tensor | None) -> list[Tensor]:
    """:func:`project_present` of several views (B, D) of the same samples; at once where the head can do it."""
    if not isinstance(head, ProjectionHead):
        return [project_present(head, view, present) for view in views]
    count = len(views)
    if present is None or (head.training and int(gather(present).sum()) < 2):
        return list(head(torch.cat(list(views)), count).unflatten(0, (count, len(views[0]))))
    rows = present.nonzero().squeeze(1)
    projected = head(torch.cat([view[rows] for view in views]), count).unflatten(0, (count, len(rows)))
    return [scatter_rows(part, rows, len(view)) for part, view in zip(projected, views, strict=True)]
