"""Labels: which task they stand for, and its targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.statistics import loses_differences
from coral_plugin.data.task import Task, TaskKind
from coral_plugin.errors import InputError, short
from coral_plugin.registry import suggest

_MOST_CLASSES = 10_000
_LONGEST = 200  # characters of a name
_MANY = 50  # whole numbers with more values may be quantities
_LISTED = 8  # classes that a note lists

_Arrays = Mapping[str, np.ndarray]


def read_labels(
    arrays: _Arrays, classes: Any, splits: list[str], name: str, kind: TaskKind | None = None
) -> tuple[Task | None, dict[str, Tensor], list[str]]:
    """The task that labels stand for, the targets of each split, and what was decided; None and nothing without labels.

    Text and whole numbers (N,) are classes, whatever the numbers are (1, 2, 3; -1, 1; 3, 7, 9): those that occur in
    train, in ascending order, under their own names. Rows (N, L) of 0 and 1 with exactly one 1 in every row of train
    are classes, too; other integers 0/1 (N, L) are multilabel. Floats (N,) or (N, L) are regressed. (N, 1) counts as
    (N,). Train alone decides.

    Args:
        arrays: ``{split: labels}``.
        classes: Names of the classes, labels or outputs; None takes the labels' own, or numbers. Labels that are names
            among them are taken by name; whole numbers are else indices from 0 on, or, if as many as there are names,
            named in ascending order.
        splits: Names of all splits; each has labels or none has.
        name: Name of the data set, for messages.
        kind: Kind of the task; None decides by type and shape.

    Returns:
        Task, ``{split: targets}``, and notes, one line each.

    Raises:
        InputError: labels that are missing, of several kinds, out of range or none of the task; a task without labels;
            a class that train lacks; names that do not fit.
    """
    if kind is not None and kind not in (known := get_args(TaskKind)):
        raise suggest(kind, list(known), "task")
    if not arrays:
        if kind is not None:
            raise InputError(f"{name} has no labels for task {kind!r}; give labels in every split, or leave task out.")
        return None, {}, []
    if missing := [label for label in splits if label not in arrays]:
        raise InputError(f"{name}: {missing[0]}/labels is missing, while {next(iter(arrays))}/labels is there.")
    arrays = {k: v[:, 0] if v.ndim == 2 and v.shape[1] == 1 else v for k, v in arrays.items()}
    if len({(_form(v), v.shape[1:]) for v in arrays.values()}) > 1 or arrays["train"].ndim > 2:
        seen = ", ".join(f"{k}/labels {v.dtype} {v.shape}" for k, v in arrays.items())
        raise InputError(f"{name}: labels need one type and shape in every split, (N,) or (N, L); got {seen}.")
    names = None if classes is None else _names(classes, name)
    train = arrays["train"]
    task_kind, notes = _kind_of(train, kind, name), []
    if task_kind == "regression":
        rounded = "labels differ by less than 32-bit floats can tell; subtract their mean, or give another unit"
        notes = [*([] if kind else _like_classes(train)), *([rounded] if loses_differences(train) else [])]
        return *_regression(arrays, names, name), notes
    arrays = {label: _whole(value, label, task_kind, name) for label, value in arrays.items()}
    if task_kind == "multilabel":
        return *_multilabel(arrays, names, name), notes
    if train.ndim == 2:
        return _one_hot(arrays, names, name, known=kind is not None)
    return _classification(arrays, names, name, known=kind is not None)


def missing_classes(task: Task, targets: Mapping[str, Tensor]) -> list[str]:
    """Notes on classes, or labels, of which train or test has no sample.

    Args:
        task: The task of the targets.
        targets: ``{split: (N,) or (N, L)}``.
    """
    if task.kind == "regression":
        return []
    numbers = range(len(task.classes))
    counts: dict[str, Counter[int]] = {}
    for split, target in targets.items():
        if split in ("train", "test"):
            occurring = target.nonzero()[:, -1] if task.kind == "multilabel" else target
            values, repeats = occurring.unique(return_counts=True)
            counts[split] = Counter(dict(zip(values.tolist(), repeats.tolist(), strict=True)))
    notes, what = [], "class" if task.kind == "classification" else "label"
    for split, of_split in counts.items():
        gone = [number for number in numbers if not of_split[number]]
        if not gone:
            continue
        left = len(task.classes) - len(gone)
        end = f"scores and chance are over the {left} that occur" if what == "class" else "its F1 there is 0"
        if split == "train":
            met = sum(counts["test"][number] for number in gone) if "test" in counts else 0
            end = f"no probe can predict it, and test has {met} of its samples"
        listed = _listing([task.classes[number] for number in gone])
        notes.append(
            f"{split} has no sample of {what} {listed} ({task.name}: {len(gone)} of {len(task.classes)}); {end}"
        )
    return notes


def _form(labels: np.ndarray) -> str:
    return {"f": "floats", "U": "text"}.get(labels.dtype.kind, "whole numbers")


def _kind_of(train: np.ndarray, kind: TaskKind | None, name: str) -> TaskKind:
    """The given kind, if the labels can be of it; else what their type and shape say."""
    rows = train.ndim == 2
    one_hot = rows and _is_one_hot(train)
    if train.dtype.kind == "U":
        if rows or kind not in (None, "classification"):
            raise InputError(
                f"{name}: train/labels is text of shape {train.shape}; text (N,) names classes; give numbers "
                f"for {'task ' + repr(kind) if kind else 'anything else'}."
            )
        return "classification"
    natural: TaskKind = "classification" if one_hot or not rows else "multilabel"
    if kind is None:
        return "regression" if train.dtype.kind == "f" and not one_hot else natural
    if (kind == "classification" and rows and not one_hot) or (kind == "multilabel" and not rows):
        shape = "(N, L)" if rows else "(N,)"
        raise InputError(f"{name}: labels of shape {shape} are those of a {natural}, not of task {kind!r}.")
    return kind


def _is_one_hot(rows: np.ndarray) -> bool:
    return bool(((rows == 0) | (rows == 1)).all() and ((rows != 0).sum(axis=1) == 1).all())


def _otherwise(what: str, kind: TaskKind) -> str:
    return f"for {what} say task={kind!r} (coral train: --source.task {kind})"


def _like_classes(train: np.ndarray) -> list[str]:
    """The note on numbers that are regressed, but look like a few classes, or flags, that were saved as floats."""
    if not (train == np.round(train)).all():
        return []
    if train.ndim == 2:
        if not ((train == 0) | (train == 1)).all():
            return []
        what = _otherwise("several labels per sample", "multilabel")
        return [f"labels are 0 and 1 in {train.shape[1]} columns of floats: taken as regression; {what}"]
    seen = np.unique(train)
    if len(seen) > max(20, len(train) // 20):
        return []
    listed, what = _listing([_text(value) for value in seen]), _otherwise("classes", "classification")
    return [f"labels are whole numbers saved as floats ({listed}): taken as regression; save integers, or {what}"]


def _whole(value: np.ndarray, label: str, kind: TaskKind, name: str) -> np.ndarray:
    """Floats and truth values as integers; text and integers as they are."""
    if value.dtype.kind == "f":
        if not np.isfinite(value).all() or (value != np.round(value)).any():
            raise InputError(f"{name}: {label}/labels: no whole numbers, as task {kind!r} needs them; round them.")
        if np.abs(value).max() >= 2.0**63:
            raise InputError(f"{name}: {label}/labels holds {np.abs(value).max():g}, too large for a class; give text.")
    return value.astype(np.int64) if value.dtype.kind in "fb" else value


def _regression(arrays: _Arrays, names: tuple[str, ...] | None, name: str) -> tuple[Task, dict[str, Tensor]]:
    outputs = 1 if arrays["train"].ndim == 1 else arrays["train"].shape[1]
    targets = {}
    for label, value in arrays.items():
        with np.errstate(over="ignore"):
            targets[label] = torch.from_numpy(value.astype(np.float32))
        if not targets[label].isfinite().all():
            raise InputError(f"{name}: {label}/labels holds values that a 32-bit float cannot hold; rescale them.")
    names = _class_names(names, outputs, name, f"; {_otherwise('classes', 'classification')}")
    return Task(name="label", kind="regression", classes=names), targets


def _multilabel(arrays: _Arrays, names: tuple[str, ...] | None, name: str) -> tuple[Task, dict[str, Tensor]]:
    for label, value in arrays.items():
        if value.min() < 0 or value.max() > 1:
            raise InputError(
                f"{name}: {label}/labels must be 0 or 1 (multilabel), got values from {value.min()} to {value.max()}."
            )
    task = Task(name="label", kind="multilabel", classes=_class_names(names, arrays["train"].shape[1], name))
    return task, {label: torch.from_numpy(value.astype(np.int64)) for label, value in arrays.items()}


def _one_hot(
    arrays: _Arrays, names: tuple[str, ...] | None, name: str, *, known: bool
) -> tuple[Task, dict[str, Tensor], list[str]]:
    for label, value in arrays.items():
        if not _is_one_hot(value):
            raise InputError(
                f"{name}: {label}/labels has rows without exactly one 1, while every row of train has one (one-hot "
                f"classes); {_otherwise('several labels per sample', 'multilabel')}."
            )
    count = arrays["train"].shape[1]
    classes = _class_names(names, count, name)
    index = {label: value.argmax(axis=1) for label, value in arrays.items()}
    _two_classes(np.unique(index["train"]).tolist(), name)
    what = _otherwise("several labels per sample", "multilabel")
    notes = [] if known else [f"labels are one-hot rows: taken as {count} classes; {what}"]
    task = Task(name="label", kind="classification", classes=classes)
    return task, {label: torch.from_numpy(value) for label, value in index.items()}, notes


def _classification(
    arrays: _Arrays, names: tuple[str, ...] | None, name: str, *, known: bool
) -> tuple[Task, dict[str, Tensor], list[str]]:
    seen = [_text(value) for value in np.unique(arrays["train"])]
    _two_classes(seen, name)
    # 0, 1, 2, ... are numbers that somebody gave to classes, however few samples each has
    dense = seen == [str(number) for number in range(len(seen))]
    most = _MANY if dense else min(_MANY, max(10, len(arrays["train"]) // 2))
    many = arrays["train"].dtype.kind != "U" and len(seen) > most
    numbers = _otherwise("quantities", "regression")
    if len(seen) > _MOST_CLASSES:
        raise InputError(f"{name}: train/labels has {len(seen)} classes, more than {_MOST_CLASSES}; {numbers}.")
    classes, place, notes = _places(seen, names, arrays["train"].dtype.kind == "U", name)
    if many and not known:
        notes.append(f"labels are {len(seen)} different whole numbers: taken as classes; {numbers}")
    index = {}
    for label, value in arrays.items():
        values, inverse = np.unique(value, return_inverse=True)
        at = np.array([place.get(_text(one), -1) for one in values])
        if (at < 0).any():
            count, first = int((at[inverse] < 0).sum()), short(_text(values[at < 0][0]))
            raise InputError(
                f"{name}: {label}/labels has {count} samples of classes that train lacks, the first {first}; leave "
                f"them out, or list the names of all classes under 'classes'{'; ' + numbers if many else ''}."
            )
        index[label] = at[inverse].reshape(value.shape)
    task = Task(name="label", kind="classification", classes=classes)
    return task, {label: torch.from_numpy(value) for label, value in index.items()}, notes


def _places(
    seen: list[str], names: tuple[str, ...] | None, text: bool, name: str
) -> tuple[tuple[str, ...], dict[str, int], list[str]]:
    """Names of the classes, ``{label: index of its class}``, and notes on labels that are not 0, 1, 2, ..."""
    dense = seen == [str(number) for number in range(len(seen))]
    in_order = {label: number for number, label in enumerate(seen)}
    if names is None:
        how = "text" if text else "whole numbers"
        notes = [] if dense else [f"labels are {how}: {len(seen)} classes, {_listing(seen)}"]
        return _names(seen, name), in_order, notes
    if set(seen) <= set(names):
        return names, {label: number for number, label in enumerate(names)}, []
    if text:
        strange = short(next(label for label in seen if label not in names))
        raise InputError(f"{name}: train/labels has class {strange}, which is not under 'classes' ({_listing(names)}).")
    if {int(label) for label in seen} <= set(range(len(names))):
        return names, {str(number): number for number in range(len(names))}, []
    if len(seen) == len(names):
        pairs = _listing([f"{label} is {called}" for label, called in zip(seen, names, strict=True)])
        return names, in_order, [f"classes are named in the order of their labels: {pairs}"]
    raise InputError(
        f"{name}: classes has {len(names)} names, but the labels need {len(seen)} or more: {_listing(seen)}."
    )


def _two_classes(seen: list[Any], name: str) -> None:
    if len(seen) < 2:
        raise InputError(f"{name}: train/labels has one class only ({seen[0]!s:.60}); leave the labels out.")


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str) else str(int(value))


def _listing(labels: list[str] | tuple[str, ...]) -> str:
    return ", ".join([*labels[:_LISTED], *["..."] * (len(labels) > _LISTED)])


def _names(classes: Any, name: str) -> tuple[str, ...]:
    try:
        items = np.asarray(classes).ravel()
    except ValueError as error:
        raise InputError(f"{name}: classes must be a list of names: {error}") from error
    names = tuple(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in items)
    if odd := [item for item in names if not item.isprintable() or len(item) > _LONGEST]:
        raise InputError(
            f"{name}: classes needs names in printable characters, at most {_LONGEST}, got {short(odd[0])}."
        )
    if len(set(names)) != len(names):
        raise InputError(f"{name}: classes needs different names, got {', '.join(names)}.")
    return names


def _class_names(names: tuple[str, ...] | None, count: int, name: str, remedy: str = "") -> tuple[str, ...]:
    """The given names, checked, or numbers."""
    if names is None:
        return tuple(str(i) for i in range(count))
    if len(names) != count:
        raise InputError(f"{name}: classes has {len(names)} names, but the labels need {count}{remedy}.")
    return names
