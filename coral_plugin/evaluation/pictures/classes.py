"""A representation in a plane, its test samples coloured by class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from coral_plugin.data import Split
from coral_plugin.data.task import Task
from coral_plugin.evaluation.features import concatenate, embed_split
from coral_plugin.evaluation.pictures.figure import GREY, PALETTE, short_label, style_axes
from coral_plugin.objectives import Objective

MOST_CLASSES = 12
_OTHERS = "other classes"
# the palette without yellow, which is faint on white; the shape tells the eighth class from the first
_COLOURS, _MARKERS = PALETTE[:7], ("o", "^")


@dataclass(frozen=True)
class ClassPoints:
    """The representation of samples, with their classes.

    Attributes:
        points: Representation ``(N, d)``.
        labels: Classes ``(N,)``, integers from 0.
        task: The task, with the names of the classes.
    """

    points: np.ndarray
    labels: np.ndarray
    task: Task


def class_points(
    objective: Objective, split: Split, tasks: Iterable[Task], parts: Mapping[str, np.ndarray] | None = None
) -> ClassPoints | None:
    """The representation of the samples of a split with the classes of the first classification task.

    Args:
        objective: Method, on the device on which it computes.
        split: Samples on any device.
        tasks: Tasks of the data.
        parts: Parts of the representation, ``{part: (N, d)}``, where the samples are embedded already.

    Returns:
        None where no task has classes, or the split has no targets.
    """
    task = next((task for task in tasks if task.kind == "classification"), None)
    if task is None or task.name not in split.targets:
        return None
    labels = split.targets[task.name].cpu().numpy()
    return ClassPoints(concatenate(parts or embed_split(objective, split)), labels, task)


def draw_classes(axes: Any, plane: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> None:
    """Draw points, the most frequent classes in colours of their own, with a legend below.

    Args:
        axes: Axes to draw on.
        plane: Coordinates ``(N, 2)``.
        labels: Classes ``(N,)``.
        names: Names of all classes.
    """
    present, counts = np.unique(labels, return_counts=True)
    shown = np.sort(present[np.argsort(-counts, kind="stable")][:MOST_CLASSES])
    others = ~np.isin(labels, shown)
    if others.any():
        axes.scatter(*plane[others].T, s=9, color="#BBBBBB", linewidth=0, label=_OTHERS)
    size = 9 if len(plane) > 500 else 16
    for index, name in enumerate(shown):
        marker = _MARKERS[index // len(_COLOURS) % len(_MARKERS)]
        style = {"color": _COLOURS[index % len(_COLOURS)], "marker": marker, "linewidth": 0, "alpha": 0.8}
        axes.scatter(*plane[labels == name].T, s=size, label=short_label(names[name], 16), **style)
    style_axes(axes, grid=None)
    axes.spines[:].set_color(GREY)
