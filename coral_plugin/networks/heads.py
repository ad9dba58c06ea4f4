"""Projection heads, in front of the losses only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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


def projection_head(width: int, hidden: int = 512, output: int = 256, *, bias: bool = True) -> ProjectionHead:
    """Three linear layers, batch norm and ReLU between: ``(B, width)`` to ``(B, output)`` (specification 1.3)."""
    return ProjectionHead(
        nn.Linear(width, hidden, bias),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden, bias),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, output, bias),
    )


def project_present(head: nn.Module, vectors: Tensor, present: Tensor | None) -> Tensor:
    """``head`` of the rows of ``vectors`` (B, D) that are ``present`` (B,); zero for the others. ``(B, d)``.

    Missing rows do not reach the batch statistics of a normalisation, which are those of all processes. Fewer than two
    rows of all processes have none: they are normalised by the running ones, which stay as they are.
    """
    if present is None:
        projected: Tensor = head(vectors)
        return projected
    with _running_statistics(head, present):
        return on_present(head, present, vectors)


def project_views(head: nn.Module, views: Sequence[Tensor], present: Tensor | None) -> list[Tensor]:
    """:func:`project_present` of several views (B, D) of the same samples; at once where the head can do it."""
    if not isinstance(head, ProjectionHead):
        return [project_present(head, view, present) for view in views]
    count = len(views)
    if present is None:
        return list(head(torch.cat(list(views)), count).unflatten(0, (count, len(views[0]))))
    rows = present.nonzero().squeeze(1)
    with _running_statistics(head, present):
        projected = head(torch.cat([view[rows] for view in views]), count).unflatten(0, (count, len(rows)))
    return [scatter_rows(part, rows, len(view)) for part, view in zip(projected, views, strict=True)]


@contextmanager
def _running_statistics(head: nn.Module, present: Tensor) -> Iterator[None]:
    """Inside, normalisations in training take their running statistics where fewer than two rows are ``present``."""
    few = head.training and int(gather(present).sum()) < 2
    layers = [layer for layer in head.modules() if few and isinstance(layer, _BatchNorm) and layer.training]
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer in layers:
            layer.train()
