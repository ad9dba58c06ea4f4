"""Early stopping of a fine-tuning on valid."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from coral_plugin.data import MultimodalData, Task
from coral_plugin.evaluation.features import concatenate, embed_split
from coral_plugin.evaluation.probe import ProbeSettings, probe
from coral_plugin.objectives import Objective


class EarlyStopping:
    """Keeps the weights with the best balanced accuracy of a nearest-neighbour probe on valid; it has no setting."""

    def __init__(self, data: MultimodalData, task: Task, patience: int) -> None:
        assert data.valid is not None  # noqa: S101 - checked by the caller
        self.splits, self.task, self.patience = (data.train, data.valid), task, patience
        self.best_epoch, self.best = -1, -1.0
        self._weights: Mapping[str, Tensor] = {}

    def __call__(self, objective: Objective, epoch: int) -> bool:
        """Score the objective after ``epoch``; True to stop."""
        # values are float32; networks of training.precision 64-true become so when they are trained
        double = any(parameter.dtype == torch.float64 for parameter in objective.parameters())
        networks = copy.deepcopy(objective).float() if double else objective
        fitted_on, scored_on = (
            (concatenate(embed_split(networks, s)), s.targets[self.task.name].cpu().numpy()) for s in self.splits
        )
        value = probe(fitted_on, None, scored_on, self.task, ProbeSettings(kind="knn")).value
        if value > self.best:
            self.best, self.best_epoch = value, epoch
            self._weights = copy.deepcopy(networks.state_dict())
        return epoch - self.best_epoch >= self.patience

    def restore(self, objective: Objective) -> None:
        """Load the best weights into ``objective``."""
        objective.load_state_dict(self._weights)
