"""From plain arrays to :class:`MultimodalData`: keys, checks, kinds, splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.columns import Spans, make_column, spans, with_statistics
from coral_plugin.data.dataset import MultimodalData, fingerprint
from coral_plugin.data.labels import read_labels, whole_floats
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.split import Split
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

    2-D arrays (N, d) are tabular, 3-D (N, T, d) series, 4-D (N, C, H, W) images (floats in [0, 1], or whole numbers
    from 0 to 255). Rows of zeros at either end of a series are padding unless ``<split>/<modality>/length`` says
    otherwise; a series in which no sample of any split is padded is of kind ``timeseries``, any other ``sequence``.
    Labels: integers (N,) are classes, floats (N,) or (N, L) are regression targets, 2-D integers of 0/1 are
    multilabel. A missing ``valid`` is carved out of train, stratified by class.

    Args:
        arrays: The arrays (NumPy, torch, anything ``np.asarray`` takes); ``train`` is needed, ``valid`` and
            ``test`` are not; labels may be absent everywhere. ``classes``: names; ``meta/...``: ignored.
        name: For records and messages.
        standardise: Let the networks scale every feature (images: channel) with mean and deviation of the training
            split. The values of the splits stay as they are, so that augmentations may work in physical units.
        kinds: ``{modality: kind}`` where the guess is wrong.
        valid_share: Share of train that becomes valid where valid is missing and there are labels.
        seed: Of that split.

    Raises:
        InputError: a key, shape, type or value is not as above; the message names the array and the place.
    """
    tables = _by_split(arrays, name)
    modalities, found = _with_spans(tables, _modalities(tables, kinds or {}, name), kinds or {}, name)
    labels = {label: table["labels"] for label, table in tables.items() if "labels" in table}
    task, targets = read_labels(labels, arrays.get("classes"), list(tables), name)
    splits = {
        label: Split(
            {
                m.name: make_column(table[m.name], m.kind, found[label].get(m.name), f"{name}: {label}/{m.name}")
                for m in modalities
            },
            {task.name: targets[label]} if task else {},
        )
        for label, table in tables.items()
    }
    notes = _notes(splits["train"], modalities, task)
    if task is not None and "valid" not in splits:
        splits["train"], splits["valid"] = carve(splits["train"], task, valid_share, seed)
        how = "stratified, " if task.kind == "classification" else ""
        notes.append(f"no valid split: {len(splits['valid'])} of train's samples were set aside ({how}seed {seed})")
    if standardise:
        modalities = [with_statistics(m, splits["train"].columns[m.name]) for m in modalities]
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
    """One split from ``{modality: (N, ...)}``, checked against the modalities that a run was trained on.

    Series may have another number of steps T; ``<modality>/length`` may come with those of varying length.

    Raises:
        InputError: a modality is missing or differs in shape, or a value is not finite.
    """
    table: dict[str, np.ndarray] = {}
    for modality in modalities:
        key = modality.name
        if key not in arrays:
            raise InputError(f"{name} has no modality {key!r}; it has {_listed(arrays)}.")
        table[key] = value = _checked(arrays[key], key, name)
        fits = value.shape[1:] == modality.shape or (
            modality.temporal and value.ndim == 3 and value.shape[2] == modality.features
        )
        if not fits:
            raise InputError(
                f"{name}: {key} has samples of shape {value.shape[1:]}, the run was trained on {modality.shape}."
            )
        if f"{key}/length" in arrays:
            table[f"{key}/length"] = _checked(arrays[f"{key}/length"], f"{key}/length", name)
    _same_count(table, "", name)
    columns = {}
    for modality in modalities:
        where = f"{name}: {modality.name}"
        span = _span(table, modality, where)
        columns[modality.name] = make_column(table[modality.name], modality.kind, span, where)
    return Split(columns, {})


def carve(split: Split, task: Task, share: float, seed: int) -> tuple[Split, Split]:
    """``split`` in two, the second with ``share`` of the samples; stratified where the task has classes.

    Raises:
        InputError: a share outside (0, 1), or too few samples to leave both parts one sample of each class.
    """
    from sklearn.model_selection import train_test_split

    if not 0 < share < 1:
        raise InputError(f"The share of train that becomes valid must lie between 0 and 1, got {share}.")
    labels = split.targets[task.name].cpu().numpy() if task.kind == "classification" else None
    try:
        kept, held = train_test_split(np.arange(len(split)), test_size=share, random_state=seed, stratify=labels)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"Cannot set a valid split aside from {len(split)} training samples: {reason} Give a valid split."
        ) from error
    return split.subset(torch.from_numpy(np.sort(kept))), split.subset(torch.from_numpy(np.sort(held)))


