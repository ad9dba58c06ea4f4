"""The picture of ``growth.py``: points and fitted lines. No measurement happens here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from growth_page import AXES, MEMORY, MIB, TIME, lines_of, memory_of, numbered
from growth_points import SERIES
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from coral_plugin.evaluation.pictures.figure import colour_of, new_figure, save_figure, style_axes


def draw(path: Path, points: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw time above and memory below, a column for each axis of at least one series of two points."""
    measured = {name: p for name, p in numbered(points).items() if SERIES[name].axis != "processes" and len(p) > 1}
    names = [axis for axis in AXES if any(SERIES[name].axis == axis for name in measured)]
    figure = new_figure(6.4, 3.3 * len(names))
    rows = []
    for column, axis in enumerate(names):
        for row, what in enumerate((TIME, MEMORY)):
            axes = figure.add_subplot(2, len(names), row * len(names) + column + 1)
            style_axes(axes, grid="both")
            straight = axis == "samples"
            if not straight:
                axes.set(xscale="log", yscale="log")
            for number, name in enumerate(n for n in measured if SERIES[n].axis == axis):
                xs = sorted(measured[name])
                unit = 1 if what == TIME else MIB
                ys = [
                    (measured[name][x]["seconds"] if what == TIME else memory_of(measured[name][x])) / unit for x in xs
                ]
                line = lines_of(name, measured[name]).get(what)
                label = SERIES[name].label + (f", x^{line.slope:.2f}" if line and line.power else "")
                axes.plot(xs, ys, "o", color=colour_of(number), markersize=5, label=label)
                rows += [(name, what, x, y) for x, y in zip(xs, ys, strict=True)]
                if line:
                    tail = np.geomspace(max(xs[0], SERIES[name].tail or 0), xs[-1], 30)
                    axes.plot(tail, [line.at(x) / unit for x in tail], color=colour_of(number), linewidth=1.4)
            _ticks(axes, sorted({x for n in measured if SERIES[n].axis == axis for x in measured[n]}), straight)
            titles = (("Seconds of a step", "Seconds of an epoch"), ("Memory of a step, MiB", "Peak memory, MiB"))
            axes.set_title(titles[row][straight], fontsize=11, loc="left")
            if row:
                axes.set_xlabel(AXES[axis], fontsize=11)
            axes.legend(fontsize=9, frameon=False)
    save_figure(figure, path, ("series", "what", "x", "seconds or MiB"), rows)


def _ticks(axes: Any, xs: Sequence[int], straight: bool) -> None:
    """Ticks at measured values, and plain numbers."""
    plain = FuncFormatter(lambda value, _: f"{value:,g}")
    if straight:
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set(xlim=(0, 1.05 * xs[-1]), ylim=(0, 1.25 * axes.get_ylim()[1]))
        for one in (axes.xaxis, axes.yaxis):
            one.set_major_formatter(plain)
        return
    shown = xs if len(xs) <= 7 else xs[1::2]
    axes.set_xticks(shown, [f"{x:,}" for x in shown])
    axes.margins(y=0.12)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(plain)
    axes.minorticks_off()
