"""Records to a comparison: values by seed, the best and the second, and whether the others differ from the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal

from coral_plugin.evaluation.tables import head
from coral_plugin.experiments.bench.grid import Column, Grid, Job, Reading, Row
from coral_plugin.registry import OBJECTIVES

Kind = Literal["method", "floor", "ceiling"]
Records = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Measure:
    """What is compared: one score on one data set.

    Attributes:
        column: Name of the data set in the grid.
        score: Name of the score.
        metric: Behind it.
        chance: Its level; None where there is none.
    """

    column: str
    score: str
    metric: str
    chance: float | None

    @property
    def lower_is_better(self) -> bool:
        """Whether it is an error."""
        return head(self.metric).endswith("↓")


@dataclass(frozen=True)
class Score:
    """A method's values of one measure.

    Attributes:
        values: ``{seed: value}``.
        rank: 1 for the best method, 2 for the second, else None; floor and ceiling have none.
        p_value: Of the paired t-test against the best method, over the seeds that both have.
    """

    values: Mapping[int, float]
    rank: int | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Cost:
    """What training costs, one value a seed, or one measured by itself.

    Attributes:
        seconds: Per 1,000 samples of training.
        memory: Peak of the process (CPU) or of the device's allocator (GPU), in bytes; where it was measured by itself,
            what the training adds to the process.
        parameters: That are trained.
        alone: Conditions of a measurement by itself (:mod:`coral_plugin.experiments.bench.cost`); empty for figures of
            the runs, beside which others may have run.
    """

    seconds: Sequence[float]
    memory: Sequence[float]
    parameters: int
    alone: str = ""


@dataclass(frozen=True)
class Compared:
    """A row of the comparison.

    Attributes:
        row: Its settings.
        kind: ``method``, ``floor`` (nothing is trained) or ``ceiling`` (trained with the labels).
        scores: By measure.
        costs: By column.
    """

    row: Row
    kind: Kind
    scores: Mapping[Measure, Score]
    costs: Mapping[str, Cost]


@dataclass(frozen=True)
class Comparison:
    """Everything that tables, files and the report show.

    Attributes:
        grid: That was run.
        measures: In the order of the columns.
        rows: Methods first, then floor and ceiling.
        failed: ``{label of the run: reason}``.
        fingerprints: ``{column: fingerprints of its data}``.
    """

    grid: Grid
    measures: tuple[Measure, ...]
    rows: tuple[Compared, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, list[str]] = field(default_factory=dict)


def compare(grid: Grid, jobs: Sequence[Job], records: Records, failed: Mapping[str, str]) -> Comparison:
    """The comparison of the runs that are complete.

    Args:
        grid: That was planned.
        jobs: Its runs.
        records: ``{identity: record}`` of the complete ones.
        failed: ``{label: reason}`` of the others.
    """
    found = {
        (job.row, job.column, job.arm, job.seed): records[job.identity]["metrics"]
        for job in jobs
        if job.identity in records
    }
    readings = {column.name: _readings(column, found) for column in grid.columns}
    measures = {
        (column, name): _measure(column, name, reading, found)
        for column, own in readings.items()
        for name, reading in own.items()
    }
    rows = []
    for row in grid.rows:
        scores = {
            measure: Score(values)
            for (column, name), measure in measures.items()
            if measure and (values := _values(row.name, column, readings[column][name], grid.seeds, found))
        }
        costs = {c.name: cost for c in grid.columns if (cost := _cost(row.name, c.name, found))}
        rows.append(Compared(row, _kind(row), scores, costs))
    rows.sort(key=lambda each: ("method", "floor", "ceiling").index(each.kind))
    known = tuple(measure for measure in measures.values() if measure)
    prints = {c.name: sorted({job.fingerprint for job in jobs if job.column == c.name}) for c in grid.columns}
    return Comparison(grid, known, _ranked(rows, known), dict(failed), prints)


def p_value(own: Mapping[int, float], best: Mapping[int, float]) -> float | None:
    """Two-sided paired t-test over the seeds that both have; None with fewer than two of them.

    The seeds share initialisation, order and probe, hence paired. Equal differences have no deviation and no t: they
    count as certain, or as none if they are zero.
    """
    seeds = sorted(own.keys() & best.keys())
    if len(seeds) < 2:
        return None
    differences = [own[seed] - best[seed] for seed in seeds]
    if max(differences) - min(differences) < 1e-12:
        return 1.0 if abs(differences[0]) < 1e-12 else 0.0
    from scipy.stats import ttest_rel

    return float(ttest_rel([own[seed] for seed in seeds], [best[seed] for seed in seeds]).pvalue)


def _ranked(rows: Sequence[Compared], measures: Sequence[Measure]) -> tuple[Compared, ...]:
    """Ranks by the mean and tests against the best, among the methods alone."""
    scores: list[dict[Measure, Score]] = [dict(each.scores) for each in rows]
    for measure in measures:
        means = {
            i: fmean(scores[i][measure].values.values())
            for i, each in enumerate(rows)
            if each.kind == "method" and measure in scores[i]
        }
        levels = sorted(set(means.values()), reverse=not measure.lower_is_better)
        best = next((i for i, mean in means.items() if mean == levels[0]), None)
        for i, mean in means.items():
            own, place = scores[i][measure].values, levels.index(mean) + 1
            against = None if best is None or i == best else p_value(own, scores[best][measure].values)
            scores[i][measure] = Score(own, place if place <= 2 else None, against)
    return tuple(Compared(each.row, each.kind, own, each.costs) for each, own in zip(rows, scores, strict=True))


def _kind(row: Row) -> Kind:
    objective = OBJECTIVES.get(row.objective)
    if not objective.trains:
        return "floor"
    return "ceiling" if objective.needs_labels else "method"


def _readings(column: Column, found: Mapping[tuple[str, str, str, int], Any]) -> dict[str, Reading]:
    if column.readings:
        return dict(column.readings)
    metrics = next((m for (_, name, _, _), m in found.items() if name == column.name), None)
    return {task: Reading(task=task) for task in metrics["tasks"]} if metrics else {}


def _measure(
    column: str, name: str, reading: Reading, found: Mapping[tuple[str, str, str, int], Any]
) -> Measure | None:
    for (_, own, arm, _), metrics in found.items():
        if (own, arm) == (column, reading.arm) and (task := _task(metrics, reading)):
            return Measure(column, name, reading.metric or task["metric"], task.get("chance"))
    return None


def _task(metrics: Mapping[str, Any], reading: Reading) -> Mapping[str, Any] | None:
    tasks = metrics["tasks"]
    if reading.task is None:
        return next(iter(tasks.values()), None) if len(tasks) == 1 else None
    own: Mapping[str, Any] | None = tasks.get(reading.task)
    return own


def _values(
    row: str, column: str, reading: Reading, seeds: Sequence[int], found: Mapping[tuple[str, str, str, int], Any]
) -> dict[int, float]:
    values = {}
    for seed in seeds:
        metrics = found.get((row, column, reading.arm, seed))
        task = _task(metrics, reading) if metrics else None
        if task is None:
            continue
        summary = task if reading.metric in (None, task["metric"]) else task["also"].get(reading.metric)
        if summary and math.isfinite(summary["values"][0]):
            values[seed] = summary["values"][0]
    return values


def _cost(row: str, column: str, found: Mapping[tuple[str, str, str, int], Any]) -> Cost | None:
    trained = [m["train"] for (r, c, _, _), m in found.items() if (r, c) == (row, column)]
    speeds = [each["samples_per_second"] for each in trained if each.get("samples_per_second")]
    if not speeds:
        return None
    memory = [float(each["peak_memory_bytes"]) for each in trained]
    return Cost([1000 / speed for speed in speeds], memory, trained[0]["parameters"])
