"""The whole grid at a glance on standard error: how much is done, what runs, and how long it will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from coral_plugin.bench.engine import Outcome
from coral_plugin.bench.grid import Job
from coral_plugin.bench.worker import epochs_done


class GridProgress:
    """A bar in a terminal, else a line for each run that starts over or ends. An engine tells it what happens.

    Args:
        jobs: What is to be run.
        known: Runs that were complete before with their seconds; they tell how long the others will take.
        places: How many run at a time.
        quiet: Say nothing.
        clock: Seconds.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        known: Sequence[tuple[Job, float]],
        places: int,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open = {job.identity: job for job in jobs}
        self._seconds = list(known)
        self._places, self._quiet, self._clock = max(1, places), quiet, clock
        self._running: dict[str, float] = {}
        self._total, self.done, self.failed = len(jobs), 0, 0
        self._bar: Any = None
        if not quiet and jobs and sys.stderr.isatty():
            self._start_bar()

    def started(self, job: Job) -> None:
        """A process works on the job."""
        self._running[job.identity] = self._clock()
        self.tick()

    def retried(self, job: Job, why: str) -> None:
        """The process of a job died; it is tried again."""
        self._running.pop(job.identity, None)
        self._say(f"{job.label}: {why}; tried again")

    def ended(self, outcome: Outcome) -> None:
        """A job is done or has failed."""
        job = outcome.job
        self._running.pop(job.identity, None)
        self._open.pop(job.identity, None)
        if outcome.state == "done":
            self.done += 1
            self._seconds.append((job, outcome.seconds))
            what = f"{outcome.seconds:.0f} s"
        else:
            self.failed += 1
            what = f"FAILED: {outcome.reason}"
        self._say(f"[{self.done + self.failed}/{self._total}] {job.label}: {what}{self._left_text()}")
        self.tick()

    def tick(self) -> None:
        """Draw the bar anew."""
        if self._bar is not None:
            running = [f"{self._open[each].label} {epochs_done(self._open[each]):.0%}" for each in self._running]
            shown = ", ".join(running[:3]) + (f" and {len(running) - 3} more" if len(running) > 3 else "")
            said = f"{f'{self.failed} failed, ' if self.failed else ''}{shown}{self._left_text()}"
            self._bar.update(self._task, completed=self.done + self.failed, said=said)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()

    def left(self) -> float | None:
        """Seconds until all runs are over, as far as can be told; None before anything is known."""
        expected = {key: self._expected(job) for key, job in self._open.items()}
        known = [seconds for seconds in expected.values() if seconds is not None]
        if self._open and not known:
            return None
        typical = fmean(known) if known else 0.0
        work = 0.0
        for key in self._open:
            total = expected[key]
            own = typical if total is None else total
            elapsed = self._clock() - self._running[key] if key in self._running else 0.0
            # a run that takes longer than the others is not over yet
            work += max(own - elapsed, own / 20)
        return work / min(self._places, len(self._open) or 1)

    def _expected(self, job: Job) -> float | None:
        """Seconds of the runs most like this one: same cell, else same data, else its own epochs so far."""
        for alike in (lambda j: (j.row, j.column, j.condition), lambda j: (j.column, j.condition)):
            own = [seconds for other, seconds in self._seconds if alike(other) == alike(job)]
            if own:
                return fmean(own)
        share = epochs_done(job) if job.identity in self._running else 0.0
        return (self._clock() - self._running[job.identity]) / share if share else None

    def _left_text(self) -> str:
        left = self.left()
        return "" if left is None or not self._open else f"; {len(self._open)} left, about {duration(left)}"

    def _say(self, line: str) -> None:
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.completed}/{task.total} runs"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}", markup=False),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("grid", total=self._total, said="")
        self._bar.start()


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
