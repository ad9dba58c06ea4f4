"""Redundancy, uniqueness and synergy on Trifeature: two trainings, one table.

Redundancy and uniqueness are read from a training on unbiased pairs, synergy from one on biased pairs; both are probed
on unbiased pairs (METHODS 5.1).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coral_plugin.errors import InputError
from coral_plugin.evaluation.tables import Table, cell
from coral_plugin.experiments.pictures import draw_run
from coral_plugin.experiments.run import CONFIG, Run, run
from coral_plugin.experiments.settings import make_settings

ARMS = {"unbiased": ("redundancy", "uniqueness"), "biased": ("synergy",)}
# the papers' uniqueness is the texture of the first image
TASK = {"redundancy": "redundancy", "uniqueness": "uniqueness1", "synergy": "synergy"}


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large a Trifeature experiment is.

    Attributes:
        image_size: Pixels a side.
        pairs: Unlabelled pairs of each arm.
        epochs: Of each arm, ``{arm: epochs}``.
        chosen: Any other setting, as ``{"group.key": value}``.
    """

    image_size: int
    pairs: int
    epochs: Mapping[str, int]
    chosen: Mapping[str, Any]


PAPER = Scale(image_size=224, pairs=10_000, epochs={"unbiased": 100, "biased": 100}, chosen={})
# For two cores and five minutes. SimCLR's crop to 8 % of so few pixels leaves nothing of a texture, hence milder views;
# what counts in a short training is the number of steps, hence small batches and a high rate that is annealed.
SMALL = Scale(
    image_size=32,
    pairs=40_000,
    epochs={"unbiased": 2, "biased": 2},
    chosen={
        "source.texture_period": 8,
        "source.renders": 12,
        "source.probe_pairs": 6_000,
        "network.width": 64,
        "network.head_hidden": 256,
        "network.head_output": 128,
        "training.batch_size": 32,
        "training.learning_rate": 3e-3,
        "training.schedule": "cosine",
        "views": "shift(fraction=0.15)+color_jitter@0.8+flip",
    },
)


@dataclass(frozen=True)
class Arms:
    """Both trainings of one variant.

    Attributes:
        runs: ``{arm: run}``.
        summary: ``{kind of information: {"mean", "std", "values", "chance"}}``; shares, not percent.
    """

    runs: dict[str, Run]
    summary: dict[str, dict[str, Any]]


def run_arms(
    scale: Scale,
    *,
    objective: str = "coral",
    preset: str = "paper",
    seeds: tuple[int, ...] = (41,),
    folder: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    method: Mapping[str, Any] | None = None,
) -> Arms:
    """Train and probe both arms.

    Args:
        scale: Image size, pairs, epochs.
        objective: Registered name of the method.
        preset: Of the method.
        seeds: One training of each arm for each.
        folder: Gets a run directory for each arm; None writes nothing.
        resume: Go on with what the folder holds.
        quiet: Nothing on standard error.
        method: Settings of the method that differ from the preset.
    """
    runs: dict[str, Run] = {}
    for arm in ARMS:
        settings = make_settings(
            objective,
            "trifeature",
            preset=preset,
            seeds=seeds,
            **{
                "source.arm": arm,
                "source.image_size": scale.image_size,
                "source.pairs": scale.pairs,
                "training.epochs": scale.epochs[arm],
                **scale.chosen,
                **{f"method.{key}": value for key, value in (method or {}).items()},
            },
        )
        finished = run(settings, folder=folder / arm if folder else None, resume=resume, quiet=quiet)
        draw_run(finished)
        # pixels are shared by nobody from here on
        runs[arm] = replace(finished, objectives={})
    return Arms(runs, summarise_arms({arm: finished.metrics for arm, finished in runs.items()}))


def longer(scale: Scale, factor: int) -> Scale:
    """The same with ``factor`` times as many epochs."""
    return replace(scale, epochs={arm: factor * epochs for arm, epochs in scale.epochs.items()})


def clear(folder: Path) -> None:
    """Remove the run directories that an earlier :func:`run_arms` left in ``folder``, and nothing else there.

    Raises:
        InputError: ``folder`` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another --output.")
    for arm in ARMS:
        if (folder / arm / CONFIG).is_file():
            shutil.rmtree(folder / arm)


def summarise_arms(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Redundancy and uniqueness of the unbiased arm, synergy of the biased one."""
    summary = {}
    for arm, kinds in ARMS.items():
        for kind in kinds:
            task = metrics[arm]["tasks"][TASK[kind]]
            summary[kind] = {key: task[key] for key in ("mean", "std", "values", "chance")}
    return summary


def arms_table(variants: Mapping[str, Mapping[str, Mapping[str, Any]]], title: str) -> Table:
    """One row a variant, one column a kind of information, balanced accuracy in percent, chance in the last row."""
    kinds = list(TASK)
    first = next(iter(variants.values()))
    rows = [(name, *(cell(summary[kind]["values"]) for kind in kinds)) for name, summary in variants.items()]
    rows.append(("chance", *(cell([first[kind]["chance"]]) for kind in kinds)))
    return Table(columns=("balanced accuracy, %", *(f"{kind} ↑" for kind in kinds)), rows=tuple(rows), title=title)
