"""A plain classifier on a pretrained objective: the baseline that contrastive fine-tuning is meant to beat."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch, Task
from coral_plugin.errors import InputError
from coral_plugin.objectives.base import Objective, Step, over_batch


class Classifier(Objective):
    """A linear layer on the representation of a pretrained objective; both are trained by cross-entropy.

    It is made by fine-tuning and not registered: only the objective inside is kept.

    Args:
        pretrained: Objective of any kind.
        task: Classification to train for.
        width: Width of the representation, all parts side by side.

    Raises:
        InputError: the task is no classification.
    """

    needs_labels = True

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

    def loss(self, step: Step) -> dict[str, Tensor]:
        """``cross_entropy``, the mean of both views, and ``total``."""
        targets = step.first.targets[self.task.name]
        loss = over_batch(_both_views, self.logits(step.first), self.logits(step.second), targets, least=1)
        return {"cross_entropy": loss, "total": loss}


def _both_views(one: Tensor, two: Tensor, targets: Tensor) -> Tensor:
    return (F.cross_entropy(one, targets) + F.cross_entropy(two, targets)) / 2
