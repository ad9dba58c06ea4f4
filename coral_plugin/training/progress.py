"""Lines and a bar on standard error while a training goes on."""

from __future__ import annotations

import sys
import time
from typing import Any


class Progress:
    """A bar on standard error for a terminal, ten lines for anything else.

    Args:
        label: Name of the run.
        epochs: Number of epochs.
        quiet: Whether to print nothing.
        bar: Whether to draw the bar where there is a terminal.
    """

    def __init__(self, label: str, epochs: int, *, quiet: bool = False, bar: bool = True) -> None:
        self.label, self.epochs, self.quiet = label, epochs, quiet
        self._started = time.monotonic()
        self._bar: Any = None
        if bar and not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total} epochs  {task.fields[figures]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(label, total=epochs, figures="")
            self._bar.start()

    def __call__(self, record: dict[str, float]) -> None:
        """Show that an epoch is over."""
        epoch = int(record["epoch"]) + 1
        figures = f"loss {record['loss/total']:.3f}  {record['samples_per_second']:.0f} samples/s"
        if record["skipped"]:
            figures += f"  {record['skipped']} steps skipped"
        if self._bar is not None:
            self._bar.update(self._task, completed=epoch, figures=figures)
        elif not self.quiet and (epoch == self.epochs or epoch % max(1, self.epochs // 10) == 0):
            seconds = time.monotonic() - self._started
            self.say(f"epoch {epoch}/{self.epochs}  {figures}  {seconds:.0f} s")

    def say(self, line: str) -> None:
        """Print one line on the training."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.console.print(f"{self.label}  {line}", markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{self.label}  {line}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()
