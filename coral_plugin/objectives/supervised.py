"""Training with labels: COrAL's shared network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch, Task
from coral_plugin.errors import InputError
from coral_plugin.losses.contrastive import at_least_float32
from coral_plugin.networks import (
    EncoderBuilders,
    SharedPathway,
    module_key,
)
from coral_plugin.objectives.base import Objective, Step, over_batch, training_recipe


class Supervised(Objective):
    """Training with labels: the shared network of COrAL, with a linear head for each task.

    Cross-entropy for classification, binary cross-entropy for multilabel, mean squared error on standardised targets
    for regression; of both augmented views, averaged, and averaged over the tasks. It is probed like every other
    method, on the fused ``[CLS]``; the heads are for training only. No published row: a bound of our own on what these
    networks can reach with this data, views and optimiser.
    """

    min_modalities = 1
    needs_labels = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": training_recipe(1e-4, 1e-3)}  # COrAL's

    def build(self, builders: EncoderBuilders) -> None:
        """COrAL's shared pathway; :meth:`prepare` adds the heads."""
        self.shared = SharedPathway(self.modalities, builders, self.width, self.network.depth, self.network.heads)
        self.heads = nn.ModuleDict()
        self.scales = nn.ModuleDict()
        self.tasks: tuple[Task, ...] = ()

    def prepare(self, tasks: tuple[Task, ...]) -> None:
        """A linear head for each task, and the scale of each regression's targets.

        Raises:
            InputError: there are no labels.
        """
        super().prepare(tasks)
        self.tasks = tasks
        self.heads = nn.ModuleDict({module_key(task.name): nn.Linear(self.width, len(task.classes)) for task in tasks})
        self.scales = nn.ModuleDict(
            {module_key(task.name): TargetScale(len(task.classes)) for task in tasks if task.kind == "regression"}
        )

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``shared`` (B, D): the fused ``[CLS]`` of the modalities that the batch has."""
        return {"shared": self.shared(batch)}

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``task/<name>``, each the mean over both views, and ``total``, their mean.

        Raises:
            InputError: :meth:`prepare` was not called, or the batch lacks a target.
        """
        if not self.tasks:
            raise InputError("supervised has no heads yet: call prepare(tasks) with the tasks of the data.")
        if missing := [task.name for task in self.tasks if task.name not in step.first.targets]:
            raise InputError(f"supervised needs the targets of {', '.join(missing)}, but the batch lacks them.")
        self.shared.tokenise_ahead(step.first, step.second)
        one, two = self.shared(step.first), self.shared(step.second)
        terms = {}
        for task in self.tasks:
            head = self.heads[module_key(task.name)]
            loss = partial(self._both_views, task)
            terms[f"task/{task.name}"] = over_batch(loss, head(one), head(two), step.first.targets[task.name], least=1)
        return {**terms, "total": torch.stack(list(terms.values())).mean()}

    def _both_views(self, task: Task, one: Tensor, two: Tensor, targets: Tensor) -> Tensor:
        """Loss of outputs ``(N, C)`` of each view against targets ``(N,)`` or ``(N, C)``."""
        one, two = at_least_float32(one), at_least_float32(two)
        if task.kind == "classification":
            return (F.cross_entropy(one, targets) + F.cross_entropy(two, targets)) / 2
        wanted = targets.reshape(len(targets), -1).to(one.dtype)
        if task.kind == "multilabel":
            error = F.binary_cross_entropy_with_logits
            return (error(one, wanted) + error(two, wanted)) / 2
        wanted = self.scales[module_key(task.name)](wanted)
        return (F.mse_loss(one, wanted) + F.mse_loss(two, wanted)) / 2


class TargetScale(nn.Module):
    """Standardises targets by the mean and standard deviation of all that training has shown so far.

    A task carries no statistics, so they are gathered on the way: the first batch by its own, from the end of the first
    epoch on by those of the training set. They are part of the state that a checkpoint keeps.

    Args:
        outputs: Number L of outputs.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, outputs: int) -> None:
        super().__init__()
        # sums over many epochs: double precision
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(outputs, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(outputs, dtype=torch.float64))

    def forward(self, targets: Tensor) -> Tensor:
        """``(N, L)`` to ``(N, L)``; in training mode the targets are counted first. A constant output becomes 0."""
        values = targets.double()
        if self.training:
            # Chan, Golub and LeVeque 1979: mean and sum of squared deviations of two samples put together
            count, shift = len(values), values.mean(dim=0) - self.mean
            total = self.count + count
            self.squares += (values - values.mean(dim=0)).square().sum(
                dim=0
            ) + shift.square() * self.count * count / total
            self.mean += shift * count / total
            self.count += count
        deviation = (self.squares / self.count.clamp(min=1)).sqrt()
        # a constant varies by rounding
        varies = deviation > 1e-9 * self.mean.abs()
        return ((values - self.mean) / torch.where(varies, deviation, 1.0)).to(targets.dtype)
