"""Lines and a bar on standard error while a training goes on: what is done, and how long the rest takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

_LEAST_SECONDS = 10  # between two lines of a log
_LONGEST_SECONDS = 60  # without a line; later a tenth of what the training has taken, so that a long log stays short
_SHARE = 0.1  # of the steps, after which a line is due
_WIDTH_OF_TEXT = 72  # columns beside the bar


class StatusBar:
    """A bar at the end of standard error with a status beside it; without the bar its lines are written all the same.

    Args:
        columns: Columns of :class:`rich.progress.Progress`, left of the status; None draws no bar, nor does what is no
            terminal.
        total: Number of steps.
        label: Name in front of the bar.
        quiet: Whether nothing is written.
    """

    def __init__(self, columns: Callable[[Any], list[Any]] | None, total: int, label: str = "", *, quiet: bool) -> None:
        self.quiet = quiet
        self._bar: Any = None
        if columns is not None and not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, TextColumn

            console = Console(stderr=True)
            status = TextColumn("{task.fields[status]}", markup=False)
            self._bar = Progress(*columns(console), status, console=console)
            self._task = self._bar.add_task(label, total=total, status="")
            self._bar.start()

    @property
    def drawn(self) -> bool:
        """Whether there is a bar."""
        return self._bar is not None

    def update(self, completed: int, status: str) -> None:
        """Draw the bar anew."""
        if self._bar is not None:
            self._bar.update(self._task, completed=completed, status=status)

    def say(self, line: str) -> None:
        """Write one line, above the bar."""
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        elif not self.quiet:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()


class Progress:
    """A bar on standard error for a terminal, now and then a line for anything else.

    Args:
        label: Name of the run.
        epochs: Number of epochs.
        steps: Number of steps of all epochs together.
        quiet: Whether to print nothing.
        bar: Whether to draw the bar where there is a terminal.
        clock: Seconds since any point in time.
    """

    def __init__(
        self,
        label: str,
        epochs: int,
        steps: int,
        *,
        quiet: bool = False,
        bar: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label, self.epochs, self.steps, self.quiet, self._clock = label, epochs, steps, quiet, clock
        self._figures = ""
        self._began: tuple[float, int] | None = None  # time and steps at the end of the first step of this process
        self._started = self._printed = clock()
        self._printed_step: int | None = None
        self._bar = StatusBar(self._columns if bar else None, steps, label, quiet=quiet)

    def __call__(self, record: dict[str, float]) -> None:
        """Take the loss and the speed of an epoch that is over."""
        self._figures = f"  loss {record['loss/total']:.3f}  {record['samples_per_second']:.0f} samples/s"
        if record["skipped"]:
            self._figures += f"  {record['skipped']} steps skipped"

    def step(self, number: int) -> None:
        """Show that ``number`` steps are over, those before a continued training too; after the record of an epoch."""
        now = self._clock()
        if self._began is None:
            self._began = now, number  # without the first step, in which much is done once
        if self._bar.drawn:
            self._bar.update(number, self._text(number, now))
        elif not self.quiet and self._due(number, now):
            self._printed, self._printed_step = now, number
            self.say(self._text(number, now))

    def left(self, number: int, now: float) -> float | None:
        """Estimated seconds until the last step; None before the second step."""
        if self._began is None or number == self._began[1]:
            return None
        return (now - self._began[0]) / (number - self._began[1]) * (self.steps - number)

    def say(self, line: str) -> None:
        """Print one line on the training."""
        self._bar.say(f"{self.label}  {line}")

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _due(self, number: int, now: float) -> bool:
        if number == self.steps:
            return True
        silent = now - self._printed
        if silent < _LEAST_SECONDS:
            return False
        share = (number - (self._printed_step or 0)) / self.steps
        first = self._printed_step is None
        return first or share >= _SHARE or silent >= max(_LONGEST_SECONDS, (now - self._started) / 10)

    def _text(self, number: int, now: float) -> str:
        epoch = (number - 1) * self.epochs // self.steps + 1
        within = f"  step {number}/{self.steps}" if number * self.epochs % self.steps else ""
        left = self.left(number, now)
        if number == self.steps:
            rest = f"  {duration(now - self._started)}"
        else:
            rest = "" if left is None else f"  about {duration(left)} left"
        return f"epoch {epoch}/{self.epochs}{within}{self._figures}{rest}"

    def _columns(self, console: Any) -> list[Any]:
        from rich.progress import BarColumn, TextColumn

        width = max(8, min(40, console.width - _WIDTH_OF_TEXT - len(self.label)))
        return [TextColumn("{task.description}", markup=False), BarColumn(width)]


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
