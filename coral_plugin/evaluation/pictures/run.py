"""Pictures of a run: curves of the training, scores by task and by part, densities of the embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from coral_plugin.errors import InputError
from coral_plugin.evaluation.names import run_names, seed_count
from coral_plugin.evaluation.pictures.classes import ClassPoints
from coral_plugin.evaluation.pictures.density import embedding_density
from coral_plugin.evaluation.pictures.figure import (
    GREY,
    colour_of,
    new_figure,
    put_title,
    save_figure,
    short_label,
    style_axes,
)
from coral_plugin.evaluation.pictures.parts import compared_parts, part_dots, shared_information

Histories = Mapping[int, Sequence[Mapping[str, float]]]
SplitEmbeddings = tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]


def training_curves(path: Path, histories: Histories, title: str = "Training") -> None:
    """Draw each loss term over the epochs, and the mask ratio where the method has one.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        histories: ``{seed: a record per epoch}`` with ``epoch``, ``loss/<term>`` and perhaps ``mask_ratio``.
            Several seeds become a mean with a band of one sample standard deviation.
        title: Title of the picture; the number of seeds is added.

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
    put_title(figure, title, seed_count([count]))
    if count > 1:
        note = "Line: mean of the seeds. Band: one sample standard deviation to either side."
        figure.supxlabel(note, fontsize=9.5, color=GREY, x=0.012, ha="left")
    save_figure(figure, path, ["seed", *keys[1:]], [[row.get(key, "") for key in keys] for row in rows])


def draw_run_pictures(
    folder: Path,
    metrics: Mapping[str, Any],
    histories: Histories,
    embeddings: SplitEmbeddings | None,
    classes: ClassPoints | None = None,
) -> list[Path]:
    """Draw every picture that the data of a run allow.

    Args:
        folder: Folder of the pictures, made if it does not exist.
        metrics: Content of ``metrics.json``.
        histories: ``{seed: a record per epoch}``.
        embeddings: Projected parts ``{part: (N, d)}`` of the training and of the test samples.
        classes: Whole representation of the test samples with their classes.

    Returns:
        The files written.
    """
    drawn = []
    if any(histories.values()):
        training_curves(folder / "training", histories, f"Training of {run_names(metrics)}")
        drawn.append("training")
    tasks = metrics["tasks"]
    if tasks:
        part_dots(folder / "parts", metrics)
        drawn.append("parts")
    if compared_parts(metrics):
        shared_information(folder / "shared", metrics)
        drawn.append("shared")
    if embeddings and len({part.shape[1] for split in embeddings for part in split.values()}) == 1:
        title = f"{run_names(metrics)}, seed {metrics['seeds'][0]}: embeddings"
        embedding_density(folder / "embeddings", *embeddings, classes=classes, title=title)
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
    marker = "o" if len(epochs) <= 10 else None
    style: dict[str, Any] = {"drawstyle": "steps-mid"} if step else {}
    axes.plot(epochs, means, color=colour, linewidth=1.8, marker=marker, markersize=4, **style)
    if spreads.any():
        axes.fill_between(epochs, means - spreads, means + spreads, color=colour, alpha=0.25, linewidth=0)
    axes.set_xlabel("epoch", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.margins(x=0.02)
    style_axes(axes)
