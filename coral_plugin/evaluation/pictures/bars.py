"""Bars of scores: a bar for each name and variant, with its seeds, standard deviation and the level of chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from coral_plugin.errors import InputError
from coral_plugin.evaluation.pictures.figure import (
    WIDTH,
    colour_of,
    hatch_of,
    new_figure,
    save_figure,
    short_label,
    style_axes,
)
from coral_plugin.evaluation.tables.model import cell


def grouped_bars(
    path: Path,
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    chances: Mapping[str, float],
    title: str,
    ylabel: str = "balanced accuracy, %",
    *,
    percent: bool = True,
) -> None:
    """Draw one bar per variant at each name, with whiskers of one standard deviation and a dot for each seed.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        groups: ``{variant: {name: score of each seed}}``; a name without scores keeps an empty place.
        chances: Level of chance by name; not every name needs one.
        title: Title of the picture.
        ylabel: Label of the vertical axis, with its unit.
        percent: Whether the scores are shares, shown times 100.

    Raises:
        InputError: no scores.
    """
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    if not names:
        raise InputError("There are no scores to draw.")
    scale, one = 100.0 if percent else 1.0, len(groups) == 1
    width = 0.55 if one else 0.84 / len(groups)
    few = one and len(names) <= 6
    across = min(14.0, max(WIDTH * (0.8 if few else 1.0), 0.5 + 0.42 * len(names) * len(groups)))
    # a mean is 0.4 inches wide: where a bar is narrower it stands on end
    turn = 90 if not few and 0.9 * across * width / (len(names) + 0.2) < 0.4 else 0
    figure = new_figure(4.2, across)
    axes = figure.add_subplot()
    for g, values in enumerate(groups.values()):
        for n, name in enumerate(names):
            place = n + (g - (len(groups) - 1) / 2) * width
            shown = [scale * value for value in values.get(name, [])]
            text = cell(shown if few else shown and [fmean(shown)], percent=False, decimals=1 if percent else None)
            _bar(axes, place, width, shown, text, n if few else g, turn)
    for n, name in enumerate(names):
        if name in chances:
            reach = width * len(groups) / 2 + 0.04
            axes.hlines(scale * chances[name], n - reach, n + reach, color="black", linestyle=(0, (4, 2)), zorder=4)
    crowded = max(map(len, names)) * len(names) > 70
    turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(len(names)), [short_label(name) for name in names], fontsize=11, **turned)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.margins(y=0.2 if turn else 0.12)
    axes.set_ylabel(ylabel, fontsize=11)
    axes.set_title(short_label(title, 80), fontsize=13)
    style_axes(axes)
    _add_legend(figure, groups, chances, names)
    data = [
        [variant, name, seed, value, chances.get(name, "")]
        for variant, values in groups.items()
        for name in values
        for seed, value in enumerate(values[name])
    ]
    start = 1 if one else 0
    save_figure(figure, path, ["variant", "name", "run", "value", "chance"][start:], [row[start:] for row in data])


def _bar(axes: Any, place: float, width: float, values: list[float], text: str, index: int, turn: int) -> None:
    """A bar with the standard deviation and the seeds of ``values``; above it ``text``, turned by ``turn`` degrees."""
    top = 0.0
    if values:
        mean, deviation = fmean(values), stdev(values) if len(values) > 1 else 0.0
        axes.bar(place, mean, width * 0.92, color=colour_of(index), hatch=hatch_of(index), alpha=0.85, zorder=2)
        if len(values) > 1:
            axes.errorbar(place, mean, deviation, color="black", capsize=4, linewidth=1.2, zorder=5)
            places = place + width * 0.25 * np.linspace(-1, 1, len(values))
            axes.scatter(places, values, s=16, color="white", edgecolor="black", linewidth=0.8, zorder=6)
        top = max(mean + deviation, *values)
    readable = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    axes.annotate(
        text,
        (place, max(top, 0.0)),
        (0, 6),
        textcoords="offset points",
        ha="center",
        rotation=turn,
        fontsize=9,
        zorder=7,
        bbox=readable,
    )


def _add_legend(figure: Any, groups: Mapping[str, Any], chances: Mapping[str, float], names: Sequence[str]) -> None:
    handles: list[Any] = []
    if len(groups) > 1:
        handles += [
            Patch(facecolor=colour_of(g), hatch=hatch_of(g), alpha=0.85, label=short_label(variant))
            for g, variant in enumerate(groups)
        ]
    if any(len(seeds) > 1 for values in groups.values() for seeds in values.values()):
        handles.append(
            Line2D([], [], linestyle="", marker="o", color="white", markeredgecolor="black", label="one seed")
        )
        handles.append(
            Line2D([], [], linestyle="", marker="|", markersize=11, color="black", label="± standard deviation")
        )
    if any(name in chances for name in names):
        handles.append(Line2D([], [], color="black", linestyle=(0, (4, 2)), label="chance"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False)
