"""From plain arrays to :class:`MultimodalData`: checks, kinds, padding, scaling, splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.dataset import MultimodalData, fingerprint
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.split import Column, Split
from coral_plugin.data.task import Task
from coral_plugin.errors import InputError

SPLITS = ("train", "valid", "test")
VALID_SHARE = 0.15
_KIND_OF_NDIM: dict[int, Kind] = {2: "tabular", 3: "sequence", 4: "image"}


def from_arrays(
    arrays: Mapping[str, Any],
    *,
    name: str = "arrays",
    standardise: bool = True,
    kinds: Mapping[str, Kind] | None = None,
    valid_share: float = VALID_SHARE,
    seed: int = 0,
) -> MultimodalData:
    """Build a data set from arrays keyed ``<split>/<modality>`` and ``<split>/labels``.

    2-D arrays (N, d) are tabular, 3-D (N, T, d) series, 4-D (N, C, H, W) images. Rows of zeros at either end of a
    series are padding unless ``<split>/<modality>/length`` says otherwise; a series in which no sample of any split
    is padded is of kind ``timeseries``, any other ``sequence``. Labels: integers (N,) are classes, floats (N,) or
    (N, L) are regression targets, 2-D integers of 0/1 are multilabel. A missing ``valid`` is carved out of train,
    stratified by class.

    Args:
        arrays: The arrays (NumPy, torch, anything ``np.asarray`` takes); ``train`` is needed, ``valid`` and
            ``test`` are not; labels may be absent everywhere. ``classes``: names; ``meta/...``: ignored.
        name: For records and messages.
        standardise: Scale tabular and series features, and images that are not in [0, 1], with the mean and
            deviation of the training split.
        kinds: ``{modality: kind}`` where the guess is wrong.
        valid_share: Share of train that becomes valid where valid is missing and there are labels.
        seed: Of that split.

    Raises:
        InputError: a key, shape, type or value is not as above; the message names the array and the place.
    """
    tables = _by_split(arrays, name)
    modalities = _modalities(tables, kinds or {}, name)
    task, targets = _labels(tables, arrays.get("classes"), name)
    lengths, modalities = _lengths(tables, modalities, name)
    splits: dict[str, Split] = {}
    for label, table in tables.items():
        columns = {m.name: _column(table, m, lengths[label].get(m.name)) for m in modalities}
        splits[label] = Split(columns, {task.name: targets[label]} if task else {})
    notes: list[str] = []
    if task is not None and "valid" not in splits:
        splits["train"], splits["valid"] = carve(splits["train"], task, valid_share, seed)
        notes.append(
            f"no valid split: {len(splits['valid'])} of train's samples were set aside "
            f"({'stratified, ' if task.kind == 'classification' else ''}seed {seed})"
        )
    if standardise:
        modalities = [_with_statistics(m, splits["train"].columns[m.name]) for m in modalities]
        splits = {label: scale_split(split, modalities) for label, split in splits.items()}
    splits = {label: splits[label] for label in SPLITS if label in splits}
    return MultimodalData(
        name=name,
        modalities=tuple(modalities),
        tasks=(task,) if task else (),
        notes=tuple(notes),
        fingerprint=fingerprint(splits),
        train=splits["train"],
        valid=splits.get("valid"),
        test=splits.get("test"),
    )


def as_split(arrays: Mapping[str, Any], modalities: tuple[Modality, ...], name: str = "arrays") -> Split:
    """One split from ``{modality: (N, ...)}``, checked and scaled as the training data of a run were.

    Raises:
        InputError: a modality is missing or differs in shape, or a value is not finite.
    """
    table: dict[str, np.ndarray] = {}
    for modality in modalities:
        if modality.name not in arrays:
            raise InputError(f"{name} has no modality {modality.name!r}; it has {', '.join(arrays) or 'none'}.")
        value = _checked(arrays[modality.name], modality.name, name)
        fits = value.shape[1:] == modality.shape or (
            modality.temporal and value.ndim == 3 and value.shape[2] == modality.features
        )
        if not fits:
            raise InputError(
                f"{name}: {modality.name} has samples of shape {value.shape[1:]}, the run was trained on {modality.shape}."
            )
        table[modality.name] = value
        if f"{modality.name}/length" in arrays:
            table[f"{modality.name}/length"] = np.asarray(arrays[f"{modality.name}/length"])
    _same_count(table, "", name)
    split = Split(
        {
            m.name: _column(
                table,
                m,
                _spans(table[m.name], table.get(f"{m.name}/length"), f"{name}: {m.name}")
                if m.kind == "sequence"
                else None,
            )
            for m in modalities
        },
        {},
    )
    return scale_split(split, modalities)


def scale_split(split: Split, modalities: tuple[Modality, ...] | list[Modality]) -> Split:
    """``split`` with the features of series and tables standardised; images are scaled by the network."""
    columns = {}
    for modality in modalities:
        column = split.columns[modality.name]
        if modality.kind != "image" and modality.mean is not None:
            column = replace(column, values=_clear_padding(modality.standardise(column.values), column.lengths))
        columns[modality.name] = column
    return Split(columns, split.targets)


def carve(split: Split, task: Task, share: float, seed: int) -> tuple[Split, Split]:
    """``split`` in two, the second with ``share`` of the samples; stratified where the task has classes.

    Raises:
        InputError: too few samples to leave both parts one sample of each class.
    """
    from sklearn.model_selection import train_test_split

    labels = split.targets[task.name].cpu().numpy() if task.kind == "classification" else None
    try:
        kept, held = train_test_split(np.arange(len(split)), test_size=share, random_state=seed, stratify=labels)
    except ValueError as error:
        raise InputError(
            f"Cannot set a valid split aside from {len(split)} training samples: {error} Give a valid split."
        ) from error
    return split.subset(torch.from_numpy(np.sort(kept))), split.subset(torch.from_numpy(np.sort(held)))


def _by_split(arrays: Mapping[str, Any], name: str) -> dict[str, dict[str, np.ndarray]]:
    tables: dict[str, dict[str, np.ndarray]] = {}
    for key, value in arrays.items():
        if key == "classes" or key.startswith("meta/"):
            continue
        parts = key.split("/")
        if parts[0] not in SPLITS or not 2 <= len(parts) <= 3 or (len(parts) == 3 and parts[2] != "length"):
            raise InputError(
                f"{name}: unknown key {key!r}. Keys are <split>/<modality>, <split>/<modality>/length, "
                f"<split>/labels (splits: {', '.join(SPLITS)}), classes, meta/..."
            )
        tables.setdefault(parts[0], {})["/".join(parts[1:])] = _checked(value, key, name)
    if "train" not in tables:
        raise InputError(
            f"{name} has no train split: give arrays under train/<modality>. It has {', '.join(arrays) or 'nothing'}."
        )
    for label, table in tables.items():
        if orphans := [k for k in table if k.endswith("/length") and k.removesuffix("/length") not in table]:
            raise InputError(f"{name}: {label}/{orphans[0]} gives lengths for a modality that is not there.")
        _same_count(table, f"{label}/", name)
    return {label: tables[label] for label in SPLITS if label in tables}


def _checked(value: Any, key: str, name: str) -> np.ndarray:
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name}: {key} is of type {array.dtype}; only numbers are admitted, no objects or text.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        count = int((~np.isfinite(array)).sum())
        raise InputError(
            f"{name}: {key} holds {count} values that are not finite, the first ({array[place]}) at {list(place)}."
        )
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{name}: {key} is empty (shape {array.shape}).")
    return array


def _same_count(table: Mapping[str, np.ndarray], prefix: str, name: str) -> None:
    counts = {prefix + key: len(value) for key, value in table.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{key} {count}" for key, count in counts.items())
        raise InputError(f"{name}: unequal numbers of samples: {listed}.")


def _modalities(tables: dict[str, dict[str, np.ndarray]], kinds: Mapping[str, Kind], name: str) -> list[Modality]:
    names = [key for key in tables["train"] if key != "labels" and "/" not in key]
    if not names:
        raise InputError(f"{name}: the train split has no modality; give arrays under train/<modality>.")
    for label, table in tables.items():
        own = {key for key in table if key != "labels" and "/" not in key}
        if missing := [key for key in names if key not in own]:
            raise InputError(f"{name}: split {label} lacks modality {', '.join(missing)}, which train has.")
        if extra := sorted(own - set(names)):
            raise InputError(f"{name}: split {label} has modality {', '.join(extra)}, which train lacks.")
    if unknown := [key for key in kinds if key not in names]:
        raise InputError(
            f"{name}: a kind is given for {', '.join(unknown)}, but the modalities are {', '.join(names)}."
        )
    modalities = []
    for key in names:
        array = tables["train"][key]
        if array.ndim not in _KIND_OF_NDIM:
            raise InputError(
                f"{name}: train/{key} has shape {array.shape}; give (N, d) tabular, (N, T, d) series or (N, C, H, W) images."
            )
        for label, table in tables.items():
            if table[key].shape[1:] != array.shape[1:]:
                raise InputError(
                    f"{name}: {label}/{key} has samples of shape {table[key].shape[1:]}, train has {array.shape[1:]}."
                )
        kind = kinds.get(key, _KIND_OF_NDIM[array.ndim])
        modalities.append(Modality(name=key, kind=kind, shape=tuple(array.shape[1:])))
    return modalities


def _labels(tables: dict[str, dict[str, np.ndarray]], classes: Any, name: str) -> tuple[Task | None, dict[str, Tensor]]:
    present = [label for label, table in tables.items() if "labels" in table]
    if not present:
        return None, {}
    if missing := [label for label in tables if label not in present]:
        raise InputError(f"{name}: {missing[0]}/labels is missing, while {present[0]}/labels is there.")
    arrays = {label: table["labels"] for label, table in tables.items()}
    arrays = {k: v[:, 0] if v.ndim == 2 and v.shape[1] == 1 else v for k, v in arrays.items()}
    if len({(v.dtype.kind in "f", v.shape[1:]) for v in arrays.values()}) > 1 or arrays["train"].ndim > 2:
        seen = ", ".join(f"{k}/labels {v.dtype} {v.shape}" for k, v in arrays.items())
        raise InputError(f"{name}: labels need one type and shape in every split, (N,) or (N, L); got {seen}.")
    train = arrays["train"]
    given = None if classes is None else tuple(str(c) for c in np.asarray(classes).ravel())
    if train.dtype.kind == "f":
        outputs = tuple(str(i) for i in range(1 if train.ndim == 1 else train.shape[1]))
        task = Task(name="label", kind="regression", classes=_named(given, len(outputs), name) or outputs)
        return task, {k: torch.as_tensor(v.astype(np.float32)) for k, v in arrays.items()}
    for label, value in arrays.items():
        if value.min() < 0 or (train.ndim == 2 and value.max() > 1):
            wanted = "0 or 1 (multilabel)" if train.ndim == 2 else "0, 1, 2, ..."
            raise InputError(
                f"{name}: {label}/labels must be {wanted}, got values from {value.min()} to {value.max()}."
            )
    count = train.shape[1] if train.ndim == 2 else 1 + max(int(v.max()) for v in arrays.values())
    if train.ndim == 1 and len(np.unique(train)) < 2:
        raise InputError(f"{name}: train/labels has one class only ({train[0]}); a probe needs two.")
    if train.ndim == 1 and given is not None and len(given) > count:
        count = len(given)
    if train.ndim == 1 and count > 10_000:
        raise InputError(f"{name}: labels reach {count - 1}; classes are numbered 0, 1, 2, ... without such gaps.")
    task = Task(
        name="label",
        kind="multilabel" if train.ndim == 2 else "classification",
        classes=_named(given, count, name) or tuple(str(i) for i in range(count)),
    )
    return task, {k: torch.as_tensor(v.astype(np.int64)) for k, v in arrays.items()}


def _named(given: tuple[str, ...] | None, count: int, name: str) -> tuple[str, ...] | None:
    if given is not None and len(given) != count:
        raise InputError(f"{name}: classes has {len(given)} names, but the labels need {count}.")
    return given


def _lengths(
    tables: dict[str, dict[str, np.ndarray]], modalities: list[Modality], name: str
) -> tuple[dict[str, dict[str, tuple[np.ndarray, np.ndarray]]], list[Modality]]:
    """Spans ``(start, length)`` of the series of each split, and the modalities with their final kind."""
    spans: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {label: {} for label in tables}
    final = []
    for modality in modalities:
        if modality.kind == "sequence":
            for label, table in tables.items():
                spans[label][modality.name] = _spans(
                    table[modality.name], table.get(f"{modality.name}/length"), f"{name}: {label}/{modality.name}"
                )
            steps = modality.shape[0]
            if all((spans[label][modality.name][1] == steps).all() for label in tables):
                modality = replace(modality, kind="timeseries")
                for label in tables:
                    del spans[label][modality.name]
        final.append(modality)
    return spans, final


def _spans(array: np.ndarray, given: np.ndarray | None, where: str) -> tuple[np.ndarray, np.ndarray]:
    """First valid step and number of valid steps of each sample; a sample of zeros only keeps one step."""
    count, steps = array.shape[:2]
    if given is not None:
        if given.shape != (count,) or given.dtype.kind not in "iu" or given.min() < 1 or given.max() > steps:
            raise InputError(
                f"{where}/length must be integers (N,) from 1 to {steps}, got {given.dtype} {given.shape}."
            )
        return np.zeros(count, dtype=np.int64), given.astype(np.int64)
    filled = (array != 0).any(axis=2)
    start = np.where(filled.any(axis=1), filled.argmax(axis=1), 0)
    stop = np.where(filled.any(axis=1), steps - filled[:, ::-1].argmax(axis=1), 1)
    return start.astype(np.int64), (stop - start).astype(np.int64)


def _column(table: Mapping[str, np.ndarray], modality: Modality, span: tuple[np.ndarray, np.ndarray] | None) -> Column:
    array = table[modality.name]
    if modality.kind == "image" and array.dtype == np.uint8:
        return Column(torch.from_numpy(np.ascontiguousarray(array)))
    if span is None:
        return Column(torch.from_numpy(np.array(array, dtype=np.float32)))
    start, length = span
    steps = np.arange(array.shape[1])
    source = np.minimum(start[:, None] + steps[None, :], array.shape[1] - 1)
    values = np.take_along_axis(array, source[:, :, None], axis=1).astype(np.float32)
    lengths = torch.from_numpy(length)
    return Column(_clear_padding(torch.from_numpy(values), lengths), lengths)


def _clear_padding(values: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return values
    padded = torch.arange(values.shape[1])[None, :] >= lengths[:, None]
    return values.masked_fill(padded[:, :, None], 0.0)


def _with_statistics(modality: Modality, column: Column) -> Modality:
    """``modality`` with the mean and deviation of the (training) samples of ``column``; padding does not count."""
    values = column.values if column.rows is None else column.values[column.rows]
    lengths = column.lengths if column.lengths is None or column.rows is None else column.lengths[column.rows]
    if values.dtype == torch.uint8:
        values = values.double() / 255
    values = values.double()
    if modality.kind == "image":
        values = values.movedim(1, -1)
    elif lengths is not None:
        values = values[torch.arange(values.shape[1])[None, :] < lengths[:, None]]
    flat = values.reshape(-1, values.shape[-1])
    mean, std = flat.mean(0), flat.std(0, correction=0)
    # a constant feature is centred and keeps its scale
    std = torch.where(std > 1e-8 * (1 + mean.abs()), std, torch.ones_like(std))
    return replace(modality, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
