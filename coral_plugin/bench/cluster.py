"""The engine of a Ray cluster: the same runs, sent to whatever machines it has."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from typing import Any

from coral_plugin.bench.code import run_code
from coral_plugin.bench.engine import ATTEMPTS, Execute, Listener, Outcome
from coral_plugin.bench.grid import Job
from coral_plugin.errors import PluginError, one_line


def run_ray(
    jobs: Sequence[Job], execute: Execute, listener: Listener, *, address: str | None = None, workers: int | None = None
) -> None:
    """Run every job as a Ray task with one CPU, and one GPU where the cluster has some, and tell the listener.

    A task whose worker or machine dies is sent once more. Every machine needs this package, in this version, and the
    data under the same path. Where the grid's folder is shared, a killed run goes on from its checkpoint; where it is
    not, its record comes back to this machine all the same, and its weights stay on the other.

    Args:
        jobs: What is run.
        execute: Runs one.
        listener: Is told.
        address: Of the cluster; None takes ``RAY_ADDRESS``, or starts one on this machine.
        workers: At most so many tasks at a time; None leaves it to the cluster.

    Raises:
        PluginError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise PluginError("--engine ray needs Ray: pip install 'coral-multibench[ray]' (240 MB).") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unless it is asked for
    mine = not ray.is_initialized()
    if mine:
        ray.init(address=address, include_dashboard=None if address else False, log_to_driver=False)
    try:
        _send_all(ray, jobs, execute, listener, workers or len(jobs))
    finally:
        if mine:
            ray.shutdown()


def _send_all(ray: Any, jobs: Sequence[Job], execute: Execute, listener: Listener, most: int) -> None:
    gpu = 1 if ray.cluster_resources().get("GPU", 0) else 0
    # one process for each run, so that its peak memory is its own; what dies is counted here, as on one machine
    remote = ray.remote(num_cpus=1, num_gpus=gpu, max_retries=0, max_calls=1)(_work)
    waiting = [(job, 1) for job in reversed(jobs)]
    flying: dict[Any, tuple[Job, int, float]] = {}
    while waiting or flying:
        while waiting and len(flying) < most:
            job, attempt = waiting.pop()
            flying[remote.remote(job, execute)] = (job, attempt, time.monotonic())
            listener.started(job)
        ready, _ = ray.wait(list(flying), num_returns=1, timeout=0.5)
        for each in ready:
            job, attempt, started = flying.pop(each)
            seconds = time.monotonic() - started
            try:
                record, why = ray.get(each)
            except ray.exceptions.RayError as error:
                if attempt < ATTEMPTS:
                    listener.retried(job, f"its worker died ({type(error).__name__})")
                    waiting.append((job, attempt + 1))
                    continue
                record, why = None, f"its worker died {ATTEMPTS} times ({type(error).__name__})"
            listener.ended(Outcome(job, "failed" if record is None else "done", seconds, record=record, reason=why))
        listener.tick()


def _work(job: Job, execute: Execute) -> tuple[dict[str, Any] | None, str]:
    """On the cluster: the record, or why there is none."""
    import torch

    torch.set_num_threads(1)
    try:
        if run_code(job.settings["objective"], job.settings["dataset"], job.finetune is not None) != job.code:
            return None, f"{platform.node()} has another version of the code; install the same one on every machine"
        return execute(job), ""
    except Exception as error:  # the others go on, whatever it is
        return None, one_line(error, 400, with_type=True)
