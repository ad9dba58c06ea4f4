"""From label arrays to a task and its targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.task import Task
from coral_plugin.errors import InputError, short

_MOST_CLASSES = 10_000
_LONGEST = 200  # characters of a name


def read_labels(
    arrays: Mapping[str, np.ndarray], classes: Any, splits: list[str], name: str
) -> tuple[Task | None, dict[str, Tensor]]:
    """The task that labels stand for, and the targets of each split; None and nothing without labels.

    Args:
        arrays: ``{split: labels}``: integers (N,) classification, 0/1 (N, L) multilabel, floats (N,) or (N, L)
            regression; (N, 1) counts as (N,).
        classes: Names of the classes, labels or outputs; None numbers them.
        splits: Names of all splits; each has labels or none has.
        name: Of the data set, for messages.

    Raises:
        InputError: labels that are missing, of several kinds, or out of range; names that do not fit.
    """
    if not arrays:
        return None, {}
    if missing := [label for label in splits if label not in arrays]:
        raise InputError(f"{name}: {missing[0]}/labels is missing, while {next(iter(arrays))}/labels is there.")
    arrays = {k: v[:, 0] if v.ndim == 2 and v.shape[1] == 1 else v for k, v in arrays.items()}
    if len({(v.dtype.kind == "f", v.shape[1:]) for v in arrays.values()}) > 1 or arrays["train"].ndim > 2:
        seen = ", ".join(f"{k}/labels {v.dtype} {v.shape}" for k, v in arrays.items())
        raise InputError(f"{name}: labels need one type and shape in every split, (N,) or (N, L); got {seen}.")
    names = None if classes is None else _names(classes, name)
    if arrays["train"].dtype.kind == "f":
        return _regression(arrays, names, name)
    return (_classification if arrays["train"].ndim == 1 else _multilabel)(arrays, names, name)


def whole_floats(task: Task | None, train: Tensor | None) -> bool:
    """Whether the targets are regressed, but look like the numbers of a few classes that were saved as floats."""
    if task is None or train is None or task.kind != "regression" or train.ndim > 1:
        return False
    seen = train.unique()
    return len(seen) <= 20 and bool((seen == torch.arange(len(seen))).all())


def _regression(
    arrays: Mapping[str, np.ndarray], names: tuple[str, ...] | None, name: str
) -> tuple[Task, dict[str, Tensor]]:
    train = arrays["train"]
    outputs = 1 if train.ndim == 1 else train.shape[1]
    targets = {}
    for label, value in arrays.items():
        with np.errstate(over="ignore"):
            targets[label] = torch.from_numpy(value.astype(np.float32))
        if not targets[label].isfinite().all():
            raise InputError(f"{name}: {label}/labels holds values that a 32-bit float cannot hold; rescale them.")
    return Task(name="label", kind="regression", classes=_fitting(names, outputs, name)), targets


def _multilabel(
    arrays: Mapping[str, np.ndarray], names: tuple[str, ...] | None, name: str
) -> tuple[Task, dict[str, Tensor]]:
    _within(arrays, 1, "0 or 1 (multilabel)", name)
    task = Task(name="label", kind="multilabel", classes=_fitting(names, arrays["train"].shape[1], name))
    return task, _integers(arrays)


def _classification(
    arrays: Mapping[str, np.ndarray], names: tuple[str, ...] | None, name: str
) -> tuple[Task, dict[str, Tensor]]:
    _within(arrays, _MOST_CLASSES - 1, "0, 1, 2, ...", name)
    train = np.unique(arrays["train"])
    if len(train) < 2:
        raise InputError(f"{name}: train/labels has one class only ({train[0]}); a probe needs two.")
    seen = np.unique(np.concatenate([np.unique(value) for value in arrays.values()]))
    count = int(seen.max()) + 1
    if names is None and len(seen) < count:
        # an empty class would lower the chance level that scores are held against
        absent = sorted(set(range(count)) - set(seen.tolist()))[0]
        raise InputError(
            f"{name}: labels go up to {count - 1}, but class {absent} has no sample; number the classes 0, 1, 2, ... "
            "(np.unique(labels, return_inverse=True)[1]), or name all of them under 'classes'."
        )
    if names is not None:
        count = max(count, len(names))
    return Task(name="label", kind="classification", classes=_fitting(names, count, name)), _integers(arrays)


def _within(arrays: Mapping[str, np.ndarray], most: int, wanted: str, name: str) -> None:
    for label, value in arrays.items():
        if int(value.min()) < 0 or int(value.max()) > most:
            raise InputError(
                f"{name}: {label}/labels must be {wanted}, got values from {value.min()} to {value.max()}."
            )


def _integers(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    return {label: torch.from_numpy(value.astype(np.int64)) for label, value in arrays.items()}


def _names(classes: Any, name: str) -> tuple[str, ...]:
    try:
        found = np.asarray(classes).ravel()
    except ValueError as error:
        raise InputError(f"{name}: classes must be a list of names: {error}") from error
    names = tuple(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in found)
    if odd := [each for each in names if not each.isprintable() or len(each) > _LONGEST]:
        raise InputError(
            f"{name}: classes needs names in printable characters, at most {_LONGEST}, got {short(odd[0])}."
        )
    if len(set(names)) != len(names):
        raise InputError(f"{name}: classes needs different names, got {', '.join(names)}.")
    return names


def _fitting(names: tuple[str, ...] | None, count: int, name: str) -> tuple[str, ...]:
    """The given names, checked, or numbers."""
    if names is None:
        return tuple(str(i) for i in range(count))
    if len(names) != count:
        raise InputError(f"{name}: classes has {len(names)} names, but the labels need {count}.")
    return names
