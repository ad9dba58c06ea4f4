"""The raw-feature baseline: the same probe on the values themselves, with which every representation is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from coral_plugin.data import MultimodalData
from coral_plugin.data.stored import StoredValues
from coral_plugin.evaluation.features import raw_features
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.evaluation.probe.probes import FittedProbe
from coral_plugin.evaluation.scoring import Features, PartScores, fit_whole, probing_splits, score_parts
from coral_plugin.objectives.concat_raw import raw_means

_MOST = 1 << 30  # bytes of raw features of data that are on disk


@dataclass(frozen=True)
class RawBaseline:
    """Raw values of the labelled splits and the probe of all of them side by side.

    Attributes:
        features: ``{split: {modality: (N, d)}}``.
        fill: Raw values of samples without a modality, ``{modality: (d,)}``: the mean of the training samples that
            have it, near zero once the probe has standardised; as those of the method ``concat_raw``.
        fitted: ``{task: probe}``, fitted on clean train and valid.
    """

    features: Features
    fill: Mapping[str, Tensor]
    fitted: Mapping[str, FittedProbe]


def too_large_note(data: MultimodalData) -> str:
    """Note that the raw features of data on disk are more than memory should hold; empty where they are not."""
    splits = probing_splits(data)
    if not any(isinstance(c.values, StoredValues) for split in splits.values() for c in split.columns.values()):
        return ""
    one = raw_features(data.train.subset(torch.zeros(1, dtype=torch.int64)), data.modalities)
    size = sum(part.nbytes for part in one.values()) * sum(map(len, splits.values()))
    return f"no raw-feature baseline: its features take {size / 2**30:.1f} GiB of memory" if size > _MOST else ""


def fit_raw_baseline(data: MultimodalData, settings: ProbeSettings) -> RawBaseline:
    """Take the raw values of the labelled splits and fit the probe of all modalities."""
    splits = probing_splits(data)
    fill = raw_means(data.train, data.modalities)
    features = {label: raw_features(split, data.modalities, fill) for label, split in splits.items()}
    return RawBaseline(features, fill, fit_whole(features, data, settings))


def score_raw_baseline(
    data: MultimodalData, settings: ProbeSettings, baseline: RawBaseline | None = None
) -> PartScores:
    """Scores of each modality's raw values, and of all (``"all"``), with the probe that representations get.

    Args:
        data: Data set with labels and a test split.
        settings: Settings of the probe.
        baseline: Result of :func:`fit_raw_baseline` with the same data and settings; None fits it here.
    """
    baseline = baseline or fit_raw_baseline(data, settings)
    return score_parts(baseline.features, data, settings, whole=baseline.fitted)
