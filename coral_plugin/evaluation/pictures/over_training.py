"""Scores of the weights that a training kept on its way, over its epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from coral_plugin.errors import InputError
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.names import seed_count
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

Points = Sequence[Mapping[str, Any]]
_COLUMNS = 3
_MARK: dict[str, Any] = {"color": "#777777", "linestyle": "-.", "linewidth": 1.0, "zorder": 1}


def score_curves(
    path: Path,
    panels: Mapping[str, Mapping[str, Points]],
    title: str,
    *,
    raw: Mapping[str, float] | None = None,
    marks: tuple[str, Sequence[float]] = ("", ()),
) -> None:
    """Draw the scores over the epochs, a panel for each task and a line for each training.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        panels: ``{panel: {training: its points}}``; a point has ``epochs`` and ``score``, a summary of the seeds as in
            ``metrics.json`` (``metric``, ``values``, perhaps ``chance``).
        title: Title of the picture; the number of seeds is added.
        raw: ``{panel: score of the raw features}``.
        marks: Name of what happens at some epochs, as a step of a schedule, and the epochs; each gets a vertical line.

    Raises:
        InputError: there is no point.
    """
    panels = {panel: {name: points for name, points in lines.items() if points} for panel, lines in panels.items()}
    panels = {panel: lines for panel, lines in panels.items() if lines}
    trainings = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    if not panels:
        raise InputError("There is no score over the training to draw.")
    across = 2 if len(panels) == 4 else min(_COLUMNS, len(panels))
    down = math.ceil(len(panels) / across)
    figure = new_figure(1.3 + 2.4 * down, 5.0 if across == 1 else WIDTH)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    rows, counts, chance = [], set(), False
    for axes, (panel, lines) in zip(grid.flat, panels.items(), strict=False):
        for name, points in lines.items():
            _line(axes, points, colour_of(trainings.index(name)))
            counts |= {len(point["score"]["values"]) for point in points}
            rows += [
                [panel, name, point["epochs"], number, value]
                for point in points
                for number, value in enumerate(point["score"]["values"])
            ]
        chance |= _references(axes, lines, (raw or {}).get(panel))
        for mark in marks[1]:
            axes.axvline(mark, **_MARK)
        axes.set_title(short_label(panel, 30), fontsize=10.5)
        axes.set_xlabel("epochs", fontsize=10)
        axes.set_ylabel(metric_named(next(iter(lines.values()))[0]["score"]["metric"]).heading, fontsize=10)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, steps=[1, 2, 5, 10], min_n_ticks=1))
        style_axes(axes)
    put_title(figure, title, seed_count(sorted(counts)))
    figure.legend(
        handles=_handles(trainings, raw, marks[0], chance=chance), loc="outside lower center", ncols=5, frameon=False
    )
    save_figure(figure, path, ["panel", "training", "epochs", "number of the seed", "value"], rows)


def _line(axes: Any, points: Points, colour: str) -> None:
    """Mean of the seeds with a band of one sample standard deviation."""
    epochs = [point["epochs"] for point in points]
    factor = 100 if metric_named(points[0]["score"]["metric"]).is_share else 1
    seeds = [factor * np.array(point["score"]["values"]) for point in points]
    mean = np.array([values.mean() for values in seeds])
    axes.plot(epochs, mean, color=colour, linewidth=1.8, marker="o", markersize=3.5, zorder=3)
    std = np.array([values.std(ddof=1) if len(values) > 1 else 0.0 for values in seeds])
    if std.any():
        axes.fill_between(epochs, mean - std, mean + std, color=colour, alpha=0.22, linewidth=0)


def _references(axes: Any, lines: Mapping[str, Points], raw: float | None) -> bool:
    """Draw the raw features' score, and chance where it is near enough; returns whether chance is drawn."""
    score = next(iter(lines.values()))[0]["score"]
    factor = 100 if metric_named(score["metric"]).is_share else 1
    if raw is not None:
        axes.axhline(raw * factor, color=RAW_COLOUR, linestyle=(0, (5, 2)), linewidth=1.4)
    low, high = axes.get_ylim()
    chance = score.get("chance")
    # a level of chance far below would press what the curves say into a line
    near = chance is not None and low - (high - low) <= chance * factor <= high
    if near:
        axes.axhline(chance * factor, color="black", linestyle=":", linewidth=1.2)
    return near


def _handles(trainings: Sequence[str], raw: Mapping[str, float] | None, mark: str, *, chance: bool) -> list[Any]:
    handles: list[Any] = [
        Line2D([], [], color=colour_of(number), marker="o", markersize=3.5, label=short_label(name))
        for number, name in enumerate(trainings)
    ]
    if raw:
        handles.append(Line2D([], [], color=RAW_COLOUR, linestyle=(0, (5, 2)), label="raw features"))
    if mark:
        handles.append(Line2D([], [], label=mark, **_MARK))
    if chance:
        handles.append(Line2D([], [], color="black", linestyle=":", label="chance"))
    return handles
