"""The scheduler of a Ray cluster: the same runs, sent to its machines."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from typing import Any

from coral_plugin.bench.code import run_code
from coral_plugin.bench.grid import Job
from coral_plugin.bench.progress import GridProgress
from coral_plugin.bench.worker import ATTEMPTS, Execute, read_record, write_record
from coral_plugin.errors import PluginError, one_line


def run_ray(
    jobs: Sequence[Job],
    execute: Execute,
    progress: GridProgress,
    *,
    address: str | None,
    workers: int | None,
) -> None:
    """Run every job as a Ray task with one CPU, and one GPU where the cluster has some.

    A task whose worker or machine dies is sent once more. Every machine needs this package, in this version, and the
    data under the same path. Where the grid's folder is shared, a killed run goes on from its checkpoint; where it is
    not, its record comes back to this machine all the same, and its weights stay on the other.

    Args:
        jobs: Runs.
        execute: Function that trains and scores one run.
        progress: Receiver of every start, retry and end.
        address: Address of the cluster; None takes ``RAY_ADDRESS``, or starts a cluster on this machine.
        workers: Largest number of tasks at a time; None leaves it to the cluster.

    Raises:
        PluginError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise PluginError("--engine ray needs Ray: pip install 'coral-multibench[ray]' (240 MB).") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unless the user asks for it
    started_here = not ray.is_initialized()
    if started_here:
        ray.init(address=address, include_dashboard=None if address else False, log_to_driver=False)
    try:
        _send_all(ray, jobs, execute, progress, workers or len(jobs))
    finally:
        if started_here:
            ray.shutdown()


def _send_all(ray: Any, jobs: Sequence[Job], execute: Execute, progress: GridProgress, most: int) -> None:
    gpu = 1 if ray.cluster_resources().get("GPU", 0) else 0
    # one process per run, so that its peak memory is its own; dead processes are counted here, as on one machine
    remote = ray.remote(num_cpus=1, num_gpus=gpu, max_retries=0, max_calls=1)(_work)
    waiting = [(job, 1) for job in reversed(jobs)]
    running: dict[Any, tuple[Job, int, float]] = {}
    while waiting or running:
        while waiting and len(running) < most:
            job, attempt = waiting.pop()
            running[remote.remote(job, execute)] = (job, attempt, time.monotonic())
            progress.started(job)
        ready, _ = ray.wait(list(running), num_returns=1, timeout=0.5)
        for task in ready:
            job, attempt, started = running.pop(task)
            try:
                record, failure = ray.get(task)
            except ray.exceptions.RayError as error:
                if attempt < ATTEMPTS:
                    progress.retried(job, f"its worker died ({type(error).__name__})")
                    waiting.append((job, attempt + 1))
                    continue
                record, failure = None, f"its worker died {ATTEMPTS} times ({type(error).__name__})"
            if record is not None and read_record(job) is None:  # from a machine with a disk of its own
                write_record(job, record)
            progress.ended(job, time.monotonic() - started, failure)
        progress.tick()


def _work(job: Job, execute: Execute) -> tuple[dict[str, Any] | None, str | None]:
    """A task on the cluster: the record, or the reason why there is none."""
    import torch

    torch.set_num_threads(1)
    try:
        if run_code(job.settings["objective"], job.settings["dataset"], job.finetune is not None) != job.code:
            return None, f"{platform.node()} has another version of the code; install the same one on every machine"
        return execute(job), None
    except Exception as error:  # the other runs go on, whatever it is
        return None, one_line(error, 400, with_type=True)
