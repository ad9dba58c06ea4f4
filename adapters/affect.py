"""CMU-MOSI, CMU-MOSEI, UR-FUNNY (``humor``) and MUsTARD (``sarcasm``) from MultiBench's pickles (METHODS 5.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import torch

from coral_plugin.data import SPLITS, Modality, ModalityColumn, MultimodalData, Split, fingerprint
from coral_plugin.data.columns import make_column
from coral_plugin.data.inspection import Inspection, Source
from coral_plugin.data.labels import read_labels
from coral_plugin.data.padding import valid_steps
from coral_plugin.data.split_arrays import SplitArrays
from coral_plugin.data.statistics import with_offset_from_array, with_statistics
from coral_plugin.errors import InputError
from coral_plugin.io.pickles import read_pickle
from coral_plugin.io.sniff import require_kind
from coral_plugin.registry import suggest

from .affect_layout import MODALITIES, VARIANTS, WHAT, from_first_step, sizes, spans, tables_of

Spans = tuple[np.ndarray, np.ndarray]
LabelRule = Literal["positive", "nonnegative", "nonzero", "seven", "score"]
CLASSES = {
    "mosi": ("not positive", "positive"),
    "mosei": ("not positive", "positive"),
    "humor": ("serious", "humorous"),
    "sarcasm": ("sincere", "sarcastic"),
}
# width and encoders of the papers (METHODS 1.6), blind to the order of the steps; their views are those of sequences
RECIPE = {"network.width": 40, "network.encoders": dict.fromkeys(MODALITIES, "affect_transformer")}


@dataclass(frozen=True, kw_only=True)
class AffectSettings:
    """How an affect pickle is read; the defaults are those of the papers but for ``standardise``.

    Attributes:
        labels: What is predicted: ``positive`` is score > 0 (CoMM, COrAL; the neutral 0 counts as negative),
            ``nonnegative`` score >= 0 (FactorCL), ``nonzero`` score > 0 without the neutral samples, ``seven`` the
            score rounded to -3 ... 3, ``score`` the score itself (regression).
        align: Every modality begins where the text does; else each where it is first not zero.
        max_length: Steps that are kept of a sequence, from its beginning.
        normalise: Scale each sample's features over its own time (MultiBench's ``z_norm``).
        standardise: Let the networks scale every feature with mean and deviation of the training split. The papers'
            code does not.
        trust_pickle: Load the pickle with Python's own unpickler, which runs whatever code the file holds.
    """

    labels: LabelRule = "positive"
    align: bool = True
    max_length: int = 50
    normalise: bool = False
    standardise: bool = True
    trust_pickle: bool = False

    def __post_init__(self) -> None:
        if self.labels not in get_args(LabelRule):
            raise suggest(str(self.labels), list(get_args(LabelRule)), "label rule")
        if self.max_length < 1:
            raise InputError(f"max_length must be at least 1, got {self.max_length}.")


def read(path: str | None, settings: AffectSettings, name: str) -> MultimodalData:
    """Sequences of vision, audio and text, whichever the file has, with their padding as lengths.

    Samples without any text are left out, as in MultiBench (there: whose text sums to 0).

    Args:
        path: Of the pickle.
        settings: How it is read.
        name: ``mosi``, ``mosei``, ``humor`` or ``sarcasm``: names classes, changes nothing else.

    Raises:
        InputError: no path, a file that is none of MultiBench's affect pickles, or settings that do not fit it.
    """
    if path is None:
        raise InputError(f"Data set {name!r} reads a file of yours: give --data FILE.pkl, {WHAT}.")
    require_kind(path, "pickle", WHAT)
    tables, infinite = tables_of(read_pickle(path, trust=settings.trust_pickle), path)
    notes = _notes(tables, infinite, name)
    names = [each for each in MODALITIES if each in tables["train"]]
    modalities: dict[str, Modality] = {}
    columns: dict[str, dict[str, ModalityColumn]] = {}
    scores: dict[str, np.ndarray] = {}
    for label in SPLITS:
        table = tables.pop(label)  # MOSEI is large: let go of what is converted
        keep = _kept(table, settings, notes, label)
        if not keep.any():
            raise InputError(f"{path}: no sample of {label} has any text (or score other than 0); nothing is left.")
        if not keep.all():
            table = {key: value[keep] for key, value in table.items()}
        begins = _begins(table, names, settings, f"{path}: {label}")
        if label == "train":
            modalities = {each: _modality(each, table[each], *begins[each], settings) for each in names}
        columns[label] = {
            each: _column(table[each], modalities[each], *begins[each], settings, f"{path}: {label}/{each}")
            for each in names
        }
        scores[label] = table["labels"]
    task, targets, said = read_labels(*by_rule(scores, settings.labels, CLASSES[name]), list(SPLITS), path)
    splits: dict[str, Any] = {
        label: Split(columns[label], {task.name: targets[label]} if task else {}) for label in SPLITS
    }
    return MultimodalData(
        name=name,
        modalities=tuple(_scaled(modalities[each], splits, settings) for each in names),
        tasks=(task,) if task else (),
        notes=(*notes, *said),
        fingerprint=fingerprint(splits),
        **splits,
    )


def _kept(table: SplitArrays, settings: AffectSettings, notes: list[str], label: str) -> np.ndarray:
    """``(N,)``, which samples stay."""
    keep = np.ones(len(table["labels"]), dtype=bool)
    if "text" in table:
        keep &= (table["text"] != 0).any(axis=(1, 2))
        if not keep.all():
            notes.append(f"{int((~keep).sum())} samples of {label} have no text and are left out")
    if settings.labels == "nonzero" and (neutral := keep & (table["labels"] == 0)).any():
        notes.append(f"{int(neutral.sum())} neutral samples of {label} are left out (labels=nonzero)")
        keep &= ~neutral
    return keep


def _begins(table: SplitArrays, names: list[str], settings: AffectSettings, where: str) -> dict[str, Spans]:
    """First step and number of steps of the samples of each modality."""
    if not settings.align:
        return {name: spans(table[name]) for name in names}
    steps = {name: table[name].shape[1] for name in names}
    if "text" not in table or len(set(steps.values())) > 1:
        raise InputError(f"{where} cannot be aligned to its text: it has steps {steps}. Give --source.align=false.")
    first, _ = spans(table["text"])
    last = np.max([np.add(*spans(table[name])) for name in names], axis=0)
    return dict.fromkeys(names, (first, last - first))


def _modality(
    name: str, train: np.ndarray, start: np.ndarray, length: np.ndarray, settings: AffectSettings
) -> Modality:
    """The modality as it is held, of the greatest length so far."""
    modality = Modality(name=name, kind="sequence", shape=train.shape[1:])
    return with_offset_from_array(modality, from_first_step(train, start), length) if settings.standardise else modality


def _column(
    array: np.ndarray, modality: Modality, start: np.ndarray, length: np.ndarray, settings: AffectSettings, where: str
) -> ModalityColumn:
    """Sequences moved to step 0, cut to the longest that is kept."""
    column = make_column(from_first_step(array, start), modality, length, where)
    lengths = torch.from_numpy(length)
    values = _normalised(column.values, lengths) if settings.normalise else column.values
    lengths = lengths.clamp(max=settings.max_length)
    return ModalityColumn(values[:, : int(lengths.max())].contiguous(), lengths)


def _normalised(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """``(x - mean) / std`` of each sample and feature over its valid steps; a constant feature becomes 0."""
    valid = valid_steps(values, lengths).unsqueeze(-1)  # (N, T, 1)
    count = lengths.view(-1, 1, 1)
    centred = (values - values.sum(1, keepdim=True) / count) * valid
    std = (centred.square().sum(1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    return torch.where(std > 0, centred / std, 0.0)


def _scaled(modality: Modality, splits: Mapping[str, Split], settings: AffectSettings) -> Modality:
    """The modality with its length and the statistics of train; what is normalised is held as it is."""
    steps = max(split.columns[modality.name].values.shape[1] for split in splits.values())
    modality = replace(modality, shape=(steps, modality.features))
    if settings.normalise:
        modality = replace(modality, offset=None, unit=None)
    return with_statistics(modality, splits["train"].columns[modality.name], standardise=settings.standardise)


def by_rule(
    scores: dict[str, np.ndarray], rule: LabelRule, classes: tuple[str, str]
) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None]:
    """Labels of each split by the rule, and the names of their classes; ``classes`` are those of two."""
    if rule == "score":
        return {label: value.astype(np.float32) for label, value in scores.items()}, None
    if rule == "seven":
        rounded = {label: np.clip(np.round(value), -3, 3).astype(np.int64) for label, value in scores.items()}
        return rounded, tuple(str(score) for score in range(-3, 4))
    positive = np.greater_equal if rule == "nonnegative" else np.greater
    return {label: positive(value, 0).astype(np.int64) for label, value in scores.items()}, classes


def _notes(tables: dict[str, SplitArrays], infinite: int, name: str) -> list[str]:
    notes = [f"{infinite} values of audio are minus infinity and become 0"] if infinite else []
    variant = VARIANTS.get(sizes(tables))
    if variant and name not in variant[1]:
        notes.append(f"features {sizes(tables)} are those of {variant[0]}, not of {name}")
    return notes


def inspect(source: Source) -> Inspection | None:
    """What ``coral data check`` says of an affect pickle; None for anything else."""
    content = source.content if source.kind == "pickle" else None
    if not isinstance(content, dict) or not {"train", "test"} <= set(map(str, content)):
        return None
    tables, infinite = tables_of(content, str(source.path))
    there = sizes(tables)
    variant, datasets = VARIANTS.get(there, ("of feature sizes that no released file has", tuple(CLASSES)))
    named = ", ".join(name for name in MODALITIES if name in tables["train"])
    notes = [f"{infinite} values of audio are minus infinity; they are read as 0"] if infinite else []
    for label, table in tables.items():
        if "text" in table and (empty := int((table["text"] == 0).all(axis=(1, 2)).sum())):
            notes.append(f"{empty} samples of {label} have no text; they are left out")
    return Inspection(
        what=f"MultiBench's affect pickle, {named} {there}: {variant}",
        datasets=datasets,
        arrays={f"{label}/{key}": value for label, table in tables.items() for key, value in table.items()},
        labels={label: table["labels"] for label, table in tables.items()},
        notes=tuple(notes),
    )


def _loader(name: str) -> Callable[..., MultimodalData]:
    def load(path: str | None = None, settings: AffectSettings | None = None) -> MultimodalData:
        return read(path, settings or AffectSettings(), name)

    load.__name__ = load.__qualname__ = name
    load.__doc__ = f"The data set {name!r}: :func:`read` with its class names."
    load.settings, load.recipe = AffectSettings, RECIPE  # type: ignore[attr-defined]
    return load


mosi, mosei, humor, sarcasm = map(_loader, CLASSES)
mosi.inspect = inspect  # type: ignore[attr-defined]  # once for all four