def _by_split(arrays: Mapping[str, Any], name: str) -> dict[str, dict[str, np.ndarray]]:
    """``{split: {"<modality>", "<modality>/length" or "labels": array}}``, in the order of ``SPLITS``."""
    tables: dict[str, dict[str, np.ndarray]] = {}
    for key, value in arrays.items():
        split, _, rest = str(key).partition("/")
        if key == "classes" or str(key).startswith("meta/"):
            continue
        part, _, last = rest.partition("/")
        if split not in SPLITS or not part or (last not in ("", "length")) or rest in ("labels/length", f"{part}/"):
            raise InputError(
                f"{name}: unknown key {str(key)!r}. Keys are <split>/<modality>, <split>/<modality>/length, "
                f"<split>/labels (splits: {', '.join(SPLITS)}), classes, meta/..."
            )
        tables.setdefault(split, {})[rest] = _checked(value, key, name)
    if "train" not in tables:
        raise InputError(f"{name} has no train split: give arrays under train/<modality>. It has {_listed(arrays)}.")
    for label, table in tables.items():
        if orphans := [k for k in table if k.endswith("/length") and k.removesuffix("/length") not in table]:
            raise InputError(f"{name}: {label}/{orphans[0]} gives lengths for a modality that is not there.")
        _same_count(table, f"{label}/", name)
    return {label: tables[label] for label in SPLITS if label in tables}


def _checked(value: Any, key: str, name: str) -> np.ndarray:
    """``value`` as an array of finite numbers."""
    try:
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    except (ValueError, TypeError) as error:  # rows of several lengths; a torch type that NumPy lacks
        raise InputError(f"{name}: {key} is no array of numbers: {' '.join(str(error).split())}") from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name}: {key} is of type {array.dtype}; only numbers are admitted, no objects or text.")
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{name}: {key} is empty (shape {array.shape}).")
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(
            f"{name}: {key} holds {int((~finite).sum())} values that are not finite, "
            f"the first ({array[place]}) at {list(place)}."
        )
    return array


def _listed(arrays: Mapping[str, Any]) -> str:
    """The first keys, for messages."""
    keys = [str(key) for key in arrays]
    return ", ".join(keys[:12] + ["..."] * (len(keys) > 12)) or "nothing"


def _same_count(table: Mapping[str, np.ndarray], prefix: str, name: str) -> None:
    counts = {prefix + key: len(value) for key, value in table.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{key} {count}" for key, count in counts.items())
        raise InputError(f"{name}: unequal numbers of samples: {listed}.")


def _modalities(tables: dict[str, dict[str, np.ndarray]], kinds: Mapping[str, Kind], name: str) -> list[Modality]:
    """The modalities of train, which every other split must have too."""
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
    return [_modality(tables, key, kinds, name) for key in names]


def _modality(tables: dict[str, dict[str, np.ndarray]], key: str, kinds: Mapping[str, Kind], name: str) -> Modality:
    """The modality ``key``; all splits agree on its shape."""
    array = tables["train"][key]
    if array.ndim not in _KIND_OF_NDIM:
        raise InputError(
            f"{name}: train/{key} has shape {array.shape}; "
            "give (N, d) tabular, (N, T, d) series or (N, C, H, W) images."
        )
    kind = kinds.get(key, _KIND_OF_NDIM[array.ndim])
    for label, table in tables.items():
        other = table[key]
        if other.shape[1:] != array.shape[1:]:
            raise InputError(
                f"{name}: {label}/{key} has samples of shape {other.shape[1:]}, train has {array.shape[1:]}."
            )
        if kind == "image" and (other.dtype.kind in "iu") != (array.dtype.kind in "iu"):
            raise InputError(
                f"{name}: {label}/{key} is {other.dtype}, train is {array.dtype}; whole numbers are pixels from 0 to "
                "255, floats are taken as they are: save all splits in one way."
            )
    return Modality(name=key, kind=kind, shape=tuple(array.shape[1:]))


def _with_spans(
    tables: dict[str, dict[str, np.ndarray]], modalities: list[Modality], kinds: Mapping[str, Kind], name: str
) -> tuple[list[Modality], dict[str, dict[str, Spans]]]:
    """The modalities with their final kind, and ``{split: {modality: spans}}`` of the series of varying length."""
    final: list[Modality] = []
    found: dict[str, dict[str, Spans]] = {label: {} for label in tables}
    for modality in modalities:
        key = modality.name
        own = {label: _span(table, modality, f"{name}: {label}/{key}") for label, table in tables.items()}
        varying = {label: span for label, span in own.items() if span is not None}
        whole = all((length == modality.shape[0]).all() for _, length in varying.values())
        if varying and whole and key not in kinds:
            modality, varying = replace(modality, kind="timeseries"), {}
        for label, span in varying.items():
            found[label][key] = span
        final.append(modality)
    return final, found


def _span(table: Mapping[str, np.ndarray], modality: Modality, where: str) -> Spans | None:
    """Where the series of one split begin and end; None for what has no varying length."""
    given = table.get(f"{modality.name}/length")
    if modality.kind == "sequence":
        return spans(table[modality.name], given, where)
    if given is not None and not (modality.kind == "timeseries" and (given == table[modality.name].shape[1]).all()):
        raise InputError(f"{where}/length is given, but {modality.name} is of kind {modality.kind}, of one length.")
    return None


def _notes(train: Split, modalities: list[Modality], task: Task | None) -> list[str]:
    """What the user should hear about data that can be read in two ways."""
    notes = []
    for modality in modalities:
        values = train.columns[modality.name].values
        if modality.kind == "image" and values.dtype != torch.uint8 and not 0 <= values.min() <= values.max() <= 1:
            notes.append(
                f"image {modality.name} holds floats from {values.min():.3g} to {values.max():.3g}: "
                "colour augmentations expect [0, 1] (or bytes)"
            )
    if whole_floats(task, train.targets.get("label")):
        notes.append("labels are whole numbers saved as floats: taken as regression; save integers for classes")
    return notes
