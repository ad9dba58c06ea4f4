"""A grid from plan to records: what is complete is read, the rest goes to an engine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from coral_plugin.bench.cluster import run_ray
from coral_plugin.bench.code import run_code
from coral_plugin.bench.compare import compare
from coral_plugin.bench.comparison import Comparison
from coral_plugin.bench.engine import Outcome
from coral_plugin.bench.fingerprints import Fingerprints
from coral_plugin.bench.grid import Grid, Job, distinct, plan
from coral_plugin.bench.local import find_slots, run_local
from coral_plugin.bench.progress import GridProgress
from coral_plugin.bench.worker import execute, read_record
from coral_plugin.io.files import write_json
from coral_plugin.training.processes import without_srun

RUNS_FOLDER = "runs"
Engine = Literal["local", "ray"]


@dataclass(frozen=True, kw_only=True)
class RunnerSettings:
    """Where runs are sent.

    Attributes:
        engine: ``local`` or ``ray``.
        workers: Runs at a time; None for as many as there are places.
        address: Of the Ray cluster.
        quiet: No progress.
    """

    engine: Engine = "local"
    workers: int | None = None
    address: str | None = None
    quiet: bool = False


@dataclass(frozen=True)
class Finished:
    """A grid that was run.

    Attributes:
        comparison: What came out.
        jobs: Its runs.
        ran: How many were run now.
        failed: ``{label: reason}``.
    """

    comparison: Comparison
    jobs: list[Job]
    ran: int
    failed: dict[str, str]


class _Kept(GridProgress):
    """Keeps what the engine tells, besides showing it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.outcomes: list[Outcome] = []

    def ended(self, outcome: Outcome) -> None:
        """Keep it, and write a record that came from a machine with a disk of its own."""
        job = outcome.job
        if outcome.record is not None and read_record(job) is None:
            write_json(job.folder / "record.json", outcome.record)
        self.outcomes.append(outcome)
        super().ended(outcome)


def plan_grid(grid: Grid, folder: Path) -> list[Job]:
    """Every run of the grid, with its folder below ``folder``.

    Raises:
        InputError: an unknown name, a setting out of range, or data that cannot be read.
    """
    return plan(grid, folder.resolve() / RUNS_FOLDER, Fingerprints(folder), cache(run_code))


def run_grid(grid: Grid, folder: Path, settings: RunnerSettings) -> Finished:
    """Run what is not complete, and compare everything.

    Args:
        grid: What is compared.
        folder: Gets ``runs/`` with a directory for each run.
        settings: Of the engine.

    Raises:
        InputError: a grid that cannot be planned (:func:`plan_grid`). What goes wrong in a run is in the result.
    """
    jobs = plan_grid(grid, folder)
    records = {job.identity: record for job in distinct(jobs) if (record := read_record(job))}
    todo = [job for job in distinct(jobs) if job.identity not in records]
    known = [
        (job, records[job.identity]["metrics"]["train"]["seconds"]) for job in distinct(jobs) if job.identity in records
    ]
    outcomes = _send(todo, known, settings)
    reasons = {outcome.job.identity: outcome.reason for outcome in outcomes if outcome.state == "failed"}
    records |= {job.identity: record for job in todo if (record := read_record(job))}
    failed = {job.label: reasons[job.identity] for job in jobs if job.identity in reasons}
    return Finished(compare(grid, jobs, records, failed), jobs, len(todo), failed)


def _send(todo: Sequence[Job], known: list[tuple[Job, float]], settings: RunnerSettings) -> list[Outcome]:
    if not todo:
        return []
    if not settings.quiet and (alone := without_srun()):
        sys.stderr.write(f"{alone}\n")
    device = todo[0].settings["training"]["device"]
    slots = find_slots(settings.workers, device)
    listener = _Kept(todo, known, slots.count, quiet=settings.quiet)
    try:
        if settings.engine == "ray":
            run_ray(todo, execute, listener, address=settings.address, workers=settings.workers)
        else:
            run_local(todo, execute, listener, slots)
    finally:
        listener.close()
    return listener.outcomes
