"""CMU-MultimodalSDK's computational sequences: modalities with clocks of their own, aligned to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.adapter import check_choices
from coral_plugin.data.columns import held_values
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.data.labels import read_labels
from coral_plugin.data.statistics import with_offset
from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import open_hdf5
from coral_plugin.machine import require_memory

from ..affect import by_rule
from .folds import check_folds, read_folds
from .layout import CSD_FOLDER, Sequence, open_sequences, sequence_of, sequences_of
from .samples import MmsdkSettings, Sample, Samples, choose_roles, cut_samples

_CLASSES = ("not positive", "positive")


class Mmsdk(DatasetAdapter):
    """CMU-MultimodalSDK's computational sequences: modalities with clocks of their own, aligned to one of them."""

    name = "mmsdk"
    source = "CMU-MultimodalSDK: https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK"
    licence = "unknown; each data set has its own, ask its authors"
    Settings = MmsdkSettings
    expects = CSD_FOLDER

    @classmethod
    def read(cls, path: str, settings: MmsdkSettings) -> MultimodalData:
        """Sequences of each modality at the steps of the reference, cut where the labels begin and end.

        Raises:
            InputError: a file that is missing or damaged, a name without a sequence, or no sample left.
            PluginError: h5py, or for standard folds mmsdk, is not installed.
        """
        with open_sequences(Path(path)) as sequences:
            samples = cut_samples(choose_roles(sequences, settings, path), settings, path)
        videos = list(dict.fromkeys(sample.video for sample in samples.samples))
        folds, note = read_folds(settings.folds, Path(path), videos, settings.seed)
        return _data(samples, folds, [*samples.notes, note], settings, path)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """A folder of computational sequences, or one of its files."""
        if candidate.kind == "folder" and next(candidate.path.glob("*.csd"), None):
            with open_sequences(candidate.path) as sequences:
                return _inspection(sequences)
        if candidate.kind == "hdf5" and candidate.path.suffix == ".csd":
            with open_hdf5(candidate.path, CSD_FOLDER) as file:
                sequence = sequence_of(file, candidate.path)
                return _inspection({sequence.name: sequence}, ("--data takes the folder with all of them",))
        return None


def from_mmsdk(
    dataset: Any, folds: Mapping[str, Any], settings: MmsdkSettings | None = None, name: str = "mmsdk"
) -> MultimodalData:
    """The data set of mmsdk's objects, aligned or not.

    Args:
        dataset: An ``mmdataset``, or ``{name: computational_sequence}``.
        folds: ``{"train": videos, "valid": videos, "test": videos}``, lists of ids, mmsdk's ``standard_folds`` for one.
        settings: Settings of the alignment, the cuts and the labels.
        name: Name of the data in messages.

    Raises:
        InputError: objects of another kind, a name without a sequence, or no sample left.
    """
    settings = settings or MmsdkSettings()
    check_choices(settings)
    samples = cut_samples(choose_roles(sequences_of(dataset), settings, name), settings, name)
    return _data(samples, check_folds(folds, f"{name}: folds"), samples.notes, settings, name)


def _data(
    samples: Samples, folds: Mapping[str, list[str]], notes: list[str], settings: MmsdkSettings, place: str
) -> MultimodalData:
    parts, dropped = _parts(samples.samples, folds, settings, place)
    notes += dropped
    steps = {label: max(map(len, part)) for label, part in parts.items()}
    values = sum(samples.widths.values()) * sum(len(part) * steps[label] for label, part in parts.items())
    require_memory(4 * values, f"{place}: {len(samples.samples)} samples")
    task: Task | None = None
    targets: dict[str, torch.Tensor] = {}
    if samples.labelled:
        scores = {label: np.array([sample.score for sample in part]) for label, part in parts.items()}
        task, targets, label_notes = read_labels(*by_rule(scores, settings.label_rule, _CLASSES), list(SPLITS), place)
        notes += label_notes
    modalities = [
        _modality(name, (max(steps.values()), width), parts["train"], place) for name, width in samples.widths.items()
    ]
    splits = {
        label: Split(
            {m.name: _column(part, m, f"{place}: {m.name}") for m in modalities},
            {task.name: targets[label]} if task else {},
        )
        for label, part in parts.items()
    }
    return Mmsdk.assemble(modalities, (task,) if task else (), splits, notes)


def _parts(
    samples: list[Sample], folds: Mapping[str, list[str]], settings: MmsdkSettings, place: str
) -> tuple[dict[str, list[Sample]], list[str]]:
    """Samples of each split, and notes on what is left out."""
    kept = [sample for sample in samples if not (settings.label_rule == "nonzero" and sample.score == 0)]
    fold = {video: label for label, videos in folds.items() for video in videos}
    parts = {label: [sample for sample in kept if fold.get(sample.video) == label] for label in SPLITS}
    if empty := [label for label, part in parts.items() if not part]:
        raise InputError(f"{place}: no sample is left in {empty[0]}.")
    neutral = len(samples) - len(kept)
    return parts, [f"{neutral} neutral samples are left out (label_rule=nonzero)"] if neutral else []


def _modality(name: str, shape: tuple[int, int], train: list[Sample], place: str) -> Modality:
    arrays = [sample.values[name] for sample in train if name not in sample.missing]
    if not arrays:
        raise InputError(f"{place}: no sample of train has {name}; leave it out (--source.inputs).")
    return with_offset(Modality(name=name, kind="sequence", shape=shape), lambda: map(torch.from_numpy, arrays))


def _column(samples: list[Sample], modality: Modality, place: str) -> ModalityColumn:
    name = modality.name
    lengths = torch.tensor([len(sample) for sample in samples])
    values = torch.zeros(len(samples), int(lengths.max()), modality.features)
    present = torch.tensor([name not in sample.missing for sample in samples])
    for row, sample in enumerate(samples):
        if present[row]:
            values[row, : len(sample)] = held_values(sample.values[name][None], modality, None, place)[0]
    return ModalityColumn(values, lengths, present=None if present.all() else present)


def _inspection(sequences: Mapping[str, Sequence], notes: tuple[str, ...] = ()) -> Inspection:
    arrays, contents = {}, []
    for name, sequence in sequences.items():
        videos = [sequence.read(video) for video in sequence.entries]
        arrays[f"{name}/steps of each video"] = np.array([len(intervals) for intervals, _ in videos])
        numbers = [features for _, features in videos if features is not None]
        count = sum(int((~np.isfinite(features)).sum()) for features in numbers)
        content = f"{numbers[0].shape[1]} features per step, {count} values are not finite" if numbers else "text"
        contents.append(f"{name}: {content} (of {sequence.about.get('dataset name', 'a data set without name')})")
    return Inspection("CMU-MultimodalSDK's computational sequences", (Mmsdk.name,), arrays, notes=(*contents, *notes))
