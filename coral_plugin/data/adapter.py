"""The contract of a data set: a class that says what it reads and under which terms, and that loads it."""

from __future__ import annotations

import dataclasses
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from torch import Tensor

from coral_plugin.data.dataset import MultimodalData, fingerprint
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.data.modality import Modality
from coral_plugin.data.scale import image_notes
from coral_plugin.data.split import Split
from coral_plugin.data.statistics import with_statistics
from coral_plugin.data.task import Task
from coral_plugin.errors import InputError, short
from coral_plugin.registry import DATASETS, suggest

_SPLITS = ("pretrain", "train", "valid", "test")


class DatasetAdapter(ABC):
    """A data set that ``--dataset NAME`` selects; never instantiated. docs/guides/dataset.md shows how to write one.

    Attributes:
        name: Name of the data set in messages and records, as in ``entry_points.txt``.
        source: Origin of the files, in one line: authors or paper, and an address.
        licence: Licence of the data, or whom to ask.
        Settings: Frozen dataclass of what can be set as ``--source.KEY``; every field has a default.
        recipe: Run settings that suit the data (``{"network.width": 512, "augmentations": "drop+noise"}``); presets and
            flags win over them. Never a rate that was tuned for one method.
        expects: Description of the file or folder that ``--data`` must name; empty for data that need none.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    licence: ClassVar[str]
    Settings: ClassVar[type]
    recipe: ClassVar[Mapping[str, Any]] = {}
    expects: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def read(cls, path: str, settings: Any) -> MultimodalData:
        """Modalities, tasks and splits. The one method that a data set must write.

        Args:
            path: File or folder of the data; empty where the data set expects none.
            settings: Instance of ``Settings``.

        Raises:
            InputError: files that cannot be read, or settings that do not fit them.
        """

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:  # noqa: ARG003
        """What ``coral data check`` reports about a file or folder; None for one of another format.

        Args:
            candidate: File or folder.

        Raises:
            InputError: it has the format of this data set, but is damaged.
        """
        return None

    @classmethod
    def load(cls, path: str | None = None, settings: Any = None) -> MultimodalData:
        """The data set, as a run loads it: path and settings are checked, then :meth:`read`.

        Args:
            path: File or folder of the data; None where the data set expects none.
            settings: Instance of ``Settings``; None takes the defaults.

        Raises:
            InputError: a missing or needless path, settings of another class or outside their choices, or whatever
                :meth:`read` refuses.
            DefectError: anything else that :meth:`read` raises.
        """
        if cls.expects and path is None:
            raise InputError(f"Data set {cls.name!r} reads files of yours: give --data PATH, {cls.expects}.")
        if path is not None and not cls.expects:
            raise InputError(f"Data set {cls.name!r} reads no file: leave out --data {path}.")
        settings = cls.Settings() if settings is None else settings
        if not isinstance(settings, cls.Settings):
            raise InputError(
                f"Settings of data set {cls.name!r} are an instance of {cls.Settings.__name__}, got {short(settings)}; "
                f"write {cls.Settings.__name__}(...)."
            )
        check_choices(settings)
        with blaming(cls):
            data = cls.read(path or "", settings)
            if not isinstance(data, MultimodalData):
                raise TypeError(f"read returned {short(type(data))}, not MultimodalData")
            return data

    @classmethod
    def assemble(
        cls,
        modalities: Iterable[Modality],
        tasks: Iterable[Task],
        splits: Mapping[str, Split],
        notes: Iterable[str] = (),
        *,
        fit_statistics: bool = True,
    ) -> MultimodalData:
        """The data set from its parts, with its fingerprint.

        Args:
            modalities: The modalities, in the order of the columns.
            tasks: The tasks; none for data without labels.
            splits: ``{"train": ..., "valid": ..., "test": ...}``.
            notes: Decisions made for the user, one line each.
            fit_statistics: Whether the modalities get mean, standard deviation and bounds of train; else they keep
                what they have.

        Raises:
            InputError: parts that do not fit each other; the message names the split.
        """
        modalities, tasks = tuple(modalities), tuple(tasks)
        _check_parts(cls.name, modalities, tasks, splits)
        train = splits["train"].columns
        parts: dict[str, Any] = dict(splits)
        if fit_statistics:
            modalities = tuple(with_statistics(modality, train[modality.name]) for modality in modalities)
        return MultimodalData(
            name=cls.name,
            modalities=modalities,
            tasks=tasks,
            notes=(*notes, *image_notes(modalities)),
            fingerprint=fingerprint(splits),
            **parts,
        )


def _check_parts(
    name: str, modalities: tuple[Modality, ...], tasks: tuple[Task, ...], splits: Mapping[str, Split]
) -> None:
    """Refuse parts of a data set that do not fit each other."""
    if unknown := [label for label in splits if label not in _SPLITS]:
        raise suggest(unknown[0], list(_SPLITS), f"split of {name}")
    if "train" not in splits:
        raise InputError(f"{name} needs a train split, got {', '.join(splits) or 'none'}.")
    names = [modality.name for modality in modalities]
    for label, split in splits.items():
        if list(split.columns) != names:
            raise InputError(f"{name}: split {label} has {list(split.columns)}, but its modalities are {names}.")
        for modality in modalities:
            shape = tuple(split.columns[modality.name].values.shape[1:])
            steps = 1 if modality.kind == "sequence" else 0  # their number may differ
            if len(shape) != len(modality.shape) or shape[steps:] != modality.shape[steps:]:
                raise InputError(
                    f"{name}: {label} has samples of {modality.name} of shape {shape}, but the modality is declared "
                    f"with {modality.shape}."
                )
        for task in tasks:
            if task.name in split.targets:
                _check_targets(f"{name}: targets of {task.name} in {label}", split.targets[task.name], task)
            elif label != "pretrain":
                raise InputError(
                    f"{name}: split {label} has no targets of task {task.name}; give them for all samples."
                )


def _check_targets(what: str, targets: Tensor, task: Task) -> None:
    count = len(task.classes)
    if task.kind == "classification":
        if targets.ndim != 1 or targets.is_floating_point():
            raise InputError(f"{what} must be whole numbers (N,), got {targets.dtype} {tuple(targets.shape)}.")
        low, high = int(targets.min()), int(targets.max())
        if low < 0 or high >= count:
            raise InputError(
                f"{what} run from {low} to {high}, but {count} classes are named: indices are from 0 to {count - 1}."
            )
    elif targets.ndim > 2 or (targets.shape[1] if targets.ndim == 2 else 1) != count:
        raise InputError(f"{what} have shape {tuple(targets.shape)}, but {count} columns are named.")


def blaming(dataset: type[DatasetAdapter]) -> AbstractContextManager[None]:
    """Calls of a data set: see :meth:`coral_plugin.registry.Registry.blaming`."""
    return DATASETS.blaming(dataset.name, f"{dataset.__module__}:{dataset.__qualname__}")


def check_choices(settings: Any) -> None:
    """Refuse a value that the ``Literal`` of its field does not list, alone or in a tuple or mapping.

    Raises:
        UnknownNameError: such a value; the message lists the choices.
    """
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        hint, value = hints[field.name], getattr(settings, field.name)
        values = [value]
        if typing.get_origin(hint) in (tuple, dict):
            hint = [part for part in typing.get_args(hint) if part is not ...][-1]
            values = list(value.values() if isinstance(value, Mapping) else value)
        choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else values
        if unknown := [value for value in values if value not in choices]:
            raise suggest(unknown[0], [str(choice) for choice in choices], f"value of {field.name}")


def check_seed(seed: int) -> None:
    """Refuse a seed that NumPy's generators do not take.

    Raises:
        InputError: a number outside 0 ... 2**32 - 1.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must be from 0 to {2**32 - 1}, got {seed}.")
