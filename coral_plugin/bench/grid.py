"""A grid as data: rows (methods) by columns (data sets) by seeds, and the runs with their identities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from coral_plugin.errors import CoralError, InputError
from coral_plugin.evaluation.names import data_title, row_title
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.settings import RunSettings, make_settings
from coral_plugin.training.settings import TrainingSettings

# settings that change how often something is written, not what comes out
WRITING = {"training.checkpoint_seconds", "training.keep_every"}
_NOT_IN_IDENTITY = {"data", "training.device", *WRITING}
# settings that change no number of a run that has ended; they count with the value that they have by default
_COUNTED_AS = {f"training.{key}": getattr(TrainingSettings(), key) for key in ("timeout_seconds", "on_nonfinite")}


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """A method with its settings.

    Attributes:
        name: Name in tables.
        objective: Registered name.
        preset: Preset of the method; None for its first one.
        presets: ``{column: preset}`` in place of ``preset``.
        chosen: ``{"group.key": value}`` on every data set.
        by_column: ``{column: {"group.key": value}}`` over ``chosen``.
        finetune: Settings of a fine-tuning with labels that follows the training; None for none.
    """

    name: str
    objective: str
    preset: str | None = None
    presets: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    by_column: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    finetune: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        """Name in reports and pictures."""
        return row_title(self.name, self.objective)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The score of a run that a table shows.

    Attributes:
        condition: Condition of the training; empty for the only one.
        task: Name of the task; None for the only one.
        metric: Name of the metric; None for the first one of the task.
        unit: Divisor of the values in tables, where a paper prints multiples of a unit other than 1.
    """

    condition: str = ""
    task: str | None = None
    metric: str | None = None
    unit: float = 1.0


@dataclass(frozen=True, kw_only=True)
class DatasetColumn:
    """A data set with its settings.

    Attributes:
        name: Name in tables.
        dataset: Registered name.
        data: Path of its files.
        modalities: Names of the modalities in use; None takes all.
        chosen: ``{"group.key": value}`` for every method.
        conditions: ``{condition: settings}``, one training each, scored together; a single one without a name by
            default.
        readings: ``{name of a score: reading}``; empty for every task of the only condition.
        papers_data: Whether the user declares that the files are those of the papers.
    """

    name: str
    dataset: str
    data: str | None = None
    modalities: tuple[str, ...] | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    readings: Mapping[str, Reading] = field(default_factory=dict)
    papers_data: bool = False

    @property
    def dataset_title(self) -> str:
        """Name of the data set in reports and pictures, whatever the column is called."""
        return data_title(self.dataset, Path(self.data).stem if self.data else None)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run, as it is sent to a scheduler.

    Attributes:
        row: Name of the row.
        column: Name of the column.
        condition: Condition of the column; empty for the only one.
        seed: Seed of the training.
        settings: Run settings, as plain containers (``RunSettings.as_dict``).
        fingerprint: Fingerprint of the data.
        code: Hash of the sources that the run depends on.
        folder: Run directory.
        finetune: Settings of the fine-tuning; None for none.
        pretrained: The same run without it, which is trained first where it is not complete.
    """

    row: str
    column: str
    condition: str
    seed: int
    settings: dict[str, Any]
    fingerprint: str
    code: str
    folder: Path
    finetune: dict[str, Any] | None = None
    pretrained: Job | None = None

    @property
    def identity(self) -> str:
        """A hash that two runs share if they give the same result."""
        return identity(self.settings, self.fingerprint, self.code, self.finetune)

    @property
    def title(self) -> str:
        """Name of the row in reports and pictures."""
        return row_title(self.row, self.settings["objective"])

    @property
    def label(self) -> str:
        """Name of the run in messages."""
        return f"{self.row} on {self.column}{f' ({self.condition})' if self.condition else ''}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Methods by data sets by seeds.

    Attributes:
        rows: Methods.
        columns: Data sets.
        seeds: Seeds of the trainings of each method on each data set.
        title: Title of the tables; empty for one that names methods and data sets.
    """

    rows: tuple[MethodRow, ...]
    columns: tuple[DatasetColumn, ...]
    seeds: tuple[int, ...]
    title: str = ""

    def __post_init__(self) -> None:
        for what, names in (("row", [r.name for r in self.rows]), ("data set", [c.name for c in self.columns])):
            if not names or len(set(names)) != len(names):
                raise InputError(f"A grid needs each {what} once, and at least one; got {names}.")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"A grid needs different seeds, and at least one; got {list(self.seeds)}.")


