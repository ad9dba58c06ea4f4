"""Samples of computational sequences: which sequence is what, aligned and cut video by video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from coral_plugin.data.adapter import check_seed
from coral_plugin.errors import InputError
from coral_plugin.registry import suggest

from ..affect import LabelRule
from ..shared import with_progress
from .align import EPSILON, Pooling, overlapping, pool
from .layout import Sequence


@dataclass(frozen=True, kw_only=True)
class MmsdkSettings:
    """How computational sequences become samples.

    Attributes:
        reference: Sequence whose steps all others are aligned to; where none is named, the words (``glove``,
            ``word``), else the first in alphabetical order.
        inputs: Sequences that are modalities, in this order; all but the labels and those of text where none is named.
        labels: Sequence of the labels, whose intervals cut the samples; where none is named, the one with ``label``
            in its name. Without any a video is one sample.
        label_rule: Label made of the score: ``positive``, ``nonnegative``, ``nonzero``, ``seven`` or ``score``,
            as for ``mosi``.
        label_column: Column of the labels with that score.
        pooling: Value of all steps that overlap one of the reference: their ``mean``, a mean ``weighted`` by the
            common time, ``max``, ``sum``, the ``first`` or the ``last``. Where nothing overlaps there are zeros.
        missing: Treatment of samples in which a modality is missing: left out (``drop``, as mmsdk does with videos), or
            kept without it (``absent``).
        max_length: Number of steps that are kept of a sample, from its beginning.
        folds: JSON file with the videos of each split, or ``cmu_mosi``, ``cmu_mosei`` or ``pom``, whose folds come with
            mmsdk; where none is named, ``folds.json`` in the folder of the data, else videos are split at random.
        seed: Seed of that split.
    """

    reference: str = ""
    inputs: tuple[str, ...] = ()
    labels: str = ""
    label_rule: LabelRule = "positive"
    label_column: int = 0
    pooling: Pooling = "mean"
    missing: Literal["drop", "absent"] = "drop"
    max_length: int = 50
    folds: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_length < 1 or self.label_column < 0:
            raise InputError(
                f"max_length must be at least 1 and label_column at least 0, got {self.max_length} and "
                f"{self.label_column}."
            )
        check_seed(self.seed)


@dataclass(frozen=True)
class Roles:
    """The roles of the sequences.

    Attributes:
        reference: Sequence whose steps the others are aligned to.
        inputs: Sequences that are modalities.
        labels: Sequence whose intervals cut the samples; None for data without labels.
        notes: Choices made for the user.
    """

    reference: Sequence
    inputs: dict[str, Sequence]
    labels: Sequence | None
    notes: list[str]


@dataclass(frozen=True)
class Sample:
    """One segment of a video: ``(T, d)`` of each modality, the modalities that are missing, and its score."""

    video: str
    values: dict[str, np.ndarray]
    missing: frozenset[str]
    score: float

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))


@dataclass
class Samples:
    """All samples in the order of the videos, the feature size of each modality, and notes."""

    samples: list[Sample] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=dict)
    labelled: bool = False
    notes: list[str] = field(default_factory=list)


def choose_roles(sequences: Mapping[str, Sequence], settings: MmsdkSettings, place: str) -> Roles:
    """The sequences that are the reference, the modalities and the labels.

    Raises:
        InputError: a name without a sequence, or no modality.
    """
    for name in (settings.reference, settings.labels, *settings.inputs):
        if name and name not in sequences:
            raise suggest(name, list(sequences), f"sequence of {place}")
    guessed = [name for name in sequences if "label" in name.lower()]
    labels = settings.labels or (guessed[0] if guessed else "")
    notes = []
    if not settings.labels:
        notes.append(f"labels are those of {labels}" if labels else "there are no labels: each video is one sample")
    rest = [name for name in sequences if name != labels and name not in guessed]
    text = [name for name in rest if _is_text(sequences[name])]
    inputs = settings.inputs or tuple(name for name in rest if name not in text)
    if wrong := [name for name in inputs if name in text or name == labels]:
        raise InputError(
            f"{place}: {wrong[0]} holds {'text' if wrong[0] in text else 'the labels'}, and is no modality."
        )
    if not inputs:
        raise InputError(f"{place} has no sequence of numbers but the labels; it has {', '.join(sequences)}.")
    words = [name for name in (*inputs, *text) if "glove" in name.lower() or "word" in name.lower()]
    reference = settings.reference or (words[0] if words else min(inputs))
    if not settings.reference:
        notes.append(f"all are aligned to the steps of {reference}")
    return Roles(
        sequences[reference], {name: sequences[name] for name in inputs}, sequences[labels] if labels else None, notes
    )


def cut_samples(roles: Roles, settings: MmsdkSettings, place: str) -> Samples:
    """Every segment of every video that has labels (if there are any) and steps of the reference.

    Raises:
        InputError: no sample is left, or a video with another number of features than the others.
    """
    result = Samples(labelled=roles.labels is not None, notes=roles.notes)
    needed = [roles.reference, *([roles.labels] if roles.labels else [])]
    every = list(dict.fromkeys(video for sequence in (*needed, *roles.inputs.values()) for video in sequence.entries))
    if settings.missing == "drop":
        needed += roles.inputs.values()
    videos = [video for video in every if all(video in sequence.entries for sequence in needed)]
    if out := len(every) - len(videos):
        result.notes.append(f"{out} of {len(every)} videos lack one of the sequences and are left out")
    for name, sequence in roles.inputs.items():
        first = next((video for video in videos if video in sequence.entries), None)
        if first is None:
            raise InputError(f"{place}: no video has all of {', '.join(s.name for s in needed)} and {name}.")
        features = sequence.read(first)[1]
        result.widths[name] = 0 if features is None else features.shape[1]
    non_finite, dropped, empty = 0, 0, 0
    for video in with_progress(videos, "videos"):
        for sample, count in _samples_of_video(video, roles, settings, result.widths):
            non_finite += count
            if sample is None:
                empty += 1
            elif (settings.missing == "drop" and sample.missing) or len(sample.missing) == len(roles.inputs):
                dropped += 1
            else:
                result.samples.append(sample)
    for count, what in (
        (non_finite, "values are not finite and become 0"),
        (empty, "segments have no step of the reference and are left out"),
        (dropped, "segments lack a modality and are left out"),
    ):
        if count:
            result.notes.append(f"{count} {what}")
    if not result.samples:
        raise InputError(f"{place}: nothing is left of {len(every)} videos ({'; '.join(result.notes)}).")
    return result


def _samples_of_video(
    video: str, roles: Roles, settings: MmsdkSettings, widths: Mapping[str, int]
) -> Iterator[tuple[Sample | None, int]]:
    """The samples of one video, None for a segment without a step, and the number of values that were not finite."""
    steps = roles.reference.read(video)[0]
    steps = steps[steps[:, 1] - steps[:, 0] > EPSILON]
    pooled, present, non_finite = {}, {}, 0
    types: dict[str, type] = {}
    for name, sequence in roles.inputs.items():
        pooled[name], present[name] = np.zeros((len(steps), widths[name])), np.zeros(len(steps), dtype=bool)
        if video not in sequence.entries:
            continue
        intervals, features = sequence.read(video)
        if features is None or features.shape[1] != widths[name]:
            seen = "text" if features is None else f"{features.shape[1]} features"
            raise InputError(f"{name}: {video} has {seen}, the videos before it {widths[name]} features.")
        types[name] = np.float32 if np.can_cast(features.dtype, np.float32) else np.float64
        finite = np.isfinite(features)
        non_finite += int((~finite).sum())
        features = np.where(finite, features, 0)
        pooled[name], present[name] = pool(intervals, features, steps, settings.pooling)
        if sequence is roles.reference:  # itself, whatever else overlaps its steps
            lasting = intervals[:, 1] - intervals[:, 0] > EPSILON
            pooled[name], present[name] = features[lasting], np.ones(len(steps), dtype=bool)
    for span, score in _segments(video, roles.labels, steps, settings.label_column):
        rows = overlapping(steps, *span)[: settings.max_length]
        missing = frozenset(name for name, steps_present in present.items() if not steps_present[rows].any())
        values = {name: array[rows].astype(types.get(name, np.float32)) for name, array in pooled.items()}
        yield (Sample(video, values, missing, score) if len(rows) else None), non_finite
        non_finite = 0  # counted once per video


def _segments(
    video: str, labels: Sequence | None, steps: np.ndarray, column: int
) -> Iterator[tuple[tuple[float, float], float]]:
    """Begin, end and score of each segment; all of the video without labels."""
    if labels is None:
        if len(steps):
            yield (float(steps[:, 0].min()), float(steps[:, 1].max())), 0.0
        return
    intervals, scores = labels.read(video)
    if scores is None or column >= scores.shape[1] or not np.isfinite(scores[:, column]).all():
        seen = "text" if scores is None else f"{scores.shape[1]} columns"
        raise InputError(
            f"{labels.name}: {video} has {seen}; column {column} must hold numbers (--source.label_column)."
        )
    for (start, stop), score in zip(intervals, scores[:, column], strict=True):
        yield (float(start), float(stop)), float(score)


def _is_text(sequence: Sequence) -> bool:
    return sequence.read(next(iter(sequence.entries)))[1] is None
