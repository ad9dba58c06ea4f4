"""What the parts of a representation know, what they share, and what is left where modalities are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib import colormaps

from coral_plugin.errors import InputError
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.names import run_names, seed_count
from coral_plugin.evaluation.pictures.dots import LineKind, ReferenceLine, ScorePanel, score_dots
from coral_plugin.evaluation.pictures.figure import GREY, new_figure, put_title, save_figure, short_label
from coral_plugin.evaluation.tables.run import RAW_PREFIX, score_rows

# what is drawn of disentanglement: space, measure, and its title
_SHARED = (("projected", "cosine", "mean |cos|, projected parts"), ("probed", "cka", "linear CKA, probed parts"))
_PROBES = {"complete": "probe fitted on all modalities", "refitted": "probe fitted on these modalities"}


def part_dots(path: Path, metrics: Mapping[str, Any], training: str = "") -> None:
    """Draw the scores of all parts together, of every part and of the raw values, a panel for each task.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        metrics: Content of ``metrics.json``.
        training: Name of the run among several of the same method and data set; part of the title.

    Raises:
        InputError: the run has no scores.
    """
    rows = score_rows(metrics)
    raw: dict[str, LineKind] = {name: "raw features" for name in rows if name.startswith(RAW_PREFIX)}
    panels = {
        task: ScorePanel(
            metric=metric_named(summary["metric"]),
            rows={name: scores[task]["values"] if task in scores else [] for name, scores in rows.items()},
            kinds=raw,
            lines=_chance(summary),
        )
        for task, summary in metrics["tasks"].items()
    }
    title = f"What each part knows: {run_names(metrics)}{training and f', {training}'}"
    score_dots(path, panels, title, best_first=False, note="Orange: raw values." if raw else "")


def missing_dots(path: Path, metrics: Mapping[str, Any]) -> None:
    """Draw the scores of test samples with modalities missing, by those present, for both ways to fit the probe.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        metrics: Content of ``metrics.json`` with ``missing``
            (:func:`coral_plugin.runs.summary.summarise_missing`).

    Raises:
        InputError: no subset of the modalities was scored.
    """
    tasks = metrics["tasks"]
    panels = {
        f"{task}: {probe}" if len(tasks) > 1 else probe: ScorePanel(
            metric=metric_named(summary["metric"]),
            rows={
                " + ".join(entry["modalities"]): entry[kind].get(task, {}).get("values", [])
                for entry in metrics.get("missing", [])
            },
            lines=_chance(summary),
        )
        for task, summary in tasks.items()
        for kind, probe in _PROBES.items()
    }
    title = f"Modalities present at test: {run_names(metrics)}"
    score_dots(path, panels, title, best_first=False, one_axis=len(tasks) == 1)


def shared_information(path: Path, metrics: Mapping[str, Any]) -> None:
    """Draw how alike every two parts are: the mean absolute cosine of their heads, and linear CKA as they are probed.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        metrics: Content of ``metrics.json``.

    Raises:
        InputError: no two parts were compared.
    """
    maps = compared_parts(metrics)
    if not maps:
        raise InputError("There are no two parts to compare.")
    parts = list(dict.fromkeys(part for values in maps.values() for pair in values for part in pair))
    figure = new_figure(min(8.0, 2.2 + 0.42 * len(parts)))
    seeds = seed_count([len(metrics["disentanglement"])])
    put_title(figure, f"How alike the parts are: {run_names(metrics)}", seeds)
    grid = figure.subplots(1, len(maps), squeeze=False, sharey=True)[0]
    for axes, (name, values) in zip(grid, maps.items(), strict=True):
        _draw_map(axes, parts, values)
        axes.set_title(name, fontsize=11)
    note = "0: nothing in common by this measure; 1: the same up to scale and rotation (CKA), or parallel (|cos|)."
    figure.supxlabel(note, fontsize=9.5, color=GREY, x=0.012, ha="left")
    data = [[*pair, name, value] for name, values in maps.items() for pair, value in values.items()]
    save_figure(figure, path, ["part", "other part", "measure", "mean"], data)


def compared_parts(metrics: Mapping[str, Any]) -> dict[str, dict[tuple[str, str], float]]:
    """``{title of a measure: {pair of parts: mean over the seeds}}`` of the measures that the run has."""
    maps = {title: _by_pair(metrics, space, measure) for space, measure, title in _SHARED}
    return {title: values for title, values in maps.items() if values}


def _by_pair(metrics: Mapping[str, Any], space: str, measure: str) -> dict[tuple[str, str], float]:
    """``{pair of parts: mean over the seeds}`` of the pairs that have the measure."""
    values: dict[tuple[str, str], list[float]] = {}
    for seed in metrics.get("disentanglement", {}).values():
        for pair, measured in seed.get(space, {}).items():
            if measured.get(measure) is not None:
                one, _, other = pair.partition(" | ")
                values.setdefault((one, other), []).append(measured[measure])
    return {pair: fmean(by_seed) for pair, by_seed in values.items()}


def _draw_map(axes: Any, parts: list[str], values: Mapping[tuple[str, str], float]) -> None:
    """Colours and numbers below the diagonal, from 0 to 1."""
    shown = np.full((len(parts), len(parts)), np.nan)
    for (one, other), value in values.items():
        row, column = sorted((parts.index(one), parts.index(other)), reverse=True)
        shown[row, column] = value
        light = value > 0.55
        axes.text(
            column, row, f"{value:.2f}", ha="center", va="center", color="white" if light else "black", fontsize=10
        )
    axes.imshow(shown[1:, :-1], cmap=colormaps["Blues"], vmin=0, vmax=1, aspect="auto",
                extent=(-0.5, len(parts) - 1.5, len(parts) - 0.5, 0.5))  # fmt: skip
    labels = [short_label(part, 24) for part in parts]
    axes.set_xticks(range(len(parts) - 1), labels[:-1], rotation=30, ha="right", rotation_mode="anchor", fontsize=10)
    axes.set_yticks(range(1, len(parts)), labels[1:], fontsize=10)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _chance(summary: Mapping[str, Any]) -> list[ReferenceLine]:
    chance = summary.get("chance")
    return [] if chance is None else [ReferenceLine(label="chance", values=[chance], kind="chance")]
