"""The results of a grid as data: measures, and for each row its values, ranks, settings and costs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from coral_plugin.bench.grid import Grid, MethodRow
from coral_plugin.evaluation.metrics import metric_named

AVERAGE = "average"
RowKind = Literal["method", "raw features", "with labels"]
ROW_KINDS: tuple[RowKind, ...] = ("method", "raw features", "with labels")


@dataclass(frozen=True)
class Measure:
    """One score on one data set.

    Attributes:
        column: Name of the data set in the grid.
        score: Name of the score.
        metric: Metric behind it.
        chance: Level of chance; None where there is none.
        unit: Divisor of the values in tables; MSE of Vision & Touch is printed in units of 1e-4.
        probe: Kind of the probe; empty where the rows differ in it or a record does not name it.
    """

    column: str
    score: str
    metric: str
    chance: float | None
    unit: float = 1.0
    probe: str = ""

    @property
    def lower_is_better(self) -> bool:
        """Whether the metric is an error."""
        return not metric_named(self.metric).higher_is_better


@dataclass(frozen=True)
class Score:
    """A row's values of one measure.

    Attributes:
        values: ``{seed: value}``.
        rank: 1 for the best method, 2 for the second, else None. Only methods that are not below the raw features
            have a rank.
        p_value: Holm-corrected p-value of the paired t-test against the best method over the seeds that both have.
        matched: ``{seed: value}`` of the probe on the principal components that :attr:`ComparedRow.matched_widths`
            counts; empty where a record has none.
    """

    values: Mapping[int, float]
    rank: int | None = None
    p_value: float | None = None
    matched: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """Costs of training, one value per seed, or one that was measured in isolation.

    Attributes:
        seconds: Seconds per 1,000 samples of training.
        memory: Peak of the process (CPU) or of the device's allocator (GPU), in bytes; where it was measured in
            isolation, the memory that the training adds to the process.
        parameters: Number of trained parameters.
        alone: Circumstances of a measurement in isolation (:mod:`coral_plugin.bench.cost`); empty for figures of the
            runs, which may have shared the machine.
    """

    seconds: Sequence[float]
    memory: Sequence[float]
    parameters: int
    alone: str = ""


@dataclass(frozen=True)
class Training:
    """Training of a row under one condition of a column.

    Attributes:
        settings: Run settings, as plain containers (``RunSettings.as_dict``).
        steps: Number of optimiser steps; None where a record does not hold it.
        samples: Number of samples in the batches of these steps; None where a record does not hold it.
    """

    settings: Mapping[str, Any]
    steps: int | None = None
    samples: int | None = None


@dataclass(frozen=True)
class ComparedRow:
    """A row of the comparison.

    Attributes:
        method: The method with its settings.
        kind: ``method``, ``raw features`` (nothing is trained) or ``with labels`` (trained with the labels).
        scores: Scores by measure.
        costs: Costs by column.
        trainings: ``{column: {condition: training}}``; empty for older records, which do not hold them.
        widths: ``{column: width of the representation that is probed}``, where known.
        matched_widths: ``{column: number of principal components}`` at which it is compared with the other rows, where
            known; smaller for a representation that is narrower than the others.
    """

    method: MethodRow
    kind: RowKind
    scores: Mapping[Measure, Score]
    costs: Mapping[str, Cost]
    trainings: Mapping[str, Mapping[str, Training]] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    matched_widths: Mapping[str, int] = field(default_factory=dict)

    def values_of(self, measure: Measure) -> list[float]:
        """The values of a measure, one for each seed."""
        return list(self.scores[measure].values.values())


@dataclass(frozen=True)
class Comparison:
    """Everything that tables, files and the report show.

    Attributes:
        grid: The grid of the runs.
        measures: All measures, in the order of the columns.
        rows: Methods first, then raw features and methods with labels.
        failed: ``{label of the run: reason}``.
        fingerprints: ``{column: fingerprints of its data}``.
        modalities: ``{column: names of the modalities in use}``, where known.
        facts: ``{column: {condition: samples by split, modalities, tasks and notes}}``, as
            :func:`coral_plugin.evaluation.pages.sections.data_facts` makes them; empty where a record has none.
    """

    grid: Grid
    measures: tuple[Measure, ...]
    rows: tuple[ComparedRow, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, list[str]] = field(default_factory=dict)
    modalities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def failed_on(self, columns: Collection[str]) -> int:
        """Number of runs on these columns that failed."""
        places = tuple(
            f"{row.name} on {column}{end}" for row in self.grid.rows for column in columns for end in (",", " (")
        )
        return sum(label.startswith(places) for label in self.failed)


class PublishedNumbers(Protocol):
    """Numbers that papers print, looked up for one table; :class:`coral_plugin.reproduce.protocol.PaperNumbers`.

    Attributes:
        names: Names of the published tables that are searched.
    """

    names: Sequence[str]

    def __call__(self, compared: ComparedRow, measure: Measure) -> str | None:
        """The number as printed, with the mark of its source; None where none may be shown beside this one."""

    def average(self, compared: ComparedRow, measures: Sequence[Measure]) -> str | None:
        """The printed average over the data sets; None where none may be shown beside ours."""

    def citations(self) -> list[str]:
        """A line per published table in use, in the order of the marks."""

    def withheld(self) -> list[str]:
        """A line per data set whose published numbers may not be shown beside ours, with the reason."""

    def sources(self) -> list[dict[str, str]]:
        """``cite`` and ``protocol`` of each published table in use, in the order of the marks."""


LookUp = Callable[[Comparison], PublishedNumbers]
