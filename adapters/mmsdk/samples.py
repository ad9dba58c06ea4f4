"""Samples of computational sequences: which sequence is what, aligned and cut video by video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from coral_plugin.errors import InputError
from coral_plugin.registry import suggest

from ..progress import shown
from .align import EPSILON, overlapping, pool
from .layout import Sequence

if TYPE_CHECKING:
    from .dataset import MmsdkSettings

Missing = Literal["drop", "absent"]


@dataclass(frozen=True)
class Chosen:
    """The roles of the sequences.

    Attributes:
        reference: To whose steps the others are brought.
        inputs: The modalities.
        labels: Whose intervals cut the samples; None where there are none.
        notes: What was chosen without being asked for.
    """

    reference: Sequence
    inputs: dict[str, Sequence]
    labels: Sequence | None
    notes: list[str]


@dataclass(frozen=True)
class Sample:
    """One segment of a video: ``(T, d)`` of each modality, which of them have nothing there, and its score."""

    video: str
    values: dict[str, np.ndarray]
    missing: frozenset[str]
    score: float

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))


@dataclass
class Samples:
    """All samples in the order of the videos, the feature size of each modality, and what was decided."""

    found: list[Sample] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=dict)
    labelled: bool = False
    notes: list[str] = field(default_factory=list)


def choose(sequences: Mapping[str, Sequence], settings: MmsdkSettings, where: str) -> Chosen:
    """Which sequence is the reference, which are modalities, and which has the labels.

    Raises:
        InputError: a name that is not there, or no modality.
    """
    for name in (settings.reference, settings.labels, *settings.inputs):
        if name and name not in sequences:
            raise suggest(name, list(sequences), f"sequence of {where}")
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
            f"{where}: {wrong[0]} holds {'text' if wrong[0] in text else 'the labels'}, and is no modality."
        )
    if not inputs:
        raise InputError(f"{where} has no sequence of numbers beside the labels; it has {', '.join(sequences)}.")
    words = [name for name in (*inputs, *text) if "glove" in name.lower() or "word" in name.lower()]
    reference = settings.reference or (words[0] if words else min(inputs))
    if not settings.reference:
        notes.append(f"all are brought to the steps of {reference}")
    return Chosen(
        sequences[reference], {name: sequences[name] for name in inputs}, sequences[labels] if labels else None, notes
    )


def samples_of(chosen: Chosen, settings: MmsdkSettings, where: str) -> Samples:
    """Every segment of every video that has labels (if there are any) and steps of the reference.

    Raises:
        InputError: nothing is left, or a video with other features than the others.
    """
    samples = Samples(labelled=chosen.labels is not None, notes=chosen.notes)
    needed = [chosen.reference, *([chosen.labels] if chosen.labels else [])]
    every = list(dict.fromkeys(video for sequence in (*needed, *chosen.inputs.values()) for video in sequence.entries))
    if settings.missing == "drop":
        needed += chosen.inputs.values()
    videos = [video for video in every if all(video in sequence.entries for sequence in needed)]
    if out := len(every) - len(videos):
        samples.notes.append(f"{out} of {len(every)} videos lack one of the sequences and are left out")
    for name, sequence in chosen.inputs.items():
        first = next((video for video in videos if video in sequence.entries), None)
        if first is None:
            raise InputError(f"{where}: no video has all of {', '.join(s.name for s in needed)} and {name}.")
        features = sequence.read(first)[1]
        samples.widths[name] = 0 if features is None else features.shape[1]
    wild, dropped, empty = 0, 0, 0
    for video in shown(videos, "videos"):
        for sample, strange in _of_video(video, chosen, settings, samples.widths):
            wild += strange
            if sample is None:
                empty += 1
            elif (settings.missing == "drop" and sample.missing) or len(sample.missing) == len(chosen.inputs):
                dropped += 1
            else:
                samples.found.append(sample)
    for count, said in (
        (wild, "values are not finite and become 0"),
        (empty, "segments have no step of the reference and are left out"),
        (dropped, "segments lack a modality and are left out"),
    ):
        if count:
            samples.notes.append(f"{count} {said}")
    if not samples.found:
        raise InputError(f"{where}: nothing is left of {len(every)} videos ({'; '.join(samples.notes)}).")
    return samples


def _of_video(
    video: str, chosen: Chosen, settings: MmsdkSettings, widths: Mapping[str, int]
) -> Iterator[tuple[Sample | None, int]]:
    """The samples of one video, None for a segment without a step; and how many values of it were no numbers."""
    steps = chosen.reference.read(video)[0]
    steps = steps[steps[:, 1] - steps[:, 0] > EPSILON]
    pooled, there, wild = {}, {}, 0
    types: dict[str, type] = {}
    for name, sequence in chosen.inputs.items():
        pooled[name], there[name] = np.zeros((len(steps), widths[name])), np.zeros(len(steps), dtype=bool)
        if video not in sequence.entries:
            continue
        intervals, features = sequence.read(video)
        if features is None or features.shape[1] != widths[name]:
            seen = "text" if features is None else f"{features.shape[1]} features"
            raise InputError(f"{name}: {video} has {seen}, the videos before it {widths[name]} features.")
        types[name] = np.float32 if np.can_cast(features.dtype, np.float32) else np.float64
        finite = np.isfinite(features)
        wild += int((~finite).sum())
        features = np.where(finite, features, 0)
        pooled[name], there[name] = pool(intervals, features, steps, settings.pooling)
        if sequence is chosen.reference:  # its own steps, whatever else overlaps them
            own = intervals[:, 1] - intervals[:, 0] > EPSILON
            pooled[name], there[name] = features[own], np.ones(len(steps), dtype=bool)
    for span, score in _segments(video, chosen.labels, steps, settings.label_column):
        rows = overlapping(steps, *span)[: settings.max_length]
        missing = frozenset(name for name, own in there.items() if not own[rows].any())
        values = {name: own[rows].astype(types.get(name, np.float32)) for name, own in pooled.items()}
        yield (Sample(video, values, missing, score) if len(rows) else None), wild
        wild = 0  # counted once a video


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
