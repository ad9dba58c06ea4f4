"""A plain classifier on a pretrained objective: the baseline that contrastive fine-tuning is meant to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch, Task
from coral_plugin.errors import InputError
from coral_plugin.objectives.base import Objective, over_batch


class Classifier(Objective):
    """A linear layer on the representation of a pretrained objective; both are trained by cross-entropy.

    It is made by fine-tuning and not registered: what is kept of it is the objective inside.

    Args:
        pretrained: Objective of any kind.
        task: Classification to be trained for.
        width: Of the representation, all parts side by side.

    Raises:
        InputError: the task is no classification.
    """

    needs_labels = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, pretrained: Objective, task: Task, width: int) -> None:
        nn.Module.__init__(self)
        if task.kind != "classification":
            raise InputError(f"A classifier needs a classification task; {task.name!r} is of kind {task.kind}.")
        self.pretrained = pretrained
        self.task = task
        self.head = nn.Linear(width, len(task.classes))

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """The parts of the objective inside."""
        return self.pretrained.embed(batch)

    def logits(self, batch: MultimodalBatch) -> Tensor:
        """Scores of the classes, ``(B, C)``."""
        scores: Tensor = self.head(torch.cat(list(self.embed(batch).values()), dim=1))
        return scores

    def loss(
        self,
        first: MultimodalBatch,
        second: MultimodalBatch,
        progress: float,  # noqa: ARG002
        generator: torch.Generator | None = None,  # noqa: ARG002
        *,
        raw: MultimodalBatch | None = None,  # noqa: ARG002
    ) -> dict[str, Tensor]:
        """``cross_entropy``, the mean of both views, and ``total``."""
        targets = first.targets[self.task.name]
        loss = over_batch(_both_views, self.logits(first), self.logits(second), targets, least=1)
        return {"cross_entropy": loss, "total": loss}


def _both_views(one: Tensor, two: Tensor, targets: Tensor) -> Tensor:
    return (F.cross_entropy(one, targets) + F.cross_entropy(two, targets)) / 2
