"""CMU-MOSI, CMU-MOSEI, UR-FUNNY (``humor``) and MUStARD (``sarcasm``) from MultiBench's pickles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split
from coral_plugin.data.columns import held_values
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.data.labels import read_labels
from coral_plugin.data.padding import valid_steps
from coral_plugin.data.split_arrays import SplitArrays
from coral_plugin.data.statistics import with_offset_from_array, with_statistics
from coral_plugin.errors import InputError
from coral_plugin.io.pickles import read_pickle
from coral_plugin.io.sniff import require_kind

from .affect_layout import (
    AFFECT_MODALITIES,
    AFFECT_PICKLE,
    RELEASED_SIZES,
    feature_sizes,
    filled_span,
    from_first_step,
    tables_of,
)

Spans = tuple[np.ndarray, np.ndarray]
LabelRule = Literal["positive", "nonnegative", "nonzero", "seven", "score"]


@dataclass(frozen=True, kw_only=True)
class AffectSettings:
    """How an affect pickle is read; the defaults are those of the papers but for ``standardise``.

    Attributes:
        labels: Label made of the score: ``positive`` is score > 0 (CoMM, COrAL; the neutral 0 counts as negative),
            ``nonnegative`` score >= 0 (FactorCL), ``nonzero`` score > 0 without the neutral samples, ``seven`` the
            score rounded to -3 ... 3, ``score`` the score itself (regression).
        align: Whether every modality begins where the text does; else where it is first not zero itself.
        max_length: Number of steps that are kept of a sequence, from its beginning.
        normalise: Whether the features of a sample are scaled over its steps (MultiBench's ``z_norm``).
        standardise: Whether the networks scale every feature with mean and standard deviation of train. The papers'
            code does not.
        trust_pickle: Whether the pickle is loaded with Python's own unpickler, which runs any code that it holds.
    """

    labels: LabelRule = "positive"
    align: bool = True
    max_length: int = 50
    normalise: bool = False
    standardise: bool = True
    trust_pickle: bool = False

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise InputError(f"max_length must be at least 1, got {self.max_length}.")


class Affect(DatasetAdapter):
    """Sequences of vision, audio and text, as many of them as a pickle of MultiBench has, with padding as lengths.

    Attributes:
        classes: Names of the two classes.
    """

    licence = "unknown; ask the authors"
    Settings = AffectSettings
    # width and encoders of the papers (docs/specification.md), blind to the order of the steps
    recipe: ClassVar[Mapping[str, Any]] = {
        "network.width": 40,
        "network.encoders": dict.fromkeys(AFFECT_MODALITIES, "affect_transformer"),
    }
    expects = AFFECT_PICKLE
    classes: ClassVar[tuple[str, str]]

    @classmethod
    def read(cls, path: str, settings: AffectSettings) -> MultimodalData:
        """The sequences, each from its first step, and the labels by ``settings.labels``.

        Samples without any text are left out, as in MultiBench (there: samples whose text sums to 0).

        Raises:
            InputError: a file that is none of MultiBench's affect pickles, or settings that do not fit it.
        """
        require_kind(path, "pickle", AFFECT_PICKLE)
        tables, infinite = tables_of(read_pickle(path, trust=settings.trust_pickle), path)
        notes = _notes(tables, infinite, cls.name)
        names = [name for name in AFFECT_MODALITIES if name in tables["train"]]
        modalities: dict[str, Modality] = {}
        columns: dict[str, dict[str, ModalityColumn]] = {}
        scores: dict[str, np.ndarray] = {}
        for label in SPLITS:
            table = tables.pop(label)  # MOSEI is large: frees what is converted
            keep = _kept(table, settings, notes, label)
            if not keep.any():
                raise InputError(f"{path}: no sample of {label} has any text (or score other than 0); nothing is left.")
            if not keep.all():
                table = {key: value[keep] for key, value in table.items()}
            spans = _spans(table, names, settings, f"{path}: {label}")
            if label == "train":
                modalities = {name: _modality(name, table[name], *spans[name], settings) for name in names}
            columns[label] = {
                name: _column(table[name], modalities[name], *spans[name], settings, f"{path}: {label}/{name}")
                for name in names
            }
            scores[label] = table["labels"]
        task, targets, label_notes = read_labels(*by_rule(scores, settings.labels, cls.classes), list(SPLITS), path)
        splits = {label: Split(columns[label], {task.name: targets[label]} if task else {}) for label in SPLITS}
        scaled = (_scaled(modalities[name], splits, settings) for name in names)
        return cls.assemble(scaled, [task] if task else [], splits, (*notes, *label_notes), fit_statistics=False)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """A pickle of affect data."""
        content = candidate.content if candidate.kind == "pickle" else None
        if not isinstance(content, dict) or not {"train", "test"} <= set(map(str, content)):
            return None
        tables, infinite = tables_of(content, str(candidate.path))
        features = feature_sizes(tables)
        variant, datasets = RELEASED_SIZES.get(
            features, ("of feature sizes that no released file has", ("mosi", "mosei", "humor", "sarcasm"))
        )
        present = ", ".join(name for name in AFFECT_MODALITIES if name in tables["train"])
        notes = [f"{infinite} values of audio are minus infinity; they are read as 0"] if infinite else []
        for label, table in tables.items():
            if "text" in table and (empty := int((table["text"] == 0).all(axis=(1, 2)).sum())):
                notes.append(f"{empty} samples of {label} have no text; they are left out")
        return Inspection(
            what=f"MultiBench's affect pickle, {present} {features}: {variant}",
            datasets=datasets,
            arrays={f"{label}/{key}": value for label, table in tables.items() for key, value in table.items()},
            labels={label: table["labels"] for label, table in tables.items()},
            notes=tuple(notes),
        )


class Mosi(Affect):
    """CMU-MOSI: opinions in videos, from MultiBench's pickle."""

    name = "mosi"
    source = "Zadeh et al. 2016 (arXiv:1606.06259), prepared by MultiBench: https://github.com/pliang279/MultiBench#affective-computing"
    classes = ("not positive", "positive")


class Mosei(Affect):
    """CMU-MOSEI: opinions in videos of many speakers, from MultiBench's pickle."""

    name = "mosei"
    source = "Zadeh et al. 2018, prepared by MultiBench: https://github.com/pliang279/MultiBench#affective-computing"
    classes = ("not positive", "positive")


class Humor(Affect):
    """UR-FUNNY: punchlines of talks, from MultiBench's pickle."""

    name = "humor"
    source = "Hasan et al. 2019 (https://github.com/ROC-HCI/UR-FUNNY), prepared by MultiBench: https://github.com/pliang279/MultiBench"
    classes = ("serious", "humorous")


class Sarcasm(Affect):
    """MUStARD: lines of television series, from MultiBench's pickle."""

    name = "sarcasm"
    source = "Castro et al. 2019 (https://github.com/soujanyaporia/MUStARD), prepared by MultiBench: https://github.com/pliang279/MultiBench"
    classes = ("sincere", "sarcastic")


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


def _spans(table: SplitArrays, names: list[str], settings: AffectSettings, place: str) -> dict[str, Spans]:
    """First step and number of steps of the samples of each modality."""
    if not settings.align:
        return {name: filled_span(table[name]) for name in names}
    steps = {name: table[name].shape[1] for name in names}
    if "text" not in table or len(set(steps.values())) > 1:
        raise InputError(f"{place} cannot be aligned to its text: it has steps {steps}. Give --source.align=false.")
    first, _ = filled_span(table["text"])
    last = np.max([np.add(*filled_span(table[name])) for name in names], axis=0)
    return dict.fromkeys(names, (first, last - first))


def _modality(
    name: str, train: np.ndarray, start: np.ndarray, length: np.ndarray, settings: AffectSettings
) -> Modality:
    """The modality as it is held, of the greatest length so far."""
    modality = Modality(name=name, kind="sequence", shape=train.shape[1:])
    return with_offset_from_array(modality, from_first_step(train, start), length) if settings.standardise else modality


def _column(
    array: np.ndarray, modality: Modality, start: np.ndarray, length: np.ndarray, settings: AffectSettings, place: str
) -> ModalityColumn:
    """Sequences moved to step 0, cut to the longest that is kept."""
    lengths = torch.from_numpy(length)
    values = held_values(from_first_step(array, start), modality, lengths, place)
    if settings.normalise:
        values = _normalised(values, lengths)
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
    variant = RELEASED_SIZES.get(feature_sizes(tables))
    if variant and name not in variant[1]:
        notes.append(f"features {feature_sizes(tables)} are those of {variant[0]}, not of {name}")
    return notes
