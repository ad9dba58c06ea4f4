"""Probe scores of a representation: every part, all parts side by side, and all parts at a given width."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from coral_plugin.data import MultimodalData, Split, Task
from coral_plugin.errors import InputError
from coral_plugin.evaluation.disentanglement import disentanglement
from coral_plugin.evaluation.features import ALL, concatenate, embed_split, project_parts
from coral_plugin.evaluation.probe import ProbeSettings, fit_probe, probe
from coral_plugin.evaluation.probe.inputs import LabelledFeatures, check_targets, check_widths
from coral_plugin.evaluation.probe.probes import FittedProbe
from coral_plugin.evaluation.probe.reference import reference_split
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


def check_scoring(data: MultimodalData, settings: ProbeSettings) -> None:
    """Refuse labels that no probe could score, before anything is trained.

    Raises:
        InputError: targets that the task does not have or that differ in shape between splits, or too few samples of a
            class to choose a penalty of the published probe on.
    """
    splits = probing_splits(data)
    for task in data.tasks:
        targets = {label: check_targets(_targets(split, task), label, task) for label, split in splits.items()}
        pairs = {label: (target, target) for label, target in targets.items()}
        check_widths(pairs["train"], pairs.get("valid"), pairs["test"])
        if settings.kind == "reference" and "valid" not in targets:
            reference_split(targets["train"], classes=task.kind == "classification")


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
        data: Data set with the tasks and targets.
        settings: Settings of the probe.
        parts: Names of the parts to probe; all by default.
        whole: ``{task: probe}`` of all parts from :func:`fit_whole`, where it is fitted already.

    Returns:
        ``{part: {task: {"metric", "value", "also", "setting"}}}``, ``"all"`` first.
    """
    names = list(parts) if parts is not None else [ALL, *features["train"]]
    scores: PartScores = {}
    for name in names:
        arrays = {label: concatenate(by_part) if name == ALL else by_part[name] for label, by_part in features.items()}
        scores[name] = {
            task.name: score_task(arrays, data, task, settings)
            if name != ALL or whole is None
            else whole[task.name].score(_labelled(arrays, data, task)["test"]).record()
            for task in data.tasks
        }
    return scores


def score_task(
    features: Mapping[str, np.ndarray],
    data: MultimodalData,
    task: Task,
    settings: ProbeSettings,
    components: int | None = None,
) -> dict[str, Any]:
    """One probe: ``{"metric", "value", "also", "setting"}`` of features ``{split: (N, d)}`` on one task of ``data``."""
    labelled = _labelled(features, data, task)
    return probe(
        labelled["train"],
        labelled.get("valid"),
        labelled["test"],
        task,
        settings,
        refit_on_valid=data.refit_on_valid,
        components=components,
    ).record()


def score_at_width(
    features: Features, data: MultimodalData, settings: ProbeSettings, width: int, scores: PartScores
) -> dict[str, Any]:
    """Probe the whole representation at a given width: on its first principal components, of train alone.

    A probe learns more from a wider representation, and methods differ in width: (1 + n/2) D of COrAL, D of CoMM, n D
    of CLIP. At one width they can be compared.

    Args:
        features: ``{split: {part: (N, d)}}``.
        data: Data set with the tasks and targets.
        settings: Settings of the probe.
        width: W, at least 1.
        scores: Scores of all parts, from :func:`score_parts` with the same probe.

    Returns:
        ``{"width": W, "scores": {task: {"metric", "value", "also", "setting"}}}``. A representation that is no wider
        than W keeps its width and scores.
    """
    whole = {label: concatenate(parts) for label, parts in features.items()}
    samples, full_width = whole["train"].shape
    if full_width <= width:
        return {"width": full_width, "scores": scores[ALL]}
    at_width = {task.name: score_task(whole, data, task, settings, components=width) for task in data.tasks}
    return {"width": min(width, samples), "scores": at_width}


def fit_whole(features: Features, data: MultimodalData, settings: ProbeSettings) -> dict[str, FittedProbe]:
    """``{task: probe}`` of all parts side by side, fitted on train and valid; any test samples can be scored with it.

    Args:
        features: ``{split: {part: (N, d)}}``.
        data: Data set with the tasks and targets.
        settings: Settings of the probe.
    """
    whole = {label: concatenate(parts) for label, parts in features.items() if label != "test"}
    fitted = {}
    for task in data.tasks:
        pairs = _labelled(whole, data, task)
        fitted[task.name] = fit_probe(pairs["train"], pairs.get("valid"), task, settings, data.refit_on_valid)
    return fitted


def score_disentanglement(
    objective: Objective, data: MultimodalData, features: Features | None = None
) -> dict[str, Any]:
    """Disentanglement of the probed parts and of the projected ones, on the test samples that have every modality.

    Args:
        objective: Trained objective.
        data: Data set with a test split.
        features: ``{split: {part: (N, d)}}``, where they are embedded already.

    Returns:
        ``{"probed" | "projected": {pair: {measure: value}}}``; empty where no sample has every modality: parts that are
        zero together would seem to have something in common.
    """
    test = probing_splits(data)["test"]
    split = complete_samples(test)
    if split is None:
        return {}
    embedded = features["test"] if features is not None and len(split) == len(test) else embed_split(objective, split)
    measured = {"probed": disentanglement(embedded)}
    projected = project_parts(objective, embedded, split)
    if projected:
        measured["projected"] = disentanglement(projected)
    return measured


def _labelled(features: Mapping[str, np.ndarray], data: MultimodalData, task: Task) -> dict[str, LabelledFeatures]:
    splits = probing_splits(data)
    return {label: (array, _targets(splits[label], task)) for label, array in features.items()}


def _targets(split: Split, task: Task) -> np.ndarray:
    return split.targets[task.name].cpu().numpy()
