"""What the engines have in common: an engine runs jobs and tells a listener what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from coral_plugin.bench.grid import Job

ATTEMPTS = 2  # a run whose process dies (killed, out of memory) is tried once more
Execute = Callable[[Job], dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: Which.
        state: ``done`` or ``failed``.
        seconds: Wall time of its last attempt.
        record: Of a run that is done, where the engine brings it along.
        reason: Why it failed, in one line.
    """

    job: Job
    state: Literal["done", "failed"]
    seconds: float
    record: dict[str, Any] | None = None
    reason: str = ""


class Listener(Protocol):
    """Is told of every change, and now and then that time has passed."""

    def started(self, job: Job) -> None:
        """A process works on the job."""

    def retried(self, job: Job, why: str) -> None:
        """The process of a job died; it is tried again."""

    def ended(self, outcome: Outcome) -> None:
        """A job is done or has failed."""

    def tick(self) -> None:
        """Nothing but time."""