def run_settings(row: MethodRow, column: DatasetColumn, condition: str, seed: int) -> RunSettings:
    """Settings of one run: defaults of data set and preset, then of column, condition and row.

    Raises:
        InputError: an unknown name or a value out of range; the message names the run.
    """
    chosen = {**column.chosen, **column.conditions[condition], **row.chosen, **row.by_column.get(column.name, {})}
    preset = preset_of(row, column.name)
    try:
        return make_settings(
            row.objective,
            column.dataset,
            preset=preset,
            seeds=(seed,),
            data=column.data,
            modalities=column.modalities,
            **chosen,
        )
    except InputError as error:
        raise InputError(f"{row.name} on {column.name}: {error}") from error


def preset_of(row: MethodRow, column: str) -> str:
    """Name of the preset that a row starts from on a column; empty where its method has none, or is not installed."""
    if named := row.presets.get(column) or row.preset:
        return named
    try:
        return next(iter(OBJECTIVES.get(row.objective).presets), "")
    except CoralError:
        return ""


def plan(
    grid: Grid, folder: Path, fingerprint: Callable[[RunSettings], str], code: Callable[[str, str, bool], str]
) -> list[Job]:
    """Every run of a grid, one seed after the other, so that a table with few seeds is there early.

    Args:
        grid: Rows, columns, seeds.
        folder: Parent of the run directories, which are named after the identities.
        fingerprint: Function from run settings to the fingerprint of their data.
        code: Function from objective, data set and whether it is fine-tuned to the hash of the sources.
    """
    cells = [
        (seed, column, condition, row)
        for seed in grid.seeds
        for column in grid.columns
        for condition in column.conditions
        for row in grid.rows
    ]
    settings = [run_settings(row, column, condition, seed) for seed, column, condition, row in cells]
    jobs = []
    for (seed, column, condition, row), run in zip(cells, settings, strict=True):
        job = Job(
            row=row.name,
            column=column.name,
            condition=condition,
            seed=seed,
            settings=run.as_dict(),
            fingerprint=fingerprint(run),
            code=code(row.objective, column.dataset, False),
            folder=folder,
        )
        job = _placed(job, folder)
        if row.finetune is not None:
            tuned = code(row.objective, column.dataset, True)
            job = _placed(replace(job, finetune=dict(row.finetune), code=tuned, pretrained=job), folder)
        jobs.append(job)
    return jobs


def _placed(job: Job, folder: Path) -> Job:
    """The job with the folder that its identity names."""
    names = (job.settings["objective"], "finetuned" if job.finetune else "", job.settings["dataset"], job.condition)
    parts = (*names, f"s{job.seed}", job.identity[:12])
    return replace(job, folder=folder / "-".join(part for part in parts if part))


def identity(
    settings: Mapping[str, Any], fingerprint: str, code: str, finetune: Mapping[str, Any] | None = None
) -> str:
    """sha256 (hex) of everything that decides on a result: not of paths, nor of the device."""
    decisive = [_relevant(settings), fingerprint, code, *([dict(finetune)] if finetune is not None else [])]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


def _relevant(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    return {
        key: _relevant(value, f"{prefix}{key}.") if isinstance(value, Mapping) else _COUNTED_AS.get(prefix + key, value)
        for key, value in settings.items()
        if prefix + key not in _NOT_IN_IDENTITY
    }


def distinct(jobs: Iterable[Job]) -> list[Job]:
    """One job for each identity: rows that are the same run in several places are trained once."""
    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(job.identity, job)
    return list(first.values())
