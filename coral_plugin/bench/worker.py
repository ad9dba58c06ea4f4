"""One run of a grid, on whatever machine a scheduler sends it to."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coral_plugin.bench.grid import Job
from coral_plugin.errors import InputError
from coral_plugin.io.files import read_json, write_json
from coral_plugin.runs.environment import commit
from coral_plugin.runs.lock import locked
from coral_plugin.runs.run import load_data, run
from coral_plugin.runs.settings import from_dict
from coral_plugin.training.log import LOG

RECORD_FILE, LOCK_FILE, LOG_FILE = "record.json", "worker.lock", "log.txt"
RECORD_SCHEMA = 1
ATTEMPTS = 2  # a run whose process dies (killed, out of memory) is tried once more
Execute = Callable[[Job], dict[str, Any]]


def read_record(job: Job) -> dict[str, Any] | None:
    """The record of a complete run; None while it is not complete. A damaged one counts as not complete."""
    try:
        record = read_json(job.folder / RECORD_FILE)
    except InputError:
        return None
    if not isinstance(record, dict):
        return None
    return record if (record.get("schema"), record.get("identity")) == (RECORD_SCHEMA, job.identity) else None


def write_record(job: Job, record: Mapping[str, Any]) -> None:
    """Mark a run as complete."""
    write_json(job.folder / RECORD_FILE, record)


def execute(job: Job) -> dict[str, Any]:
    """Train and score one run, from its last checkpoint where there is one; the record is written last.

    A second command on the same grid waits for the first one's run; the lock of a process that was killed is free.

    Raises:
        CoralError: any error of the run, or data other than those that were planned with.
    """
    if job.pretrained is not None:
        execute(job.pretrained)
    with locked(job.folder, LOCK_FILE, wait=True):
        if (complete := read_record(job)) is not None:
            return complete
        started = time.monotonic()
        metrics = _train(job) if job.pretrained is None else _finetune(job, job.pretrained.folder)
        record = {
            "schema": RECORD_SCHEMA,
            "identity": job.identity,
            "objective": job.settings["objective"],
            "dataset": job.settings["dataset"],
            "condition": job.condition,
            "seed": job.seed,
            "fingerprint": job.fingerprint,
            "code": job.code,
            "commit": commit(),
            "machine": platform.node(),
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": time.monotonic() - started,
            "metrics": metrics,
        }
        write_record(job, record)
    return record


def _train(job: Job) -> dict[str, Any]:
    settings = from_dict(job.settings)
    data = load_data(settings)
    if data.fingerprint != job.fingerprint:
        raise InputError("The data are not those that this grid was planned with; run the command again.")
    return run(settings, folder=job.folder, resume=True, label=job.label, raw_baseline=False, data=data).metrics


def _finetune(job: Job, pretrained: Path) -> dict[str, Any]:
    """Fine-tuning is short and has no checkpoints: one that was stopped begins anew."""
    from coral_plugin.runs.finetune import FinetuneSettings, finetune

    output = job.folder / "run"
    shutil.rmtree(output, ignore_errors=True)
    settings = FinetuneSettings(**(job.finetune or {}))
    return finetune(pretrained, settings, output=output, data_path=job.settings["data"]).metrics


def epochs_done(job: Job) -> float:
    """Share of the epochs that are over, from the log that the training writes."""
    path = job.folder / f"seed-{job.seed}" / LOG
    try:
        rows = path.read_text().count("\n") - 1
    except OSError:
        return 0.0
    return min(1.0, max(0, rows) / job.settings["training"]["epochs"])
