"""The pictures of the demo and of the ablation: redundancy, uniqueness and synergy on Trifeature."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.pictures.dots import ReferenceLine, ScorePanel, score_dots

# records of coral demo and coral ablate
SUMMARY, ABLATION = "summary.json", "ablation.json"

Summary = Mapping[str, Mapping[str, Any]]
_METRIC = metric_named("balanced_accuracy")
_KINDS = (
    "Redundancy: the shape that both images have. Uniqueness: the texture of the first image. Synergy: whether the "
    "texture of the first matches the colour of the second."
)


def draw_information(path: Path, summary: Summary) -> None:
    """Draw how well a probe reads each kind of information from COrAL's representation, from chance upward.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        summary: ``{kind of information: {"values", "chance"}}``, the content of the demo's ``summary.json``.
    """
    panel = ScorePanel(
        metric=_METRIC,
        rows={kind: entry["values"] for kind, entry in summary.items()},
        chances={kind: entry["chance"] for kind, entry in summary.items()},
    )
    score_dots(path, {"": panel}, "What COrAL recovers of Trifeature", best_first=False, note=_KINDS)


def draw_ablation(path: Path, summaries: Mapping[str, Summary]) -> None:
    """Draw the variants of COrAL, a panel for each kind of information; the variants stay in the given order.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        summaries: ``{variant: its summary}``, the ``summary`` of each variant in ``ablation.json``.
    """
    panels = {}
    for kind, entry in next(iter(summaries.values())).items():
        chance = ReferenceLine(label="chance", values=[entry["chance"]], kind="chance")
        rows = {name: summary[kind]["values"] for name, summary in summaries.items()}
        panels[kind] = ScorePanel(metric=_METRIC, rows=rows, lines=[chance])
    score_dots(path, panels, "Ablation of COrAL on Trifeature", best_first=False)
