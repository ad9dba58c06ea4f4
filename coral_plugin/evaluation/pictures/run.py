"""Pictures of a run: curves of the training, scores by task and by part, densities of the embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

from coral_plugin.errors import InputError
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.pictures.bars import grouped_bars
from coral_plugin.evaluation.pictures.density import embedding_density
from coral_plugin.evaluation.pictures.figure import GREY, colour_of, new_figure, save_figure, short_label, style_axes
from coral_plugin.evaluation.tables.model import cell
from coral_plugin.evaluation.tables.run import score_rows

Histories = Mapping[int, Sequence[Mapping[str, float]]]
SplitEmbeddings = tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]


def training_curves(path: Path, histories: Histories) -> None:
    """Draw each loss term over the epochs, and the mask ratio where the method has one.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        histories: ``{seed: a record per epoch}`` with ``epoch``, ``loss/<term>`` and perhaps ``mask_ratio``.
            Several seeds become a mean with a band of one sample standard deviation.

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
        axes.set_title(short_label(term.removeprefix("loss/")), fontsize=11)
        axes.set_ylabel("loss", fontsize=10)
    if masked:
        axes = figure.add_subplot(grid[down, :])
        _curve(axes, histories, "mask_ratio", GREY, step=True)
        axes.set_title("mask ratio", fontsize=11)
        axes.set_ylabel("share", fontsize=10)
        axes.set_ylim(0, 1)
    count = sum(bool(history) for history in histories.values())
    seeds = f"mean ± standard deviation of {count} seeds" if count > 1 else "one seed"
    figure.suptitle(f"Training, {seeds}", fontsize=13)
    save_figure(figure, path, ["seed", *keys[1:]], [[row.get(key, "") for key in keys] for row in rows])


def part_heatmap(path: Path, metrics: Mapping[str, Any]) -> None:
    """Draw the mean score of every part and of the raw values on every task, coloured from chance to perfect.

    Args:
        path: File without ending.
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
            # only the mean: the table has the standard deviations
            text = cell([fmean(values)] if values else [], percent=percent)
            axes.text(j, i, text, ha="center", va="center", color="white" if shares[i, j] > 0.55 else "black")
            data.append([name, task, summary["metric"], fmean(values) if values else "", summary.get("chance", "")])
    axes.set_facecolor("#EEEEEE")
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="auto")
    heads = [f"{short_label(t, 22)}\n{metric_named(s['metric']).axis_label}" for t, s in tasks.items()]
    axes.set_xticks(range(len(tasks)), heads, fontsize=9)
    axes.set_yticks(range(len(rows)), [short_label(name) for name in rows], fontsize=10)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for after in (1, 1 + len(metrics.get("parts", {}))):
        axes.axhline(after - 0.5, color="white", linewidth=4)
    figure.colorbar(image, ax=axes, fraction=0.05, label="(score - chance) / (1 - chance)")
    figure.suptitle(
        f"What each part knows: {short_label(metrics['objective'])} on {short_label(metrics['dataset'])}", fontsize=13
    )
    save_figure(figure, path, ["part", "task", "metric", "mean", "chance"], data)


def draw_run_pictures(
    folder: Path, metrics: Mapping[str, Any], histories: Histories, embeddings: SplitEmbeddings | None
) -> list[Path]:
    """Draw every picture that the data of a run allow.

    Args:
        folder: Folder of the pictures, made if it does not exist.
        metrics: Content of ``metrics.json``.
        histories: ``{seed: a record per epoch}``.
        embeddings: Projected parts ``{part: (N, d)}`` of the training and of the test samples.

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
        grouped_bars(
            folder / "scores",
            {metrics["objective"]: {task: summary["values"] for task, summary in shares.items()}},
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
    style: dict[str, Any] = {"drawstyle": "steps-mid"} if step else {}
    axes.plot(epochs, means, color=colour, linewidth=1.8, marker=marker, **style)
    if spreads.any():
        axes.fill_between(epochs, means - spreads, means + spreads, color=colour, alpha=0.25, linewidth=0)
    axes.set_xlabel("epoch", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10]))
    axes.margins(x=0.02)
    style_axes(axes)
