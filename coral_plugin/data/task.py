"""What is predicted from a representation: classes, labels or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from coral_plugin.errors import InputError

TaskKind = Literal["classification", "multilabel", "regression"]
_METRICS = {"classification": "balanced_accuracy", "multilabel": "weighted_f1", "regression": "mse"}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One target of a data set.

    Attributes:
        name: Key of the targets in every split.
        kind: ``classification`` (N,) integers, ``multilabel`` (N, L) of 0/1, ``regression`` (N,) or (N, L) floats.
        classes: Names of the classes (or labels, or outputs), in the order of their indices.
    """

    name: str
    kind: TaskKind
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.kind not in _METRICS:
            raise InputError(f"Task {self.name!r} is of unknown kind {self.kind!r}; known: {', '.join(_METRICS)}.")
        if self.kind == "classification" and len(self.classes) < 2:
            raise InputError(f"Task {self.name!r} has one class only ({self.classes}); a classification needs two.")

    @property
    def metric(self) -> str:
        """Name of the figure that stands for the task: balanced accuracy, weighted F1 or mean squared error."""
        return _METRICS[self.kind]
