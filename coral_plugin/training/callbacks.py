"""What happens between epochs: the log, the checkpoint, the progress bar."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from coral_plugin.files import write_aside, write_text
from coral_plugin.training.module import ObjectiveModule


def table(rows: list[dict[str, float]]) -> str:
    """Rows of one run as CSV, with the columns of the first."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


class EpochLog(pl.Callback):
    """Collects a record for each epoch, writes them as CSV while the run goes on, and keeps them in checkpoints.

    Args:
        path: Of the CSV file; None keeps the records in memory only.
        tell: Called with each new record.
    """

    def __init__(self, path: Path | None, tell: Callable[[dict[str, float]], None] | None = None) -> None:
        self.path = path
        self.tell = tell
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the record of the epoch that ends."""
        if not isinstance(pl_module, ObjectiveModule):
            raise TypeError(f"EpochLog serves ObjectiveModule, not {type(pl_module).__name__}.")
        record = pl_module.epoch_record()
        self.rows.append(record)
        if trainer.is_global_zero and self.path is not None:
            if len(self.rows) == 1 or not self.path.exists():
                write_text(self.path, table(self.rows))
            else:
                with self.path.open("a", newline="") as file:
                    csv.DictWriter(file, list(self.rows[0]), lineterminator="\n").writerow(record)
        if trainer.logger is not None:
            trainer.logger.log_metrics(record, step=int(record["step"]))
        if self.tell is not None:
            self.tell(record)

    def state_dict(self) -> dict[str, Any]:
        """The records so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the records of a checkpoint; what the file has beyond them is dropped."""
        self.rows = list(state_dict["rows"])
        if self.path is not None:
            write_text(self.path, table(self.rows))


class TimedCheckpoint(pl.Callback):
    """Writes a checkpoint between epochs, at most every ``seconds``; aside and renamed, so one is always whole.

    Args:
        path: Of the checkpoint.
        seconds: Least time between two.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self.seconds = seconds
        self._last = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Write one if it is time."""
        if time.monotonic() - self._last < self.seconds or trainer.current_epoch + 1 == trainer.max_epochs:
            return
        with write_aside(self.path) as aside:
            trainer.save_checkpoint(aside)
        self._last = time.monotonic()


class Progress:
    """A bar on standard error for a terminal, ten lines for anything else.

    Args:
        label: Of the run.
        epochs: How many there are.
        quiet: Say nothing.
        bar: Draw the bar where there is a terminal.
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
                TextColumn("{task.completed}/{task.total} epochs  {task.fields[said]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(label, total=epochs, said="")
            self._bar.start()

    def __call__(self, record: dict[str, float]) -> None:
        """Show that an epoch is over."""
        done = int(record["epoch"]) + 1
        said = f"loss {record['loss/total']:.3f}  {record['samples_per_second']:.0f} samples/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, said=said)
        elif not self.quiet and (done == self.epochs or done % max(1, self.epochs // 10) == 0):
            seconds = time.monotonic() - self._started
            sys.stderr.write(f"{self.label}  epoch {done}/{self.epochs}  {said}  {seconds:.0f} s\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()
