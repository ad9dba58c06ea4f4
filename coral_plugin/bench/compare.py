"""The comparison of the complete runs: values by seed, the training of each row, and its rank among the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from coral_plugin.bench.comparison import ROW_KINDS, ComparedRow, Comparison, Cost, Measure, RowKind, Score, Training
from coral_plugin.bench.grid import DatasetColumn, Grid, Job, MethodRow, Reading
from coral_plugin.bench.ranking import ranked
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.settings import from_dict

Records = Mapping[str, Mapping[str, Any]]
# (row, column, condition, seed): content of metrics.json
_Metrics = Mapping[tuple[str, str, str, int], Mapping[str, Any]]


def compare(grid: Grid, jobs: Sequence[Job], records: Records, failed: Mapping[str, str]) -> Comparison:
    """The comparison of the runs that are complete.

    Args:
        grid: Grid that was planned.
        jobs: Runs of the grid.
        records: ``{identity: record}`` of the complete runs.
        failed: ``{label: reason}`` of the others.
    """
    metrics_of = {
        (job.row, job.column, job.condition, job.seed): records[job.identity]["metrics"]
        for job in jobs
        if job.identity in records
    }
    readings = {column.name: _readings(column, metrics_of) for column in grid.columns}
    measures = {
        (column, name): measure
        for column, by_score in readings.items()
        for name, reading in by_score.items()
        if (measure := _measure(column, name, reading, metrics_of, jobs))
    }
    trainings = _trainings(jobs, metrics_of)
    rows = []
    for row in grid.rows:
        scores = {}
        for (column, name), measure in measures.items():
            reading = readings[column][name]
            if values := _values(row.name, column, reading, grid.seeds, metrics_of):
                matched = _values(row.name, column, reading, grid.seeds, metrics_of, matched=True)
                scores[measure] = Score(values, matched=matched)
        costs = {c.name: cost for c in grid.columns if (cost := _cost(row.name, c.name, metrics_of))}
        widths = {column: width for (name, column), width in _all("width", metrics_of).items() if name == row.name}
        matched_widths = {
            column: matched["width"]
            for (name, column), matched in _all("matched_width", metrics_of).items()
            if name == row.name
        }
        rows.append(
            ComparedRow(row, kind_of(row, jobs), scores, costs, trainings.get(row.name, {}), widths, matched_widths)
        )
    rows.sort(key=lambda row: ROW_KINDS.index(row.kind))
    known = tuple(measures.values())
    return Comparison(
        grid,
        known,
        ranked(rows, known),
        dict(failed),
        {c.name: sorted({job.fingerprint for job in jobs if job.column == c.name}) for c in grid.columns},
        {column: tuple(names) for (_, column), names in _all("modalities", metrics_of).items()},
    )


def kind_of(row: MethodRow, jobs: Sequence[Job]) -> RowKind:
    """Whether a row is a method, raw features, or trained with labels: always, by a setting, or fine-tuned."""
    objective = OBJECTIVES.get(row.objective)
    if not objective.trains:
        return "raw features"
    settings = [from_dict(job.settings).method for job in jobs if job.row == row.name]
    labelled = objective.needs_labels or any(map(objective.trains_on_labels, settings))
    return "with labels" if labelled or row.finetune is not None else "method"


def _all(key: str, metrics_of: _Metrics) -> dict[tuple[str, str], Any]:
    """``{(row, column): what its records hold under a key}``."""
    return {(row, column): m[key] for (row, column, _, _), m in metrics_of.items() if m.get(key)}


def _trainings(jobs: Sequence[Job], metrics_of: _Metrics) -> dict[str, dict[str, dict[str, Training]]]:
    """``{row: {column: {condition: training}}}``, of the first complete seed of each."""
    trainings: dict[str, dict[str, dict[str, Training]]] = {}
    for job in jobs:
        by_condition = trainings.setdefault(job.row, {}).setdefault(job.column, {})
        metrics = metrics_of.get((job.row, job.column, job.condition, job.seed))
        if metrics is not None and job.condition not in by_condition:
            by_condition[job.condition] = Training(
                job.settings, metrics["train"].get("steps"), metrics["train"].get("samples")
            )
    return trainings


def _readings(column: DatasetColumn, metrics_of: _Metrics) -> dict[str, Reading]:
    if column.readings:
        return dict(column.readings)
    metrics = next((m for (_, name, _, _), m in metrics_of.items() if name == column.name), None)
    return {task: Reading(task=task) for task in metrics["tasks"]} if metrics else {}


def _measure(column: str, name: str, reading: Reading, metrics_of: _Metrics, jobs: Sequence[Job]) -> Measure | None:
    probes = {
        job.settings["probe"]["kind"] for job in jobs if (job.column, job.condition) == (column, reading.condition)
    }
    probe = probes.pop() if len(probes) == 1 else ""
    for (_, name_of_column, condition, _), metrics in metrics_of.items():
        if (name_of_column, condition) == (column, reading.condition) and (task := _task(metrics["tasks"], reading)):
            metric = reading.metric or task["metric"]
            summary = task if metric == task["metric"] else task["also"].get(metric, {})
            return Measure(column, name, metric, summary.get("chance"), reading.unit, probe)
    return None


def _task(tasks: Mapping[str, Any], reading: Reading) -> Mapping[str, Any] | None:
    if reading.task is None:
        return next(iter(tasks.values()), None) if len(tasks) == 1 else None
    task: Mapping[str, Any] | None = tasks.get(reading.task)
    return task


def _values(
    row: str, column: str, reading: Reading, seeds: Sequence[int], metrics_of: _Metrics, *, matched: bool = False
) -> dict[int, float]:
    """``{seed: value}`` of the representation, or of its principal components of the matched width."""
    values = {}
    for seed in seeds:
        metrics = metrics_of.get((row, column, reading.condition, seed), {})
        task = _task((metrics.get("matched_width") or {} if matched else metrics).get("tasks", {}), reading)
        if task is None:
            continue
        summary = task if reading.metric in (None, task["metric"]) else task["also"].get(reading.metric)
        if summary and math.isfinite(summary["values"][0]):
            values[seed] = summary["values"][0]
    return values


def _cost(row: str, column: str, metrics_of: _Metrics) -> Cost | None:
    trained = [m["train"] for (r, c, _, _), m in metrics_of.items() if (r, c) == (row, column)]
    speeds = [speed for train in trained if (speed := train.get("samples_per_second"))]
    if not speeds:
        return None
    memory = [float(train["peak_memory_bytes"]) for train in trained]
    return Cost([1000 / speed for speed in speeds], memory, trained[0]["parameters"])
