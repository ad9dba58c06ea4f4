"""Scores as dots: a row for each method with its seeds, mean and standard deviation, beside reference lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

from matplotlib.ticker import MaxNLocator

from coral_plugin.errors import InputError
from coral_plugin.evaluation.metrics import Metric
from coral_plugin.evaluation.names import seed_count
from coral_plugin.evaluation.pictures.figure import (
    GREY,
    RAW_COLOUR,
    new_figure,
    put_title,
    save_figure,
    short_label,
    style_axes,
)
from coral_plugin.evaluation.tables.model import NO_VALUE, cell

DOT = "#0072B2"
LineKind = Literal["raw features", "with labels", "chance"]
_LINES: dict[LineKind, dict[str, Any]] = {
    "raw features": {"color": RAW_COLOUR, "linestyle": (0, (5, 2))},
    "with labels": {"color": "#00704F", "linestyle": "-"},
    "chance": {"color": "black", "linestyle": (0, (1, 1.5))},
}
_LABEL_SIZE, _LABEL_STEP = 9.5, 13.5  # points
_ROW, _NOTE_WIDTH = 0.36, 108  # inches, characters
# a reference line stands in the picture unless it would make the axis more than this many times longer
_STRETCH: dict[LineKind, float] = {"raw features": 3.0, "with labels": 3.0, "chance": 1.5}


@dataclass(frozen=True, kw_only=True)
class ReferenceLine:
    """A level that rows are compared with.

    Attributes:
        label: Text beside the line.
        values: Value of each seed; the line stands at their mean, a band shows one sample standard deviation.
        kind: Kind of the level, which decides its colour.
    """

    label: str
    values: Sequence[float]
    kind: LineKind


@dataclass(frozen=True, kw_only=True)
class ScorePanel:
    """The rows of one score.

    Attributes:
        metric: Metric of the values.
        rows: ``{name: value of each seed}``; a name without values keeps an empty row.
        lines: Levels that hold for every row.
        chances: Level of chance of single rows, where it differs between them.
        kinds: Kinds of rows that are no methods, which decide their colours.
        unit: Divisor of the values; a power of ten.
    """

    metric: Metric
    rows: Mapping[str, Sequence[float]]
    lines: Sequence[ReferenceLine] = ()
    chances: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, LineKind] = field(default_factory=dict)
    unit: float = 1.0

    @property
    def axis_label(self) -> str:
        """Metric, unit and better direction.

        >>> from coral_plugin.evaluation.metrics import metric_named
        >>> ScorePanel(metric=metric_named("mse"), rows={}, unit=1e-4).axis_label
        'MSE x 1e-4 (lower is better)'
        """
        label = self.metric.axis_label
        if self.unit != 1:
            label = f"{self.metric.label} x 1e{round(math.log10(self.unit))}"
        return f"{label} ({'higher' if self.metric.higher_is_better else 'lower'} is better)"

    def shown(self, values: Sequence[float]) -> list[float]:
        """The values in the unit of the axis."""
        return [value * (100.0 if self.metric.is_share else 1.0) / self.unit for value in values]


def score_dots(
    path: Path,
    panels: Mapping[str, ScorePanel],
    title: str,
    *,
    best_first: bool = True,
    one_axis: bool = False,
    note: str = "",
) -> None:
    """Draw a panel for each score, and in it a row of dots for each name.

    A large dot is a mean, a bar one sample standard deviation to either side, a small dot a seed. The axis covers the
    values, and the reference lines where they are near; the label of a line that is farther away has an arrow.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        panels: ``{name of the score: its rows}``; all panels have the same rows, in the same order.
        title: Title of the picture; the number of seeds is added.
        best_first: Whether the rows are sorted, by the mean of their ranks over the panels; else the given order.
        one_axis: Whether all panels have the same ends of the axis.
        note: Sentence below the picture.

    Raises:
        InputError: no scores.
    """
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel.rows))
    counts = {name: len(v) for panel in panels.values() for name, v in panel.rows.items() if v}
    if not counts:
        raise InputError("There are no scores to draw.")
    if best_first:
        names = _by_rank(names, list(panels.values()))
    kinds = {name for panel in panels.values() for name in panel.kinds}
    seeds = seed_count([count for name, count in counts.items() if name not in kinds] or list(counts.values()))
    across = {1: 1, 2: 2, 4: 2}.get(len(panels), 3)
    down = math.ceil(len(panels) / across)
    many, wide = len(panels) > 1, across < 3
    levels = 1 + max(len(panel.lines) for panel in panels.values())
    explanation = _explanation(max(counts.values()), many, wide, best_first and len(names) > 1)
    notes = textwrap.wrap(f"{explanation} {note}", _NOTE_WIDTH)
    row_height = _ROW + 0.1 * (max(len(_wrapped(name)) for name in names) - 1)
    height = 0.55 + 0.17 * len(notes) + down * (0.75 + row_height * len(names) + 0.1 * levels + 0.25 * many)
    figure = new_figure(max(height, 2.4))
    put_title(figure, title, seeds)
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, panels.values(), strict=False):
        _draw_panel(axes, panel, names, intervals=wide)
    if one_axis:
        ends = [end for axes in grid.flat[: len(panels)] for end in axes.get_xlim()]
        for axes in grid.flat[: len(panels)]:
            axes.set_xlim(min(ends), max(ends))
    labels = list(dict.fromkeys(panel.axis_label for panel in panels.values()))
    for place, (axes, panel) in enumerate(zip(grid.flat, panels.values(), strict=False)):
        if len(labels) > 1 or place + across >= len(panels):
            axes.set_xlabel(panel.axis_label.replace(" (", "\n(") if many else panel.axis_label, fontsize=10.5)
    figure.supxlabel("\n".join(notes), fontsize=9.5, color=GREY, x=0.012, ha="left")
    # the widths of the panels are known after a layout; then labels above them can be kept apart
    figure.draw_without_rendering()
    levels = max(_label_lines(axes, panel) for axes, panel in zip(grid.flat, panels.values(), strict=False))
    if many:
        for axes, name in zip(grid.flat, panels, strict=False):
            axes.set_title(short_label(name), fontsize=11.5, pad=8 + levels * _LABEL_STEP)
    save_figure(figure, path, ["score", "row", "kind", "run", "value"], _rows(panels))


def _by_rank(names: Sequence[str], panels: Sequence[ScorePanel]) -> list[str]:
    ranks: dict[str, list[int]] = {name: [] for name in names}
    for panel in panels:
        means = {name: fmean(values) for name, values in panel.rows.items() if values}
        levels = sorted(set(means.values()), reverse=panel.metric.higher_is_better)
        for name, mean in means.items():
            ranks[name].append(levels.index(mean))
    return sorted(names, key=lambda name: fmean(ranks[name]) if ranks[name] else math.inf)


def _explanation(seeds: int, many: bool, wide: bool, best_first: bool) -> str:
    interval = f"Bar{' and ±' if wide else ''}: one sample standard deviation."
    sentences = [
        f"Large dot and number: mean. {interval} Small dots: single seeds."
        if seeds > 1
        else "One training for each dot: no interval."
    ]
    if best_first:
        sentences.append("Rows in the order of their mean rank." if many else "Best on top.")
    return " ".join(sentences)


def _draw_panel(axes: Any, panel: ScorePanel, names: Sequence[str], *, intervals: bool) -> None:
    for place, name in enumerate(names):
        values = panel.shown(panel.rows.get(name, ()))
        text = cell(values if intervals else values and [fmean(values)], percent=False, decimals=_decimals(panel))
        if values:
            _draw_row(axes, place, values, panel.kinds.get(name))
            if name in panel.chances:
                _draw_chance(axes, place, panel.shown([panel.chances[name]])[0], fmean(values))
        axes.annotate(
            text if values else NO_VALUE, (1, place), (7, 0), xycoords=axes.get_yaxis_transform(),
            textcoords="offset points", va="center", fontsize=10.5, annotation_clip=False,
        )  # fmt: skip
    low, high = _limits(panel)
    axes.set_xlim(low, high)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), ["\n".join(_wrapped(name)) for name in names])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8 if intervals else 5, steps=[1, 2, 5, 10]))
    style_axes(axes, grid="both")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=11)


def _wrapped(name: str) -> list[str]:
    return textwrap.wrap(short_label(name, 56), 30) or [""]


def _draw_row(axes: Any, place: int, values: Sequence[float], kind: LineKind | None) -> None:
    mean, colour = fmean(values), DOT if kind is None else _LINES[kind]["color"]
    if len(values) > 1:
        deviation = stdev(values)
        axes.plot([mean - deviation, mean + deviation], [place, place], color=colour, linewidth=2.2, zorder=4)
        axes.scatter(values, [place + 0.28] * len(values), s=15, color=colour, alpha=0.55, linewidth=0, zorder=4)
    axes.scatter([mean], [place], s=52, color=colour, edgecolor="white", linewidth=0.9, zorder=5)


def _draw_chance(axes: Any, place: int, chance: float, mean: float) -> None:
    axes.plot([chance, mean], [place, place], color="#BBBBBB", linewidth=1.4, zorder=2)
    axes.plot([chance, chance], [place - 0.22, place + 0.22], color="black", linewidth=1.4, zorder=3)
    text, below = f"chance {chance:.4g}", (5, -10)
    axes.annotate(text, (chance, place), below, textcoords="offset points", va="center", fontsize=_LABEL_SIZE)


def _limits(panel: ScorePanel) -> tuple[float, float]:
    """Ends of the axis: all values and intervals, and every reference line that is near enough.

    Shares whose level of chance differs between the rows are shown from 0 to 100.
    """
    if panel.chances and panel.metric.is_share:
        return 0.0, 100.0
    ends = panel.shown([panel.chances[name] for name in panel.rows if name in panel.chances])
    for values in map(panel.shown, panel.rows.values()):
        deviation = stdev(values) if len(values) > 1 else 0.0
        ends += [*values, *([fmean(values) - deviation, fmean(values) + deviation] if values else [])]
    ends = ends or [0.0]
    low, high = min(ends), max(ends)
    least = 4.0 if panel.metric.is_share else 0.1 * max(abs(low), abs(high)) or 1.0
    missing = max(0.0, least - (high - low)) / 2
    low, high = low - missing, high + missing
    span = high - low
    means = [(fmean(panel.shown(line.values)), _STRETCH[line.kind]) for line in panel.lines]
    for mean, stretch in sorted(means, key=lambda pair: max(low - pair[0], pair[0] - high)):
        if max(high, mean) - min(low, mean) <= stretch * span:
            low, high = min(low, mean), max(high, mean)
    reach = 0.06 * (high - low)
    return low - reach, high + reach


def _label_lines(axes: Any, panel: ScorePanel) -> int:
    """Draw the reference lines with their labels above the panel, kept apart; returns how many levels they take."""
    low, high = axes.get_xlim()
    box = axes.get_window_extent()
    taken: list[list[tuple[float, float]]] = []
    for line in sorted(panel.lines, key=lambda line: fmean(line.values)):
        values = panel.shown(line.values)
        mean, style = fmean(values), _LINES[line.kind]
        text = f"{line.label} {cell([mean], percent=False, decimals=_decimals(panel))}"
        text = f"← {text}" if mean < low else f"{text} →" if mean > high else text
        label = axes.annotate(
            text, (0, 1), xycoords="axes fraction", textcoords="offset points", fontsize=_LABEL_SIZE,
            color=style["color"], ha="center", va="bottom", annotation_clip=False, xytext=(0, 0),
        )  # fmt: skip
        half = label.get_window_extent().width / 2
        place = box.x0 + (min(max(mean, low), high) - low) / (high - low) * box.width
        place = min(max(place, box.x0 + half), max(box.x1 - half, box.x0 + half))
        level = next((i for i, row in enumerate(taken) if all(place + half < a or b < place - half for a, b in row)),
                     len(taken))  # fmt: skip
        taken += [[]] if level == len(taken) else []
        taken[level].append((place - half - 8, place + half + 8))
        label.xy = ((place - box.x0) / box.width, 1)
        label.set_position((0, 4 + level * _LABEL_STEP))
        if low <= mean <= high:
            axes.axvline(mean, linewidth=1.6, zorder=2.5, **style)
            if len(values) > 1 and stdev(values) > 0:
                band = (max(low, mean - stdev(values)), min(high, mean + stdev(values)))
                axes.axvspan(*band, color=style["color"], alpha=0.1, linewidth=0, zorder=1)
    return len(taken)


def _decimals(panel: ScorePanel) -> int | None:
    return 1 if panel.metric.is_share else None


def _rows(panels: Mapping[str, ScorePanel]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for score, panel in panels.items():
        named = [("row", name, values) for name, values in panel.rows.items()]
        named += [(line.kind, line.label, line.values) for line in panel.lines]
        named += [("chance", name, [chance]) for name, chance in panel.chances.items()]
        rows += [[score, name, kind, run, value] for kind, name, values in named for run, value in enumerate(values)]
    return rows
