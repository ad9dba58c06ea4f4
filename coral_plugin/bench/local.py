"""The scheduler of one machine: a fresh process per run, as many at a time as there are cores or GPUs.

It is not an executor of :mod:`concurrent.futures` because a process that is killed there breaks the whole pool, while
here its job alone is tried again, on a GPU of its own, and the reason names the signal.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_all_start_methods, get_context
from typing import Any

import torch

from coral_plugin.bench.grid import Job
from coral_plugin.bench.progress import GridProgress
from coral_plugin.bench.worker import ATTEMPTS, LOG_FILE, Execute
from coral_plugin.errors import InputError, one_line
from coral_plugin.registry import DATASETS, OBJECTIVES
from coral_plugin.training.side_by_side import THREAD_VARIABLES, visible_gpus
from coral_plugin.training.signals import end_with_parent, killed_by, stoppable

POLL_SECONDS = 0.5
LAST_STEP_SECONDS = 1.0  # for a run that is stopped to come to the end of its step


@dataclass(frozen=True)
class Slots:
    """Places for runs.

    Attributes:
        count: Number of runs at a time.
        threads: Threads per run.
        gpus: Devices to which the runs are assigned in turn; empty to leave the choice to the run.
    """

    count: int
    threads: int
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Running:
    job: Job
    attempt: int
    process: Any
    receiver: Any
    slot: int
    started: float


def find_slots(workers: int | None, device: str) -> Slots:
    """One place per GPU where they may be used, else one per core; a single thread where all cores are taken.

    Raises:
        InputError: fewer than one worker.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers must be at least 1, got {workers}.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus = visible_gpus(device)
    count = workers or len(gpus) or cores
    return Slots(count, max(1, cores // count), gpus)


def run_local(jobs: Sequence[Job], execute: Execute, progress: GridProgress, slots: Slots) -> None:
    """Run every job in a process of its own.

    A fresh process makes the peak memory that of the run, and contains a crash: the job is tried once more.
    """
    waiting = deque((job, 1) for job in jobs)
    running: list[_Running] = []
    with _thread_variables(slots.threads):
        context = _context(jobs)
    try:
        while waiting or running:
            while waiting and len(running) < slots.count:
                job, attempt = waiting.popleft()
                slot = min(set(range(slots.count)) - {run.slot for run in running})
                running.append(_start(context, job, attempt, execute, slots, slot))
                progress.started(job)
            connection.wait([run.process.sentinel for run in running], POLL_SECONDS)
            for run in [run for run in running if not run.process.is_alive()]:
                running.remove(run)
                if _end(run, progress):
                    waiting.appendleft((run.job, run.attempt + 1))
            progress.tick()
    finally:
        terminate([run.process for run in running])


def terminate(processes: Sequence[Any], seconds: float = LAST_STEP_SECONDS) -> None:
    """End processes that train, with a checkpoint where they come to their next step in time.

    Args:
        processes: Processes of :mod:`multiprocessing`.
        seconds: Time for that step; what still lives then is killed.
    """
    for process in processes:
        process.terminate()
    until = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        process.kill()
        process.join()


def _start(context: Any, job: Job, attempt: int, execute: Execute, slots: Slots, slot: int) -> _Running:
    receiver, sender = context.Pipe(duplex=False)
    gpu = slots.gpus[slot % len(slots.gpus)] if slots.gpus else None
    process = context.Process(target=_work, args=(job, execute, slots.threads, gpu, sender), name=job.label)
    process.start()
    sender.close()
    return _Running(job, attempt, process, receiver, slot, time.monotonic())


def _end(run: _Running, progress: GridProgress) -> bool:
    """Report the end of a process; True if its job is to be tried again."""
    run.process.join()
    try:
        message = run.receiver.recv() if run.receiver.poll() else None
    except (EOFError, OSError):
        message = None
    run.receiver.close()
    code = run.process.exitcode
    run.process.close()
    seconds = time.monotonic() - run.started
    if message is None and run.attempt < ATTEMPTS:
        progress.retried(run.job, _death(code))
        return True
    failure = f"{_death(code)}, {ATTEMPTS} times" if message is None else message or None
    progress.ended(run.job, seconds, failure)
    return False


def _work(job: Job, execute: Execute, threads: int, gpu: str | None, sender: Any) -> None:
    """The process of a run; it sends "" when the run is complete, else the reason why it is not."""
    end_with_parent()  # or two commands would work on one run
    job.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(job.folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    torch.set_num_threads(threads)
    try:
        with stoppable(None):
            execute(job)
    except KeyboardInterrupt:
        os._exit(1)
    except Exception as error:  # the other runs go on, whatever it is
        traceback.print_exc()
        sender.send(one_line(error, 400, with_type=True))
    else:
        sender.send("")


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was {killed_by(code)}"
    return f"its process ended with status {code} and no word"


def _context(jobs: Sequence[Job]) -> Any:
    """Processes are forked from a server that has imported the code but done nothing.

    They are fresh, start at once, and edits of the code while the grid runs do not reach them.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    from multiprocessing import forkserver

    context = get_context("forkserver")
    modules = {OBJECTIVES.get(job.settings["objective"]).__module__ for job in jobs}
    modules |= {DATASETS.get(job.settings["dataset"]).__module__ for job in jobs}
    context.set_forkserver_preload(
        ["coral_plugin.bench.worker", "lightning_fabric", "sklearn.linear_model", *sorted(modules)]
    )
    forkserver.ensure_running()
    return context


@contextmanager
def _thread_variables(count: int) -> Iterator[None]:
    """Libraries read the number of their threads from the environment when they are imported."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
