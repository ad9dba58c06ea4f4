"""The log of a training: means of an epoch, as rows of a CSV file that can be read at any moment."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coral_plugin.errors import DivergedError, InputError, one_line
from coral_plugin.io.files import write_text

LOG = "metrics.csv"
# steps skipped in a row, from which on an epoch without any other ends the training: it has diverged
_MOST_SKIPPED = 20
# columns measured by the clock, in no two trainings the same
TIMES = ("samples_per_second", "seconds")


def table(rows: list[dict[str, float]]) -> str:
    """Rows of one run as CSV, with the columns of the first row."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def read_log(path: Path) -> list[dict[str, float]]:
    """Rows of a log that :func:`table` has written, without empty cells; none where there is no file.

    Raises:
        InputError: a file that is no such log.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
        except (ValueError, TypeError, csv.Error) as error:
            raise InputError(f"{path} is damaged ({one_line(error)}); train the run again.") from error


class EpochLog:
    """Sums over the steps of an epoch, one record per epoch, and their CSV file while the training goes on.

    Args:
        path: CSV file; None keeps the records in memory only.
        listeners: Functions that get each new record.
    """

    def __init__(self, path: Path | None, *listeners: Callable[[dict[str, float]], None]) -> None:
        self.path = path
        self.listeners = listeners
        self.rows: list[dict[str, float]] = []
        self._clear()

    def _clear(self) -> None:
        self._names: list[str] = []
        self._sums: Tensor | None = None
        self._seen = self._skipped = 0
        self._before = 0.0
        self.start()

    def start(self) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def add(self, names: list[str], values: Tensor, size: int) -> None:
        """Add the terms ``values`` (len(names),) of a step that was taken, with ``size`` samples."""
        self._names = names
        self._sums = values * size if self._sums is None else self._sums + values * size
        self._seen += size

    def skip(self) -> None:
        """Count a step that was not taken."""
        self._skipped += 1

    def end_epoch(self, epoch: int, step: int, used: Mapping[str, float]) -> None:
        """Record the epoch that ends after ``step`` steps of the training, and write the record.

        An epoch of few steps of which none was taken has no record: the next one counts them with its own.

        Args:
            epoch: Number of the epoch, from 0.
            step: Steps of the training so far.
            used: Values that its last step used: of the method's schedules, the learning rate.

        Raises:
            DivergedError: no step was taken, of :data:`_MOST_SKIPPED` at least.
        """
        if self._sums is None and self._skipped < _MOST_SKIPPED:
            return
        if self._sums is None:
            raise DivergedError(
                f"No loss or gradient of epoch {epoch} was finite: the last {self._skipped} steps were skipped. "
                f"Lower training.learning_rate or set training.gradient_clip."
            )
        seconds = self._elapsed()
        means = (self._sums / self._seen).tolist()
        record = {
            "epoch": epoch,
            "step": step,
            **{f"loss/{name}": mean for name, mean in zip(self._names, means, strict=True)},
            **used,
            "skipped": self._skipped,
            "samples_per_second": self._seen / seconds,
            "seconds": seconds,
        }
        self.rows.append(record)
        self._write()
        for listener in self.listeners:
            listener(record)
        self._clear()

    def end(self) -> None:
        """End the training: a step that was skipped after the last record is counted there.

        Raises:
            DivergedError: no step was taken at all, or several at the end were skipped.
        """
        if self._sums is not None or not self._skipped:
            return
        if not self.rows or self._skipped > 1:
            raise DivergedError(
                f"No loss or gradient of the last {self._skipped} steps was finite: they were skipped. Lower "
                "training.learning_rate or set training.gradient_clip."
            )
        self.rows[-1]["skipped"] += self._skipped
        self._skipped = 0
        self._write()

    def state(self) -> dict[str, Any]:
        """Everything that a checkpoint has to keep, in plain containers."""
        return {
            # as one text: torch.save is slow with many single numbers
            "rows": json.dumps(self.rows),
            "names": self._names,
            "sums": None if self._sums is None else self._sums.cpu(),
            "seen": self._seen,
            "skipped": self._skipped,
            "seconds": self._elapsed(),
        }

    def restore(self, state: Mapping[str, Any], device: torch.device | str = "cpu") -> None:
        """Continue from :meth:`state`; later rows of the file are dropped."""
        self.rows = json.loads(state["rows"])
        self._names, self._seen, self._skipped = list(state["names"]), state["seen"], state["skipped"]
        self._sums = None if state["sums"] is None else state["sums"].to(device)
        self._before = state["seconds"]
        self.start()
        if self.path is not None:
            write_text(self.path, table(self.rows))

    def _elapsed(self) -> float:
        return self._before + time.perf_counter() - self._started

    def _write(self) -> None:
        if self.path is None:
            return
        if len(self.rows) == 1 or not self.path.exists():
            write_text(self.path, table(self.rows))
            return
        # one write of one line: a reader sees it whole or not at all
        line = table([self.rows[0], self.rows[-1]]).splitlines(keepends=True)[-1]
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(line)
