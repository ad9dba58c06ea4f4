"""What MultiBench reports of a method, measured on the seeds of a run: its figures, and curves under noise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.data import MultimodalData
from coral_plugin.evaluation.robustness.scores import RAW, REPRESENTATION, Curves, conditions, score_noise
from coral_plugin.evaluation.features import concatenate
from coral_plugin.evaluation.raw_baseline import RawBaseline
from coral_plugin.evaluation.robustness.noise import Noise, choose
from coral_plugin.evaluation.performance import Figures, performance
from coral_plugin.evaluation.probe import FittedProbe
from coral_plugin.evaluation.scoring import Features, probing_splits
from coral_plugin.runs.folder import load_objective
from coral_plugin.runs.robustness import RobustnessSettings
from coral_plugin.runs.summary import spread
from coral_plugin.training.randomness import generator

ByTask = dict[str, Figures]


@dataclass
class Reports:
    """What was found.

    Attributes:
        performance: ``{task: {"representation" | "raw": {figure: values of the seeds with mean and deviation}}}``.
        noises: ``{modality: its noise}``; empty where no robustness was asked for.
        curves: ``{seed: {"representation" | "raw": {condition: {task: a score for each level}}}}``.
    """

    performance: dict[str, Any] = field(default_factory=dict)
    noises: dict[str, Noise] = field(default_factory=dict)
    curves: dict[int, dict[str, Curves]] = field(default_factory=dict)


def noises_for(settings: RobustnessSettings | None, data: MultimodalData) -> dict[str, Noise]:
    """The noise of each modality, and a line about what is to be done; nothing where nothing is asked for.

    Raises:
        InputError: a noise that does not fit, or nothing to score.
    """
    if settings is None:
        return {}
    noises = choose(data.modalities, settings.noise, settings.source)
    test = probing_splits(data)["test"]
    count = 1 + (len(settings.levels) - 1) * len(conditions(data.modalities))
    sys.stderr.write(f"noise: the {len(test)} samples of test are embedded and scored {count} times a seed\n")
    return noises


def report(
    folder: Path,
    data: MultimodalData,
    baseline: RawBaseline,
    features: Mapping[int, Features],
    whole: Mapping[int, Mapping[str, FittedProbe]],
    noises: dict[str, Noise],
    robustness: RobustnessSettings | None,
) -> Reports:
    """MultiBench's figures of every seed and, where it is asked for, its curves under noise.

    Args:
        folder: Run directory.
        data: That it is scored on.
        baseline: Raw values, clean, and their probe.
        features: ``{seed: {split: {part: (N, d)}}}``, clean.
        whole: ``{seed: {task: probe}}``, fitted on them.
        noises: From :func:`noises_for`.
        robustness: Its settings; None leaves the curves out.
    """
    found = Reports(noises=noises)
    figures = {}
    for seed, own in features.items():
        figures[seed] = score_performance(data, whole[seed], own["test"])
        if robustness is not None:
            objective = load_objective(folder, seed)
            stream = partial(generator, seed)
            found.curves[seed] = score_noise(objective, data, whole[seed], baseline, noises, robustness.levels, stream)
    lowest = score_performance(data, baseline.fitted, baseline.features["test"])
    found.performance = {
        task: {REPRESENTATION: _spreads([each[task] for each in figures.values()]), RAW: _spreads([lowest[task]])}
        for task in lowest
    }
    return found


def score_performance(
    data: MultimodalData, fitted: Mapping[str, FittedProbe], test: Mapping[str, np.ndarray]
) -> ByTask:
    """MultiBench's figures of each task from the features ``{part: (N, d)}`` of the test samples."""
    targets = probing_splits(data)["test"].targets
    found = {}
    for task in data.tasks:
        truth = targets[task.name].cpu().numpy()
        score = fitted[task.name].score((concatenate(dict(test)), truth))
        found[task.name] = performance(task, truth, score.predictions, score.outputs)
    return found


def _spreads(figures: list[Figures]) -> dict[str, Any]:
    """A figure that some seed lacks, because it is not defined there, is left out."""
    return {name: spread([own[name] for own in figures]) for name in figures[0] if all(name in own for own in figures)}
