"""The engine of one machine: a fresh process for each run, as many at a time as there are cores or GPUs."""

from __future__ import annotations

import os
import signal
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

from coral_plugin.bench.engine import ATTEMPTS, Execute, Listener, Outcome
from coral_plugin.bench.grid import Job
from coral_plugin.bench.worker import LOG
from coral_plugin.errors import InputError, one_line
from coral_plugin.registry import DATASETS, OBJECTIVES
from coral_plugin.training.signals import end_with_parent, stoppable

POLL = 0.5
LAST_STEP = 1.0  # seconds for a run that is stopped to come to the end of its step
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class _Running:
    job: Job
    attempt: int
    process: Any
    receiver: Any
    slot: int
    started: float


@dataclass(frozen=True)
class Slots:
    """Places for runs.

    Attributes:
        count: How many at a time.
        threads: Of each.
        gpus: Devices that they are spread over; empty to leave the choice alone.
    """

    count: int
    threads: int
    gpus: tuple[str, ...] = ()


def find_slots(workers: int | None, device: str) -> Slots:
    """One place for each GPU where they may be used, else one for each core; a single thread where all are taken.

    Raises:
        InputError: fewer than one worker.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers must be at least 1, got {workers}.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus: tuple[str, ...] = ()
    if device != "cpu":
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        found = torch.cuda.device_count()
        gpus = tuple(named.split(",")[:found]) if named else tuple(map(str, range(found)))
    count = workers or len(gpus) or cores
    return Slots(count, max(1, cores // count), gpus)


def run_local(jobs: Sequence[Job], execute: Execute, listener: Listener, slots: Slots) -> None:
    """Run every job in a process of its own and tell the listener.

    A fresh process makes the peak memory that of the run, and a crash its own: the job is tried once more.
    """
    waiting = deque((job, 1) for job in jobs)
    running: list[_Running] = []
    with _threads(slots.threads):
        context = _context(jobs)
    try:
        while waiting or running:
            while waiting and len(running) < slots.count:
                job, attempt = waiting.popleft()
                slot = min(set(range(slots.count)) - {each.slot for each in running})
                running.append(_start(context, job, attempt, execute, slots, slot))
                listener.started(job)
            connection.wait([each.process.sentinel for each in running], POLL)
            for each in [each for each in running if not each.process.is_alive()]:
                running.remove(each)
                died = _end(each, listener)
                if died:
                    waiting.appendleft((each.job, each.attempt + 1))
            listener.tick()
    finally:
        _end_all([each.process for each in running])


def _end_all(processes: Sequence[Any]) -> None:
    """End what still runs, with a checkpoint where it comes to its next step soon."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + LAST_STEP
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


def _end(each: _Running, listener: Listener) -> bool:
    """Tell what became of a process that is over; True if its job is to be tried again."""
    each.process.join()
    try:
        said = each.receiver.recv() if each.receiver.poll() else None
    except (EOFError, OSError):
        said = None
    each.receiver.close()
    code = each.process.exitcode
    each.process.close()
    seconds = time.monotonic() - each.started
    if said == "":
        listener.ended(Outcome(each.job, "done", seconds))
    elif said is not None:
        listener.ended(Outcome(each.job, "failed", seconds, reason=said))
    else:
        how = _death(code)
        if each.attempt < ATTEMPTS:
            listener.retried(each.job, how)
            return True
        listener.ended(Outcome(each.job, "failed", seconds, reason=f"{how}, {ATTEMPTS} times"))
    return False


def _work(job: Job, execute: Execute, threads: int, gpu: str | None, sender: Any) -> None:
    """What the process of a run does; "" is sent when it is done, else the reason."""
    end_with_parent()  # or two commands would work on one run
    job.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(job.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
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
    except Exception as error:  # the others go on, whatever it is
        traceback.print_exc()
        sender.send(one_line(error, 400, with_type=True))
    else:
        sender.send("")


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"its process was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    return f"its process ended with status {code} and no word"


def _context(jobs: Sequence[Job]) -> Any:
    """Processes are forked from a server that has imported the code but done nothing.

    They are fresh, there at once, and edits of the code while the grid runs do not reach them.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    from multiprocessing import forkserver

    context = get_context("forkserver")
    own = {OBJECTIVES.get(job.settings["objective"]).__module__ for job in jobs}
    own |= {DATASETS.get(job.settings["dataset"]).__module__ for job in jobs}
    context.set_forkserver_preload(
        ["coral_plugin.bench.worker", "lightning_fabric", "sklearn.linear_model", *sorted(own)]
    )
    forkserver.ensure_running()
    return context


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Libraries read the number of their threads from the environment when they are imported."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
