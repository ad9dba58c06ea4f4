"""What is sent to other processes of this machine, and why they ended, as files of one folder."""

from __future__ import annotations

import io
import json
import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

from coral_plugin import errors
from coral_plugin.errors import CoralError, InputError, MachineError, one_line
from coral_plugin.registry import AUGMENTATIONS, DATASETS, ENCODERS, OBJECTIVES, Registry
from coral_plugin.training.settings import TrainingSettings

JOB = "job.pickle"
_REGISTRIES = (OBJECTIVES, DATASETS, AUGMENTATIONS, ENCODERS)


class UnsendableError(Exception):
    """Something cannot be sent to another process; the text says what."""


class _Pickler(pickle.Pickler):
    """Refuses what a script defines: another process does not run the script, and finds no such name."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, type | FunctionType) and value.__module__ == "__main__":
            raise pickle.PicklingError(f"{value.__qualname__} is defined in the script or notebook")
        return NotImplemented


def write_job(folder: Path, job: Any, threads: int, settings: TrainingSettings | None) -> None:
    """Write a job for processes of :mod:`coral_plugin.training.worker`.

    Args:
        folder: Folder that nobody else may write to.
        job: Picklable object.
        threads: Threads of each process.
        settings: Settings of processes that form one group; None for processes that know nothing of each other.

    Raises:
        MachineError: there is no room for it.
        UnsendableError: the job cannot be pickled.
    """
    try:
        with (folder / JOB).open("wb") as file:
            pickle.dump((sys.path, threads, settings), file)
            pickle.dump([_sendable(registry) for registry in _REGISTRIES], file)
            _Pickler(file).dump(job)
    except OSError as error:
        raise MachineError(
            f"{folder}: the data cannot be written for other processes ({error.strerror}); set TMPDIR to a folder with "
            "more room, or train one after the other (--workers 1)."
        ) from error
    except Exception as error:  # the objects are the user's, and may raise anything while they are pickled
        raise UnsendableError(one_line(error, 120)) from error


class _Unsent:
    """Stands in another process for what could not be sent there: who uses it gets the reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._error()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        del arguments, options
        raise self._error()

    def _error(self) -> InputError:
        return InputError(f"{self.reason}, which other processes do not run; train one at a time (--workers 1).")


def _sendable(registry: Registry) -> dict[str, bytes]:
    """What this process has registered for itself, each pickled; what cannot be, as :class:`_Unsent`."""
    pickled = {}
    for name, value in registry.added().items():
        try:
            _Pickler(file := io.BytesIO()).dump(value)
            pickled[name] = file.getvalue()
        except Exception as error:  # the objects are the user's, and may raise anything while they are pickled
            pickled[name] = pickle.dumps(_Unsent(one_line(error, 120)))
    return pickled


def register(pickled: Sequence[Mapping[str, bytes]]) -> None:
    """Register here what the process that wrote the job has registered for itself; a module may have done so already.

    Args:
        pickled: ``{name: pickled value}`` of each registry.
    """
    for registry, values in zip(_REGISTRIES, pickled, strict=True):
        for name, content in values.items():
            value = pickle.loads(content)  # noqa: S301 - written by the process that started this one
            if name not in registry.added():
                registry.add(name, value)


def task_path(folder: Path, rank: int) -> Path:
    """File of the function that a process calls with the job, where each has one."""
    return folder / f"task-{rank}.pickle"


def failure_path(folder: Path, rank: int) -> Path:
    """File in which a process writes why it ends."""
    return folder / f"failure-{rank}.json"


def failure_of(folder: Path, rank: int) -> dict[str, str]:
    """Type and text of the exception that ended a process; empty where it wrote none."""
    path = failure_path(folder, rank)
    failure: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return failure


def error_of(failure: Mapping[str, str]) -> CoralError | None:
    """The exception of a :func:`failure_of` where it is one of this package, whose text users are meant to read."""
    kind = getattr(errors, failure.get("type", ""), None)
    return kind(failure["text"]) if isinstance(kind, type) and issubclass(kind, CoralError) else None
