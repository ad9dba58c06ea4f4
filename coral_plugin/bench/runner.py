"""A grid from plan to records: complete runs are read, the others are sent to a scheduler."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from coral_plugin.bench.cluster import run_ray
from coral_plugin.bench.code import run_code
from coral_plugin.bench.compare import compare
from coral_plugin.bench.comparison import Comparison
from coral_plugin.bench.fingerprints import Fingerprints
from coral_plugin.bench.grid import Grid, Job, distinct, plan
from coral_plugin.bench.local import find_slots, run_local
from coral_plugin.bench.progress import GridProgress
from coral_plugin.bench.run_files import facts_of
from coral_plugin.bench.worker import execute, read_record
from coral_plugin.training.processes import without_srun

RUNS_FOLDER = "runs"


@dataclass(frozen=True, kw_only=True)
class RunnerSettings:
    """The scheduler of the runs.

    Attributes:
        engine: ``local`` or ``ray``.
        workers: Number of runs at a time; None for the number of GPUs, or else of cores.
        address: Address of the Ray cluster.
        quiet: Whether no progress is shown.
    """

    engine: Literal["local", "ray"] = "local"
    workers: int | None = None
    address: str | None = None
    quiet: bool = False


@dataclass(frozen=True)
class FinishedGrid:
    """A grid that was run.

    Attributes:
        comparison: Comparison of all complete runs.
        jobs: Every run of the grid.
        ran: Number of runs that were not complete before.
        failed: ``{label: reason}``.
    """

    comparison: Comparison
    jobs: list[Job]
    ran: int
    failed: dict[str, str]


def plan_grid(grid: Grid, folder: Path) -> list[Job]:
    """Every run of the grid, with its folder below ``folder``.

    Raises:
        InputError: an unknown name, a setting out of range, or data that cannot be read.
    """
    return plan(grid, folder.resolve() / RUNS_FOLDER, Fingerprints(folder), cache(run_code))


def run_grid(grid: Grid, folder: Path, settings: RunnerSettings) -> FinishedGrid:
    """Run what is not complete, and compare everything.

    Args:
        grid: Rows, columns, seeds.
        folder: Folder of the grid, which gets ``runs/`` with a directory per run.
        settings: Scheduler.

    Raises:
        InputError: a grid that cannot be planned (:func:`plan_grid`). The failure of a run is in the result.
    """
    jobs = plan_grid(grid, folder)
    records = {job.identity: record for job in distinct(jobs) if (record := read_record(job))}
    missing = [job for job in distinct(jobs) if job.identity not in records]
    # with loading and probes, not the training alone; older records lack it
    known = [(job, s) for job in distinct(jobs) if (s := records.get(job.identity, {}).get("seconds")) is not None]
    failures = _run(missing, known, settings)
    records |= {job.identity: record for job in missing if (record := read_record(job))}
    failed = {job.label: failures[job.identity] for job in jobs if job.identity in failures}
    comparison = replace(compare(grid, jobs, records, failed), facts=facts_of(jobs))
    return FinishedGrid(comparison, jobs, len(missing), failed)


def _run(jobs: Sequence[Job], known: Sequence[tuple[Job, float]], settings: RunnerSettings) -> dict[str, str]:
    """Send jobs to the scheduler; returns ``{identity: reason}`` of those that failed."""
    if not jobs:
        return {}
    if not settings.quiet and (note := without_srun()):
        sys.stderr.write(f"{note}\n")
    slots = find_slots(settings.workers, jobs[0].settings["training"]["device"])
    progress = GridProgress(jobs, known, slots.count, quiet=settings.quiet)
    try:
        if settings.engine == "ray":
            run_ray(jobs, execute, progress, address=settings.address, workers=settings.workers)
        else:
            run_local(jobs, execute, progress, slots)
    finally:
        progress.close()
    return progress.failures
