"""One run of a grid, wherever an engine sends it."""

from __future__ import annotations

import platform
import shutil
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

RECORD, LOCK, LOG = "record.json", "worker.lock", "log.txt"
RECORD_SCHEMA = 1


def read_record(job: Job) -> dict[str, Any] | None:
    """The record of a complete run; None while it is not complete. A damaged one counts as not complete."""
    try:
        record = read_json(job.folder / RECORD)
    except InputError:
        return None
    whole = (
        isinstance(record, dict) and record.get("schema") == RECORD_SCHEMA and record.get("identity") == job.identity
    )
    return record if whole else None


def execute(job: Job) -> dict[str, Any]:
    """Train and score one run, from its last checkpoint where there is one; the record is written last.

    Raises:
        CoralError: whatever the run raises, or data that are not those that were planned with.
    """
    if job.pretrained is not None:
        execute(job.pretrained)
    # a second command on the same grid waits
    with locked(job.folder, LOCK, wait=True):
        if (done := read_record(job)) is not None:
            return done
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
            "metrics": metrics,
        }
        write_json(job.folder / RECORD, record)
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
    path = job.folder / f"seed-{job.seed}" / "metrics.csv"
    try:
        rows = path.read_text().count("\n") - 1
    except OSError:
        return 0.0
    return min(1.0, max(0, rows) / job.settings["training"]["epochs"])
