"""Scores of a representation, and of raw values, from test samples with noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from coral_plugin.data import Modality, MultimodalBatch, MultimodalData
from coral_plugin.evaluation.features import ALL, EMBED_BATCH, concatenate, embed_batch, evaluating
from coral_plugin.evaluation.probe.probes import FittedProbe
from coral_plugin.evaluation.raw_baseline import RawBaseline
from coral_plugin.evaluation.robustness.noise.families import Noise, add_noise
from coral_plugin.evaluation.scoring import probing_splits
from coral_plugin.objectives import Objective
from coral_plugin.objectives.concat_raw import raw_values

StreamFactory = Callable[[str, int], torch.Generator]
"""Function of the name of a random stream and a number in it that returns a fresh generator under the run's seed."""
Curves = dict[str, dict[str, list[dict[str, Any]]]]
"""``{condition: {task: a score for each level}}``."""
REPRESENTATION, RAW = "representation", "raw"


def conditions(modalities: Sequence[Modality]) -> tuple[str, ...]:
    """Conditions of noise: on every modality alone, and on all together where there are several."""
    names = tuple(modality.name for modality in modalities)
    return (*names, ALL) if len(names) > 1 else names


def score_noise(
    objective: Objective,
    data: MultimodalData,
    fitted: Mapping[str, FittedProbe],
    baseline: RawBaseline,
    noises: Mapping[str, Noise],
    levels: Sequence[float],
    stream: StreamFactory,
) -> dict[str, Curves]:
    """Score the test samples at every level of noise on each modality alone and on all of them.

    The same noise reaches representation and raw values, and a modality has the same noise alone and among all.

    Args:
        objective: Trained; embeds the noisy samples.
        data: Data with labels and a test split.
        fitted: Probes of the clean representation (:func:`coral_plugin.evaluation.scoring.fit_whole`).
        baseline: Probes of the clean raw values.
        noises: ``{modality: its noise}``.
        levels: Levels of noise, rising from 0 (clean) to at most 1.
        stream: Source of the random streams of the noise.

    Returns:
        ``{"representation" | "raw": {modality | "all": {task: [{"metric", "value", "also"} for each level]}}}``.
    """
    test = probing_splits(data)["test"]
    targets = {task.name: test.targets[task.name].cpu().numpy() for task in data.tasks}
    names = conditions(data.modalities)
    curves: dict[str, Curves] = {
        kind: {name: {task: [] for task in targets} for name in names} for kind in (REPRESENTATION, RAW)
    }
    for level in levels:
        collected = _features(objective, data, baseline, noises, level, stream)
        for kind, probes in ((REPRESENTATION, fitted), (RAW, baseline.fitted)):
            # the clean samples are the same whatever the noise would be on
            clean = _scores(probes, collected[kind][names[0]], targets) if level == 0 else None
            for name in names:
                scores = clean or _scores(probes, collected[kind][name], targets)
                for task, score in scores.items():
                    curves[kind][name][task].append(score)
    return curves


def _scores(
    probes: Mapping[str, FittedProbe], features: np.ndarray, targets: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    scores = {name: probe.score((features, targets[name])) for name, probe in probes.items()}
    return {name: {"metric": s.metric, "value": s.value, "also": s.also} for name, s in scores.items()}


def _features(
    objective: Objective,
    data: MultimodalData,
    baseline: RawBaseline,
    noises: Mapping[str, Noise],
    level: float,
    stream: StreamFactory,
) -> dict[str, dict[str, np.ndarray]]:
    """``{"representation" | "raw": {condition: (N, d)}}`` of the test samples at one level; at 0 of one condition."""
    names = conditions(data.modalities)
    collected: dict[str, dict[str, list[np.ndarray]]] = {REPRESENTATION: {}, RAW: {}}
    with evaluating(objective):
        for number, batch in enumerate(probing_splits(data)["test"].batches(EMBED_BATCH)):
            changed = {
                modality.name: add_noise(
                    noises[modality.name], modality, batch, level, stream(f"noise/{modality.name}/{level:g}", number)
                )
                for modality in data.modalities
            }
            for name in names if level else names[:1]:
                hit = changed if name == ALL and len(names) > 1 else {name: changed[name]}
                noised = batch.with_values({**batch.tensors, **hit})
                collected[REPRESENTATION].setdefault(name, []).append(concatenate(embed_batch(objective, noised)))
                collected[RAW].setdefault(name, []).append(_raw(data.modalities, noised, baseline))
    return {kind: {name: np.concatenate(rows) for name, rows in by_name.items()} for kind, by_name in collected.items()}


def _raw(modalities: Sequence[Modality], batch: MultimodalBatch, baseline: RawBaseline) -> np.ndarray:
    pieces = [raw_values(modality, batch, baseline.fill[modality.name]) for modality in modalities]
    return torch.cat(pieces, dim=1).cpu().numpy()
