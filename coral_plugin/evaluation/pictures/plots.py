"""Pictures of a run: curves of the training, scores, scores by part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from coral_plugin.errors import InputError
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.pictures.canvas import GREY, WIDTH, colour_of, hatch_of, label, new_figure, save, tidy
from coral_plugin.evaluation.pictures.density import embedding_density
from coral_plugin.evaluation.tables.model import cell
from coral_plugin.evaluation.tables.run import score_rows

Histories = Mapping[int, Sequence[Mapping[str, float]]]
Embeddings = tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]


def training_curves(path: Path, histories: Histories) -> None:
    """Each loss term over the epochs, and the mask ratio where the method has one.

    Args:
        path: Without ending; see :func:`coral_plugin.evaluation.pictures.canvas.save`.
        histories: ``{seed: one record an epoch}`` with ``epoch``, ``loss/<term>`` and perhaps ``mask_ratio``.
            Several seeds become a mean with a band of one sample deviation.

    Raises:
        InputError: no epoch in any of them.
    """
    rows = [{"seed": seed, **row} for seed, history in histories.items() for row in history]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    terms = sorted((key for key in keys if key.startswith("loss/")), key=lambda key: key != "loss/total")
    if not terms:
        raise InputError("There is no epoch with a loss to draw.")
    masked = "mask_ratio" in keys
    across = min(2, len(terms))
    down = math.ceil(len(terms) / across)
    figure = new_figure(0.6 + 2.3 * down + 1.5 * masked)
    grid = figure.add_gridspec(down + masked, across, height_ratios=[1.0] * down + [0.5] * masked)
    for index, term in enumerate(terms):
        alone = index == len(terms) - 1 and index % across == 0
        axes = figure.add_subplot(grid[index // across, :] if alone else grid[index // across, index % across])
        _curve(axes, histories, term, colour_of(index))
        axes.set_title(label(term.removeprefix("loss/")), fontsize=11)
        axes.set_ylabel("loss", fontsize=10)
    if masked:
        axes = figure.add_subplot(grid[down, :])
        _curve(axes, histories, "mask_ratio", GREY, step=True)
        axes.set_title("mask ratio", fontsize=11)
        axes.set_ylabel("share", fontsize=10)
        axes.set_ylim(0, 1)
    count = sum(bool(history) for history in histories.values())
    said = f"mean ± deviation of {count} seeds" if count > 1 else "one seed"
    figure.suptitle(f"Training, {said}", fontsize=13)
    save(figure, path, ["seed", *keys[1:]], [[row.get(key, "") for key in keys] for row in rows])


def bars(
    path: Path,
    values: Mapping[str, Sequence[float]],
    chances: Mapping[str, float],
    title: str,
    ylabel: str = "balanced accuracy, %",
    *,
    percent: bool = True,
) -> None:
    """One bar for each name, with whiskers of one deviation, a dot for each seed and the level of chance.

    Args:
        path: Without ending.
        values: ``{name: one score a seed}``; a name without scores keeps an empty place.
        chances: ``{name: level}``; not every name needs one.
        title: Of the picture.
        ylabel: With its unit.
        percent: The scores are shares, shown times 100.
    """
    _bars(path, {"": values}, chances, title, ylabel, percent)


def grouped_bars(
    path: Path,
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    chances: Mapping[str, float],
    title: str,
    ylabel: str = "balanced accuracy, %",
    *,
    percent: bool = True,
) -> None:
    """As :func:`bars`, with a bar for each variant at each name.

    Args:
        path: Without ending.
        groups: ``{variant: {name: one score a seed}}``.
        chances: ``{name: level}``.
        title: Of the picture.
        ylabel: With its unit.
        percent: The scores are shares, shown times 100.
    """
    _bars(path, groups, chances, title, ylabel, percent)


def part_heatmap(path: Path, metrics: Mapping[str, Any]) -> None:
    """Mean score of every part and of the raw values on every task; the colour is the way from chance to perfect.

    Args:
        path: Without ending.
        metrics: Content of ``metrics.json``.

    Raises:
        InputError: the run has no scores.
    """
    tasks, rows = metrics["tasks"], score_rows(metrics)
    if not tasks:
        raise InputError("There are no scores to draw: the data have no task.")
    colours = colormaps["Blues"]
    figure = new_figure(1.5 + 0.42 * len(rows), max(5.5, min(12.0, 3.4 + 1.5 * len(tasks))))
    axes = figure.add_subplot()
    shares = np.full((len(rows), len(tasks)), np.nan)
    data = []
    for i, (name, scores) in enumerate(rows.items()):
        for j, (task, summary) in enumerate(tasks.items()):
            values = scores[task]["values"] if task in scores else []
            percent = metric_named(summary["metric"]).is_share
            if values and percent:
                chance = summary.get("chance") or 0.0
                # with one class in test the same guess for all is perfect: there is no way to go
                shares[i, j] = np.clip((fmean(values) - chance) / (1 - chance), 0, 1) if chance < 1 else 0.0
            # only the mean: the table has the deviations
            said = cell([fmean(values)] if values else [], percent=percent)
            axes.text(j, i, said, ha="center", va="center", color="white" if shares[i, j] > 0.55 else "black")
            data.append([name, task, summary["metric"], fmean(values) if values else "", summary.get("chance", "")])
    axes.set_facecolor("#EEEEEE")
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="auto")
    heads = [f"{label(t, 22)}\n{metric_named(s['metric']).axis_label}" for t, s in tasks.items()]
    axes.set_xticks(range(len(tasks)), heads, fontsize=9)
    axes.set_yticks(range(len(rows)), [label(name) for name in rows], fontsize=10)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for after in (1, 1 + len(metrics.get("parts", {}))):
        axes.axhline(after - 0.5, color="white", linewidth=4)
    figure.colorbar(image, ax=axes, fraction=0.05, label="(score - chance) / (1 - chance)")
    figure.suptitle(f"What each part knows: {label(metrics['objective'])} on {label(metrics['dataset'])}", fontsize=13)
    save(figure, path, ["part", "task", "metric", "mean", "chance"], data)


def write_run_plots(
    folder: Path, metrics: Mapping[str, Any], histories: Histories, embeddings: Embeddings | None
) -> list[Path]:
    """Every picture that the data of a run allow.

    Args:
        folder: Made if it is not there.
        metrics: Content of ``metrics.json``.
        histories: ``{seed: one record an epoch}``.
        embeddings: Projected parts of the training and the test samples, ``{part: (N, d)}`` each.

    Returns:
        The files written.
    """
    drawn = []
    if any(histories.values()):
        training_curves(folder / "training", histories)
        drawn.append("training")
    tasks = metrics["tasks"]
    shares = {task: summary for task, summary in tasks.items() if metric_named(summary["metric"]).is_share}
    if shares:
        names = {metric_named(summary["metric"]).label for summary in shares.values()}
        bars(
            folder / "scores",
            {task: summary["values"] for task, summary in shares.items()},
            {task: summary["chance"] for task, summary in shares.items() if summary.get("chance") is not None},
            f"{metrics['objective']} on {metrics['dataset']}: probe of all parts",
            f"{names.pop() if len(names) == 1 else 'score'}, %",
        )
        drawn.append("scores")
    if tasks:
        part_heatmap(folder / "parts", metrics)
        drawn.append("parts")
    if embeddings and len({part.shape[1] for split in embeddings for part in split.values()}) == 1:
        embedding_density(folder / "embeddings", *embeddings)
        drawn.append("embeddings")
    return [folder / f"{name}.{kind}" for name in drawn for kind in ("png", "svg", "csv")]


def _curve(axes: Any, histories: Histories, key: str, colour: str, *, step: bool = False) -> None:
    by_epoch: dict[int, list[float]] = {}
    for history in histories.values():
        for row in history:
            if key in row:
                by_epoch.setdefault(int(row["epoch"]) + 1, []).append(float(row[key]))
    epochs = sorted(by_epoch)
    means = np.array([np.mean(by_epoch[epoch]) for epoch in epochs])
    spreads = np.array([np.std(by_epoch[e], ddof=1) if len(by_epoch[e]) > 1 else 0.0 for e in epochs])
    marker = "o" if len(epochs) == 1 else None
    how: dict[str, Any] = {"drawstyle": "steps-mid"} if step else {}
    axes.plot(epochs, means, color=colour, linewidth=1.8, marker=marker, **how)
    if spreads.any():
        axes.fill_between(epochs, means - spreads, means + spreads, color=colour, alpha=0.25, linewidth=0)
    axes.set_xlabel("epoch", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10]))
    axes.margins(x=0.02)
    tidy(axes)


def _bars(
    path: Path,
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    chances: Mapping[str, float],
    title: str,
    ylabel: str,
    percent: bool,
) -> None:
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
            own = [scale * value for value in values.get(name, [])]
            said = cell(own if few else own and [fmean(own)], percent=False, decimals=1 if percent else None)
            _bar(axes, place, width, own, said, n if few else g, turn)
    for n, name in enumerate(names):
        if name in chances:
            reach = width * len(groups) / 2 + 0.04
            axes.hlines(scale * chances[name], n - reach, n + reach, color="black", linestyle=(0, (4, 2)), zorder=4)
    crowded = max(map(len, names)) * len(names) > 70
    turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(len(names)), [label(name) for name in names], fontsize=11, **turned)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.margins(y=0.2 if turn else 0.12)
    axes.set_ylabel(ylabel, fontsize=11)
    axes.set_title(label(title, 80), fontsize=13)
    tidy(axes)
    _explain(figure, groups, chances, names)
    data = [
        [variant, name, seed, value, chances.get(name, "")]
        for variant, values in groups.items()
        for name in values
        for seed, value in enumerate(values[name])
    ]
    start = 1 if one else 0
    save(figure, path, ["variant", "name", "run", "value", "chance"][start:], [row[start:] for row in data])


def _bar(axes: Any, place: float, width: float, values: list[float], said: str, index: int, turn: int) -> None:
    """A bar with the deviation and the seeds of ``values``, and above it ``said``, turned by ``turn`` degrees."""
    top = 0.0
    if values:
        mean, spread = fmean(values), stdev(values) if len(values) > 1 else 0.0
        axes.bar(place, mean, width * 0.92, color=colour_of(index), hatch=hatch_of(index), alpha=0.85, zorder=2)
        if len(values) > 1:
            axes.errorbar(place, mean, spread, color="black", capsize=4, linewidth=1.2, zorder=5)
            beside = place + width * 0.25 * np.linspace(-1, 1, len(values))
            axes.scatter(beside, values, s=16, color="white", edgecolor="black", linewidth=0.8, zorder=6)
        top = max(mean + spread, *values)
    readable = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    axes.annotate(
        said,
        (place, max(top, 0.0)),
        (0, 6),
        textcoords="offset points",
        ha="center",
        rotation=turn,
        fontsize=9,
        zorder=7,
        bbox=readable,
    )


def _explain(figure: Any, groups: Mapping[str, Any], chances: Mapping[str, float], names: Sequence[str]) -> None:
    handles: list[Any] = []
    if len(groups) > 1:
        handles += [
            Patch(facecolor=colour_of(g), hatch=hatch_of(g), alpha=0.85, label=label(variant))
            for g, variant in enumerate(groups)
        ]
    if any(len(seeds) > 1 for values in groups.values() for seeds in values.values()):
        handles.append(
            Line2D([], [], linestyle="", marker="o", color="white", markeredgecolor="black", label="one seed")
        )
        handles.append(Line2D([], [], linestyle="", marker="|", markersize=11, color="black", label="± deviation"))
    if any(name in chances for name in names):
        handles.append(Line2D([], [], color="black", linestyle=(0, (4, 2)), label="chance"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False)
