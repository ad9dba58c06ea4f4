"""When a fine-tuning has seen its best epoch."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor

from coral_plugin.data import MultimodalData, Task
from coral_plugin.evaluation.features import concatenate, embed_split
from coral_plugin.evaluation.probe import ProbeSettings, probe
from coral_plugin.objectives import Objective


class Watch:
    """Keeps the weights with the best score on valid, and says when it is time to stop.

    The score is the balanced accuracy of a nearest-neighbour probe: it needs no fit, and no setting that would have to
    be chosen on valid too.
    """

    def __init__(self, data: MultimodalData, task: Task, patience: int) -> None:
        self.data, self.task, self.patience = data, task, patience
        self.best_epoch, self.best = -1, -1.0
        self._state: Mapping[str, Tensor] = {}

    def __call__(self, objective: Objective, epoch: int) -> bool:
        """Score the objective after ``epoch``; True to stop."""
        train, valid = self.data.train, self.data.valid
        assert valid is not None  # noqa: S101 - checked by the caller
        rows = [
            (concatenate(embed_split(objective, split)), split.targets[self.task.name].cpu().numpy())
            for split in (train, valid)
        ]
        value = probe(rows[0], None, rows[1], self.task, ProbeSettings(kind="knn")).value
        if value > self.best:
            self.best, self.best_epoch = value, epoch
            self._state = copy.deepcopy(objective.state_dict())
        return epoch - self.best_epoch >= self.patience

    def restore(self, objective: Objective) -> None:
        """Give ``objective`` the best weights back."""
        objective.load_state_dict(self._state)
