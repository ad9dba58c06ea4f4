"""The picture of a robustness record: a panel for each modality and for all of them together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from coral_plugin.errors import InputError
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.names import run_names, seed_count
from coral_plugin.evaluation.pictures.figure import (
    RAW_COLOUR,
    WIDTH,
    colour_of,
    new_figure,
    put_title,
    save_figure,
    short_label,
    style_axes,
)
from coral_plugin.evaluation.robustness.curves import RAW, REPRESENTATION

_STYLE: dict[str, dict[str, Any]] = {
    REPRESENTATION: {"color": colour_of(0), "marker": "o", "markersize": 3.5, "linewidth": 1.8, "zorder": 3},
    RAW: {"color": RAW_COLOUR, "linestyle": (0, (5, 2)), "linewidth": 1.4, "zorder": 2},
}
_LABELS = {REPRESENTATION: "representation", RAW: "raw values"}
_COLUMNS = 3


def robustness_curves(path: Path, record: Mapping[str, Any], task: str) -> None:
    """The score of one task over the level of noise, of the representation and of the raw values.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        record: Content of ``evaluation-robustness.json``.
        task: Name of a task in the record.

    Raises:
        InputError: there is no curve.
    """
    levels, summary = record["levels"], record["tasks"].get(task, {})
    panels = summary.get("conditions", {})
    if not panels:
        raise InputError(f"There is no curve of {task} to draw.")
    metric = metric_named(summary["metric"])
    percent = metric.is_share
    across = 2 if len(panels) == 4 else min(_COLUMNS, len(panels))
    figure = new_figure(1.1 + 2.3 * math.ceil(len(panels) / across), 5.0 if across == 1 else WIDTH)
    grid = figure.subplots(math.ceil(len(panels) / across), across, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for place, (axes, (name, curves)) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        for kind in (RAW, REPRESENTATION):
            _curve(axes, levels, np.array(curves[kind]["values"]) * (100 if percent else 1), _STYLE[kind])
        if summary.get("chance") is not None:
            axes.axhline(summary["chance"] * (100 if percent else 1), color="black", linestyle=":", linewidth=1.2)
        noise = record["noises"].get(name, {}).get("family")
        axes.set_title(short_label(f"{name}: {noise} noise" if noise else "all modalities", 30), fontsize=10.5)
        style_axes(axes)
        if place + across >= len(panels):
            axes.set_xlabel("level of noise", fontsize=10)
            axes.tick_params(labelbottom=True)
        if place % across == 0:
            axes.set_ylabel(metric.heading, fontsize=10)
    count = len(record["seeds"])
    title = f"{run_names(record)} under noise" + (f": {task}" if len(record["tasks"]) > 1 else "")
    put_title(figure, title, seed_count([count]))
    figure.legend(
        handles=_handles(summary, count), loc="outside lower center", ncols=2 if across == 1 else 4, frameon=False
    )
    save_figure(figure, path, ["noise on", "features", "seed", "level", "value"], _rows(record, panels))


def _rows(record: Mapping[str, Any], panels: Mapping[str, Any]) -> list[list[Any]]:
    return [
        [name, kind, seed, level, value]
        for name, curves in panels.items()
        for kind in (REPRESENTATION, RAW)
        for seed, curve in zip(record["seeds"], curves[kind]["values"], strict=True)
        for level, value in zip(record["levels"], curve, strict=True)
    ]


def _curve(axes: Any, levels: list[float], values: np.ndarray, style: Mapping[str, Any]) -> None:
    """Mean of the seeds' curves ``(seeds, levels)`` with a band of one sample standard deviation."""
    mean = values.mean(axis=0)
    axes.plot(levels, mean, **style)
    if len(values) > 1:
        std = values.std(axis=0, ddof=1)
        axes.fill_between(levels, mean - std, mean + std, color=style["color"], alpha=0.22, linewidth=0)


def _handles(summary: Mapping[str, Any], seeds: int) -> list[Any]:
    handles: list[Any] = [
        Line2D([], [], label=_LABELS[kind], **{k: v for k, v in _STYLE[kind].items() if k != "zorder"})
        for kind in _STYLE
    ]
    if seeds > 1:
        handles.append(Patch(facecolor=colour_of(0), alpha=0.22, label="± one standard deviation"))
    if summary.get("chance") is not None:
        handles.append(Line2D([], [], color="black", linestyle=":", linewidth=1.2, label="chance"))
    return handles
