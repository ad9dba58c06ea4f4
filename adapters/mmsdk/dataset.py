"""CMU-MultimodalSDK's computational sequences: modalities with clocks of their own, aligned to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.adapter import check_seed
from coral_plugin.data.columns import make_column
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.data.labels import read_labels
from coral_plugin.data.statistics import with_offset
from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import open_hdf5
from coral_plugin.machine import require_memory

from ..affect import LabelRule, by_rule
from .align import Pooling
from .folds import checked, folds_of
from .layout import WHAT, Sequence, open_folder, sequence_of, sequences_of
from .samples import Missing, Sample, Samples, choose, samples_of

_CLASSES = ("not positive", "positive")


@dataclass(frozen=True, kw_only=True)
class MmsdkSettings:
    """How computational sequences become samples.

    Attributes:
        reference: Sequence to whose steps all others are brought; where none is named, the words (``glove``, ``word``),
            else the first in alphabetical order.
        inputs: Sequences that are modalities, in this order; all but the labels and those of text where none is named.
        labels: Sequence of the labels, whose intervals cut the samples; where none is named, the one with ``label``
            in its name. Without any a video is one sample.
        label_rule: What is predicted of the score: ``positive``, ``nonnegative``, ``nonzero``, ``seven`` or ``score``,
            as for ``mosi``.
        label_column: Column of the labels with that score.
        pooling: What becomes of all steps that overlap one of the reference: their ``mean``, a mean ``weighted`` by the
            time they share, ``max``, ``sum``, the ``first`` or the ``last``. Where nothing overlaps there are zeros.
        missing: Samples in which a modality has nothing at all: left out (``drop``, as mmsdk does with videos), or
            kept without it (``absent``).
        max_length: Steps that are kept of a sample, from its beginning.
        folds: JSON file with the videos of each split, or ``cmu_mosi``, ``cmu_mosei`` or ``pom``, whose folds come with
            mmsdk; where none is named, ``folds.json`` beside the data, else videos are dealt out.
        seed: Of the deal.
    """

    reference: str = ""
    inputs: tuple[str, ...] = ()
    labels: str = ""
    label_rule: LabelRule = "positive"
    label_column: int = 0
    pooling: Pooling = "mean"
    missing: Missing = "drop"
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


class Mmsdk(DatasetAdapter):
    """CMU-MultimodalSDK's computational sequences: modalities with clocks of their own, aligned to one of them."""

    name = "mmsdk"
    source = "CMU-MultimodalSDK: https://github.com/matsuolab/CMU-MultimodalSDK"
    licence = "unknown; each data set has its own, ask its authors"
    Settings = MmsdkSettings
    expects = WHAT

    @classmethod
    def read(cls, path: str, settings: MmsdkSettings) -> MultimodalData:
        """Sequences of each modality at the steps of the reference, cut where the labels begin and end.

        Args:
            path: Of a folder of ``.csd`` files, one a modality and one of labels.
            settings: How they are aligned, cut, labelled and split.

        Raises:
            InputError: no path, a file that is missing or damaged, a sequence that is not there, or nothing left.
            PluginError: h5py, or for standard folds mmsdk, is not installed.
        """
        with open_folder(Path(path)) as sequences:
            samples = samples_of(choose(sequences, settings, path), settings, path)
        videos = list(dict.fromkeys(sample.video for sample in samples.found))
        folds, said = folds_of(settings.folds, Path(path), videos, settings.seed)
        return _data(samples, folds, [*samples.notes, said], settings, path)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """What ``coral data check`` says of a folder of computational sequences, or of one; None for anything else."""
        if candidate.kind == "folder" and next(candidate.path.glob("*.csd"), None):
            with open_folder(candidate.path) as sequences:
                return _inspection(sequences)
        if candidate.kind == "hdf5" and candidate.path.suffix == ".csd":
            with open_hdf5(candidate.path, WHAT) as file:
                sequence = sequence_of(file, candidate.path)
                return _inspection({sequence.name: sequence}, ("--data takes the folder with all of them",))
        return None


