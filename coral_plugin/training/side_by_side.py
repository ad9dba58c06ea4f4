"""Trainings side by side, each in a process of its own, and how long a step takes there."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from coral_plugin.errors import CoralError, MachineError
from coral_plugin.training.jobs import error_of, failure_of, task_path, write_job
from coral_plugin.training.signals import Interrupted, StopRequest, killed_by

# libraries read the number of their threads from the environment when they are imported
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MOST_STEPS, _SECONDS = 20, 2.0  # that are measured in one process


@dataclass(frozen=True)
class Workers:
    """Trainings at a time, and the threads of each.

    Attributes:
        count: Number of trainings at a time; 1 trains in this process, one after the other.
        threads: Threads of each training.
    """

    count: int
    threads: int


def divide(seeds: int, threads: int) -> Workers:
    """Trainings at a time so that all threads are busy to the end, where that is possible.

    >>> divide(5, 2)  # three share two cores, then two
    Workers(count=3, threads=1)
    >>> divide(2, 8)
    Workers(count=2, threads=4)
    """
    rounds = max(1, seeds // threads)
    count = -(-seeds // rounds)
    return Workers(count, max(1, threads // count))


def visible_gpus(device: str) -> tuple[str, ...]:
    """Names of the GPUs that a run may use, as ``CUDA_VISIBLE_DEVICES`` names them; none for the device ``cpu``."""
    if device == "cpu":
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    available = torch.cuda.device_count()
    return tuple(visible.split(",")[:available]) if visible else tuple(map(str, range(available)))


@dataclass
class Team:
    """Processes that each call a small task with one large job, which is written once.

    Args:
        job: Picklable object.
        workers: Processes at a time, and the threads of each.
        gpus: GPUs, one for each process in turn; none leaves the choice to the process.

    Raises:
        UnsendableError: the job cannot be pickled.
    """

    job: Any
    workers: Workers
    gpus: tuple[str, ...] = ()
    folder: Path = field(init=False)

    def __enter__(self) -> Team:
        self._closing = contextlib.ExitStack()
        self.folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="coral-")))
        try:
            write_job(self.folder, self.job, self.workers.threads, None)
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *details: Any) -> None:
        self._closing.close()

    def run(
        self, tasks: Sequence[Callable[[Any], None]], failed: Callable[[int, CoralError], None], *, patient: bool = True
    ) -> None:
        """Call every task in a process; what they write to standard error appears on this one's.

        Args:
            tasks: Picklable functions of the job.
            failed: Function of the number of a task and why it failed; the other tasks go on.
            patient: Whether each process may end its step and write a checkpoint when a signal comes.

        Raises:
            Interrupted: a signal came.
        """
        waiting = deque(enumerate(tasks))
        running: dict[int, tuple[int, subprocess.Popen[bytes]]] = {}
        terminated = False
        with StopRequest(patient=patient) as request, _lines() as lines:
            try:
                while running or (waiting and not request.number):
                    while waiting and len(running) < self.workers.count and not request.number:
                        number, task = waiting.popleft()
                        slot = min(set(range(self.workers.count)) - {slot for slot, _ in running.values()})
                        task_path(self.folder, number).write_bytes(pickle.dumps(task))
                        running[number] = slot, self._start(number, slot, lines)
                    for number in [n for n, (_, process) in running.items() if process.poll() is not None]:
                        _, process = running.pop(number)
                        _close(process)
                        if process.returncode and not request.number:
                            failed(number, self._failure(number, process.returncode))
                    if request.number and not terminated:
                        terminated = True
                        for _, process in running.values():
                            process.terminate()  # which ends one that is not ready for signals yet without a word
                    time.sleep(0.02)
            finally:
                for _, process in running.values():
                    process.kill()
                    process.wait()
                    _close(process)
            if request.number:
                texts = [failure_of(self.folder, n).get("text", "") for n in range(len(tasks))]
                raise Interrupted(request.number, ", ".join(text for text in texts if text.startswith("after")))

    def _start(self, number: int, slot: int, lines: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "coral_plugin.training.worker", str(self.folder), str(number), "1"]
        variables = dict.fromkeys(THREAD_VARIABLES, str(self.workers.threads))
        if self.gpus:
            variables["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        # the pipe to it ends when this process does; Ctrl-C reaches this process alone
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=lines,
            stderr=lines,
            start_new_session=True,
            env={**os.environ, **variables},
        )

    def _failure(self, number: int, code: int) -> CoralError:
        if code < 0:
            return MachineError(f"its process was {killed_by(code)}; --resume goes on from its checkpoint.")
        failure = failure_of(self.folder, number)
        if (error := error_of(failure)) is not None:
            return error
        reason = f"{failure['type']}: {failure['text'][:200]}" if failure else "no word"
        return MachineError(f"its process ended with status {code} ({reason}).")


@contextlib.contextmanager
def _lines() -> Iterator[int]:
    """File descriptor whose lines appear on ``sys.stderr``, which is not a file in a notebook."""
    read_end, write_end = os.pipe()

    def forward() -> None:
        with os.fdopen(read_end, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                sys.stderr.write(line)
                sys.stderr.flush()

    thread = threading.Thread(target=forward, daemon=True)
    thread.start()
    try:
        yield write_end
    finally:
        os.close(write_end)
        thread.join(2.0)  # a service that a logger has started may hold the other end


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


class _EnoughError(Exception):
    """Enough steps are measured."""


def time_steps(
    train: Callable[..., Any], seed: int, enough: Callable[[list[float]], bool], begin: Callable[[], None]
) -> float | None:
    """Mean seconds of a step after the first one, which does one-time work; None where there was no other.

    Args:
        train: :func:`coral_plugin.training.fit.train` without its seed; nothing of what it trains is kept.
        seed: Seed of the training.
        enough: Function of the times at the ends of the steps so far; whether the training may end.
        begin: Function that is called at the end of the first step.
    """
    ends: list[float] = []

    def ended(step: int) -> None:
        if step == 1:
            begin()
        ends.append(time.perf_counter())
        if enough(ends):
            raise _EnoughError

    with contextlib.suppress(_EnoughError):
        train(seed, quiet=True, after_step=ended)
    return (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else None


def time_here(train: Callable[..., Any], seed: int) -> tuple[float, int] | None:
    """Seconds of a step of a training in this process, and the number of measured steps; None for a single step."""
    steps = [0]

    def enough(ends: list[float]) -> bool:
        steps[0] = len(ends) - 1
        return steps[0] == _MOST_STEPS or (steps[0] >= 2 and ends[-1] - ends[0] >= _SECONDS)

    seconds = time_steps(train, seed, enough, lambda: None)
    return None if seconds is None else (seconds, steps[0])


@dataclass(frozen=True)
class _Timed:
    """The task of one of several processes that measure the same steps at the same time."""

    folder: Path
    number: int
    count: int
    seed: int
    steps: int

    def __call__(self, train: Callable[..., Any]) -> None:
        def meet() -> None:
            (self.folder / f"ready-{self.number}").touch()
            while len(list(self.folder.glob("ready-*"))) < self.count:
                time.sleep(0.005)

        seconds = time_steps(train, self.seed, lambda ends: len(ends) > self.steps, meet)
        (self.folder / f"seconds-{self.number}.json").write_text(json.dumps(seconds))


def time_together(team: Team, seed: int, steps: int) -> tuple[float, float]:
    """Seconds of a step while as many trainings as the team has processes go on, and seconds of their start.

    Raises:
        CoralError: one of them failed.
        Interrupted: a signal came.
    """
    failures: list[CoralError] = []
    count, began = team.workers.count, time.perf_counter()

    def failed(_: int, error: CoralError) -> None:
        failures.append(error)
        for number in range(count):
            (team.folder / f"ready-{number}").touch()  # the others would wait for it

    team.run([_Timed(team.folder, number, count, seed, steps) for number in range(count)], failed, patient=False)
    if failures:
        raise failures[0]
    taken = time.perf_counter() - began
    seconds = mean(json.loads((team.folder / f"seconds-{number}.json").read_text()) for number in range(count))
    return seconds, max(0.0, taken - steps * seconds)


@dataclass(frozen=True)
class TrainSeed:
    """The task of a process that trains one seed.

    Attributes:
        seed: Seed of the training.
        folder: Folder of its checkpoints.
        resume: Whether it continues from them.
    """

    seed: int
    folder: Path
    resume: bool

    def __call__(self, train: Callable[..., Any]) -> None:
        """Train with :func:`coral_plugin.training.fit.train`, which lacks only these arguments."""
        train(self.seed, folder=self.folder, resume=self.resume)
