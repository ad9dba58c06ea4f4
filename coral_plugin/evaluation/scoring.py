"""Probe scores of a representation, part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data import MultimodalData, Split, Task
from coral_plugin.errors import InputError
from coral_plugin.evaluation.disentanglement import disentanglement
from coral_plugin.evaluation.features import ALL, concatenate, embed_split
from coral_plugin.evaluation.probe import FittedProbe, ProbeScore, ProbeSettings, fit_probe, probe
from coral_plugin.objectives import Objective

Features = dict[str, dict[str, np.ndarray]]
PartScores = dict[str, dict[str, dict[str, Any]]]


def probing_splits(data: MultimodalData) -> dict[str, Split]:
    """The labelled splits: train, valid where there is one, test.

    Raises:
        InputError: nothing to score: no labels, or no test split.
    """
    if not data.tasks:
        raise InputError(f"{data.name} has no labels, so there is nothing to probe.")
    if data.test is None:
        raise InputError(f"{data.name} has no test split, so there is nothing to score.")
    return data.scored()


def complete_samples(split: Split) -> Split | None:
    """The samples that have every modality; None where there are none."""
    presence = split.presence()
    if not presence:
        return split
    rows = torch.stack(list(presence.values())).all(dim=0).nonzero().squeeze(1)
    return split.subset(rows) if len(rows) else None


def embed_data(objective: Objective, data: MultimodalData) -> Features:
    """``{split: {part: (N, d)}}`` of the labelled splits."""
    return {label: embed_split(objective, split) for label, split in probing_splits(data).items()}


def score_parts(
    features: Features,
    data: MultimodalData,
    settings: ProbeSettings,
    parts: Iterable[str] | None = None,
    whole: Mapping[str, FittedProbe] | None = None,
) -> PartScores:
    """Probe every part, and all of them side by side (``"all"``), on every task.

    Args:
        features: ``{split: {part: (N, d)}}``.
        data: Whose tasks and targets are used.
        settings: Of the probe.
        parts: Which of them; all by default.
        whole: ``{task: probe}`` of all parts from :func:`fit_whole`, where it is fitted already.

    Returns:
        ``{part: {task: {"metric", "value", "also", "setting"}}}``, ``"all"`` first.
    """
    splits = probing_splits(data)
    names = list(parts) if parts is not None else [ALL, *features["train"]]
    scores: PartScores = {}
    for name in names:
        own = {label: concatenate(f) if name == ALL else f[name] for label, f in features.items()}
        scores[name] = {}
        for task in data.tasks:
            targets = {label: split.targets[task.name] for label, split in splits.items()}
            if name == ALL and whole is not None:
                score = whole[task.name].score((own["test"], targets["test"].cpu().numpy()))
                scores[name][task.name] = _record(score)
            else:
                scores[name][task.name] = score_task(own, targets, task, settings, data)
    return scores


def score_task(
    features: Mapping[str, np.ndarray],
    targets: Mapping[str, Tensor],
    task: Task,
    settings: ProbeSettings,
    data: MultimodalData,
    components: int | None = None,
) -> dict[str, Any]:
    """One probe: ``{"metric", "value", "also", "setting"}`` of features ``{split: (N, d)}`` on one task."""
    labelled = {label: (features[label], targets[label].cpu().numpy()) for label in features}
    score = probe(
        labelled["train"],
        labelled.get("valid"),
        labelled["test"],
        task,
        settings,
        refit_on_valid=data.refit_on_valid,
        components=components,
    )
    return _record(score)


def score_matched(
    features: Features, data: MultimodalData, settings: ProbeSettings, width: int, scores: PartScores
) -> dict[str, Any]:
    """Probe the whole representation at a given width: on its first principal components, of train alone.

    A probe learns more from a wider representation, and methods differ in width: (1 + n/2) D of COrAL, D of CoMM, n D
    of CLIP. At one width they can be compared.

    Args:
        features: ``{split: {part: (N, d)}}``.
        data: The data set with the tasks and targets.
        settings: Settings of the probe.
        width: W, at least 1.
        scores: PartScores of all parts, from :func:`score_parts` with the same probe.

    Returns:
        ``{"width": W, "scores": {task: {"metric", "value", "also", "setting"}}}``. A representation that is no wider
        than W has its own width and scores there.
    """
    whole = {label: concatenate(parts) for label, parts in features.items()}
    samples, own = whole["train"].shape
    if own <= width:
        return {"width": own, "scores": scores[ALL]}
    splits, found = probing_splits(data), {}
    for task in data.tasks:
        targets = {label: split.targets[task.name] for label, split in splits.items()}
        found[task.name] = score_task(whole, targets, task, settings, data, components=width)
    return {"width": min(width, samples), "scores": found}


def _record(score: ProbeScore) -> dict[str, Any]:
    return {"metric": score.metric, "value": score.value, "also": score.also, "setting": score.setting}


def fit_whole(features: Features, data: MultimodalData, settings: ProbeSettings) -> dict[str, FittedProbe]:
    """``{task: probe}`` of all parts side by side, fitted on train and valid; any test samples can be scored with it.

    Args:
        features: ``{split: {part: (N, d)}}``.
        data: Whose tasks and targets are used.
        settings: Of the probe.
    """
    splits = probing_splits(data)
    whole = {label: concatenate(own) for label, own in features.items() if label != "test"}
    fitted = {}
    for task in data.tasks:
        pairs = {label: (own, splits[label].targets[task.name].cpu().numpy()) for label, own in whole.items()}
        fitted[task.name] = fit_probe(pairs["train"], pairs.get("valid"), task, settings, data.refit_on_valid)
    return fitted


def score_disentanglement(objective: Objective, data: MultimodalData) -> dict[str, Any]:
    """Disentanglement of the probed parts and of the projected ones, on the test samples that have every modality.

    Empty where no sample has: parts that are zero together would seem to have something in common.
    """
    split = complete_samples(probing_splits(data)["test"])
    if split is None:
        return {}
    measured = {"probed": disentanglement(embed_split(objective, split))}
    projected = embed_split(objective, split, projected=True)
    if projected:
        measured["projected"] = disentanglement(projected)
    return measured