def from_mmsdk(
    dataset: Any, folds: Mapping[str, Any], settings: MmsdkSettings | None = None, name: str = "mmsdk"
) -> MultimodalData:
    """The same of mmsdk's own objects, aligned or not.

    Args:
        dataset: An ``mmdataset``, or ``{name: computational_sequence}``.
        folds: ``{"train": videos, "valid": videos, "test": videos}``, lists of ids, mmsdk's ``standard_folds`` for one.
        settings: How it is aligned, cut and labelled.
        name: For messages.

    Raises:
        InputError: objects of another kind, a sequence that is not there, or nothing left.
    """
    settings = settings or MmsdkSettings()
    samples = samples_of(choose(sequences_of(dataset), settings, name), settings, name)
    return _data(samples, checked(folds, f"{name}: folds"), samples.notes, settings, name)


def _data(
    samples: Samples, folds: Mapping[str, list[str]], notes: list[str], settings: MmsdkSettings, where: str
) -> MultimodalData:
    parts, said = _parts(samples.found, folds, settings, where)
    steps = {label: max(map(len, own)) for label, own in parts.items()}
    values = sum(samples.widths.values()) * sum(len(own) * steps[label] for label, own in parts.items())
    require_memory(4 * values, f"{where}: {len(samples.found)} samples")
    task: Task | None = None
    targets: dict[str, torch.Tensor] = {}
    if samples.labelled:
        scores = {label: np.array([sample.score for sample in own]) for label, own in parts.items()}
        task, targets, notes_of_labels = read_labels(
            *by_rule(scores, settings.label_rule, _CLASSES), list(SPLITS), where
        )
        said += notes_of_labels
    modalities = [
        _modality(name, (max(steps.values()), width), parts["train"], where) for name, width in samples.widths.items()
    ]
    splits = {
        label: Split(
            {m.name: _column(own, m, f"{where}: {m.name}") for m in modalities},
            {task.name: targets[label]} if task else {},
        )
        for label, own in parts.items()
    }
    return Mmsdk.assemble(modalities, (task,) if task else (), splits, (*notes, *said))


def _parts(
    found: list[Sample], folds: Mapping[str, list[str]], settings: MmsdkSettings, where: str
) -> tuple[dict[str, list[Sample]], list[str]]:
    """Samples of each split, and what is left out."""
    kept = [sample for sample in found if not (settings.label_rule == "nonzero" and sample.score == 0)]
    fold = {video: label for label, videos in folds.items() for video in videos}
    parts = {label: [sample for sample in kept if fold.get(sample.video) == label] for label in SPLITS}
    if empty := [label for label, own in parts.items() if not own]:
        raise InputError(f"{where}: no sample is left in {empty[0]}.")
    neutral = len(found) - len(kept)
    return parts, [f"{neutral} neutral samples are left out (label_rule=nonzero)"] if neutral else []


def _modality(name: str, shape: tuple[int, int], train: list[Sample], where: str) -> Modality:
    there = [sample.values[name] for sample in train if name not in sample.missing]
    if not there:
        raise InputError(f"{where}: no sample of train has {name}; leave it out (--source.inputs).")
    return with_offset(Modality(name=name, kind="sequence", shape=shape), lambda: map(torch.from_numpy, there))


def _column(samples: list[Sample], modality: Modality, where: str) -> ModalityColumn:
    name = modality.name
    lengths = torch.tensor([len(sample) for sample in samples])
    values = torch.zeros(len(samples), int(lengths.max()), modality.features)
    there = torch.tensor([name not in sample.missing for sample in samples])
    for row, sample in enumerate(samples):
        if there[row]:
            values[row, : len(sample)] = make_column(sample.values[name][None], modality, None, where).values[0]
    return ModalityColumn(values, lengths, present=None if there.all() else there)


def _inspection(sequences: Mapping[str, Sequence], notes: tuple[str, ...] = ()) -> Inspection:
    arrays, said = {}, []
    for name, sequence in sequences.items():
        videos = [sequence.read(video) for video in sequence.entries]
        arrays[f"{name}/steps of each video"] = np.array([len(intervals) for intervals, _ in videos])
        numbers = [features for _, features in videos if features is not None]
        wild = sum(int((~np.isfinite(features)).sum()) for features in numbers)
        held = f"{numbers[0].shape[1]} features a step, {wild} values are not finite" if numbers else "text"
        said.append(f"{name}: {held} (of {sequence.about.get('dataset name', 'a data set without name')})")
    return Inspection("CMU-MultimodalSDK's computational sequences", ("mmsdk",), arrays, notes=(*said, *notes))
