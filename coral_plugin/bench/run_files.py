"""What a report reads in the run directories of a grid: the record of the data, and the losses by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coral_plugin.bench.grid import Job
from coral_plugin.bench.pictures import PICTURES
from coral_plugin.evaluation.pages.sections import data_facts
from coral_plugin.evaluation.pictures.run import training_curves
from coral_plugin.io.files import read_json
from coral_plugin.io.paths import slug
from coral_plugin.runs.folder import DATA
from coral_plugin.training.log import LOG, read_log

_TOTAL = "loss/total"
_Losses = dict[int, dict[int, dict[str, float]]]  # {seed: {epoch: {method: loss}}}


def facts_of(jobs: Sequence[Job]) -> dict[str, dict[str, dict[str, Any]]]:
    """``{column: {condition: facts on its data}}``, from the first run of each that has its folder on this machine."""
    facts: dict[str, dict[str, dict[str, Any]]] = {}
    for job in jobs:
        of_column = facts.setdefault(job.column, {})
        path = (job.pretrained or job).folder / DATA
        if job.condition not in of_column and path.is_file():
            of_column[job.condition] = data_facts(read_json(path))
    return facts


def draw_training(folder: Path, jobs: Sequence[Job]) -> dict[str, Path]:
    """Draw the total loss of every method over the epochs, a picture for each data set and condition.

    Args:
        folder: Folder of the report, which gets ``pictures/``.
        jobs: Runs of the grid; those that are not complete, or not on this machine, are left out.

    Returns:
        ``{caption: PNG file}``.
    """
    losses: dict[str, _Losses] = {}
    for job in jobs:
        place = f"{job.column}, {job.condition}" if job.condition else job.column
        by_seed = losses.setdefault(place, {})
        for row in read_log(job.folder / LOG) if job.finetune is None else []:
            if _TOTAL in row:
                by_epoch = by_seed.setdefault(job.seed, {}).setdefault(int(row["epoch"]), {})
                by_epoch[f"loss/{job.title}"] = row[_TOTAL]
    drawn = {}
    for place, by_seed in losses.items():
        if not by_seed:
            continue
        caption = f"{place}: total loss of each method by epoch. Losses of different methods have different scales."
        path = folder / PICTURES / slug(f"{place}: training")
        training_curves(path, {seed: _records(by_epoch) for seed, by_epoch in by_seed.items()})
        drawn[caption] = path.with_name(f"{path.name}.png")
    return drawn


def _records(by_epoch: Mapping[int, Mapping[str, float]]) -> list[dict[str, float]]:
    return [{"epoch": epoch, **by_method} for epoch, by_method in sorted(by_epoch.items())]
