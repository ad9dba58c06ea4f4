"""Progress of a whole grid on standard error: how much is done, what runs, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from coral_plugin.bench.grid import Job
from coral_plugin.bench.worker import epochs_done
from coral_plugin.registry import OBJECTIVES
from coral_plugin.training.progress import StatusBar, duration


class GridProgress:
    """A bar in a terminal, else a line for each run that is retried or ends; a scheduler calls it on every event.

    Args:
        jobs: Runs to come.
        known: Runs that were complete before, with their seconds; the time left is estimated from them.
        slots: Number of runs at a time.
        quiet: Whether nothing is shown.
        clock: Seconds since any point in time.

    Attributes:
        done: Number of runs that are complete.
        failures: ``{identity of a run: reason in one line}``.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        known: Sequence[tuple[Job, float]],
        slots: int,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.done = 0
        self.failures: dict[str, str] = {}
        self._open = {job.identity: job for job in jobs}
        self._seconds = list(known)
        self._slots, self._clock = max(1, slots), clock
        self._running: dict[str, float] = {}
        self._total = len(jobs)
        self._bar = StatusBar(_columns if jobs else None, len(jobs), quiet=quiet)

    def started(self, job: Job) -> None:
        """A process works on the job."""
        self._running[job.identity] = self._clock()
        self.tick()

    def retried(self, job: Job, reason: str) -> None:
        """The process of a job died; the job is tried again."""
        self._running.pop(job.identity, None)
        self._bar.say(f"{job.label}: {reason}; tried again")

    def ended(self, job: Job, seconds: float, failure: str | None = None) -> None:
        """A job is done, or has failed for a reason in one line; ``seconds`` are those of its last attempt."""
        self._running.pop(job.identity, None)
        self._open.pop(job.identity, None)
        if failure is None:
            self.done += 1
            self._seconds.append((job, seconds))
            outcome = f"{seconds:.0f} s"
        else:
            self.failures[job.identity] = failure
            outcome = f"FAILED: {failure}"
        self._bar.say(f"[{self._ended}/{self._total}] {job.label}: {outcome}{self._left_text()}")
        self.tick()

    def tick(self) -> None:
        """Time has passed: draw the bar anew."""
        if self._bar.drawn:
            jobs = [self._open[identity] for identity in self._running]
            running = [f"{job.label} {epochs_done(job):.0%}" for job in jobs]
            shown = ", ".join(running[:3]) + (f" and {len(running) - 3} more" if len(running) > 3 else "")
            failed = f"{len(self.failures)} failed, " if self.failures else ""
            self._bar.update(self._ended, f"{failed}{shown}{self._left_text()}")

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def left(self) -> float | None:
        """Estimated seconds until all runs are over; None before anything is known."""
        expected = {identity: self._expected(job) for identity, job in self._open.items()}
        known = [seconds for seconds in expected.values() if seconds is not None]
        if self._open and not known:
            return None
        typical = fmean(known) if known else 0.0
        work = 0.0
        for identity, estimate in expected.items():
            total = typical if estimate is None else estimate
            elapsed = self._clock() - self._running[identity] if identity in self._running else 0.0
            # a run that takes longer than the others is not over yet
            work += max(total - elapsed, total / 20)
        return work / min(self._slots, len(self._open) or 1)

    @property
    def _ended(self) -> int:
        return self.done + len(self.failures)

    def _expected(self, job: Job) -> float | None:
        """Seconds of the runs most similar to this one: same cell, else same data, else its own epochs so far."""
        for group in (lambda j: (j.row, j.column, j.condition), lambda j: (j.column, j.condition, _trains(j))):
            similar = [seconds for other, seconds in self._seconds if group(other) == group(job)]
            if similar:
                return fmean(similar)
        share = epochs_done(job) if job.identity in self._running else 0.0
        return (self._clock() - self._running[job.identity]) / share if share else None

    def _left_text(self) -> str:
        left = self.left()
        return "" if left is None or not self._open else f"; {len(self._open)} left, about {duration(left)}"


def _columns(_console: Any) -> list[Any]:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    return [BarColumn(), TextColumn("{task.completed}/{task.total} runs"), TimeElapsedColumn()]


def _trains(job: Job) -> bool:
    """Whether there is anything to train: raw features take a second, and say nothing about the others."""
    return bool(OBJECTIVES.get(job.settings["objective"]).trains)
