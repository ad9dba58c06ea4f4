"""Robustness of a run: curves of every seed under noise, and the content of ``evaluation-robustness.json``."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from coral_plugin.data import MultimodalData, Task
from coral_plugin.evaluation.metrics import Scores, metric_named
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.evaluation.probe.probes import FittedProbe
from coral_plugin.evaluation.raw_baseline import RawBaseline
from coral_plugin.evaluation.robustness.curves import RAW, REPRESENTATION, Curves, conditions, score_noise
from coral_plugin.evaluation.robustness.measures import (
    LEVELS,
    References,
    against_published,
    effective_robustness,
    relative_robustness,
)
from coral_plugin.evaluation.robustness.noise.families import FAMILIES, Noise, NoiseSource, noise_by_modality
from coral_plugin.evaluation.robustness.picture import robustness_curves
from coral_plugin.evaluation.scoring import probing_splits
from coral_plugin.runs.folder import PLOTS, load_objective
from coral_plugin.runs.settings import RunSettings
from coral_plugin.runs.summary import chances, mean_and_std
from coral_plugin.training.randomness import generator

ROBUSTNESS_SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class RobustnessSettings:
    """Settings of the scores under noise.

    Attributes:
        levels: Noise levels, rising from 0, which is clean.
        noise: Noise families by modality, in place of the defaults
            (:func:`coral_plugin.evaluation.robustness.noise.noise_by_modality`).
        source: Noise of another package; None takes ours.
        references: Published curves; None where there are none.
        checkout: Description of the MultiBench checkout, for the record; None without one.
    """

    levels: tuple[float, ...] = LEVELS
    noise: str | None = None
    source: NoiseSource | None = None
    references: References | None = None
    checkout: str | None = None


def choose_noises(settings: RobustnessSettings, data: MultimodalData) -> dict[str, Noise]:
    """The noise of each modality, with a line on standard error about the number of scores.

    Raises:
        InputError: a noise that does not fit, or nothing to score.
    """
    noises = noise_by_modality(data.modalities, settings.noise, settings.source)
    test = probing_splits(data)["test"]
    count = 1 + (len(settings.levels) - 1) * len(conditions(data.modalities))
    sys.stderr.write(f"noise: the {len(test)} samples of test are embedded and scored {count} times per seed\n")
    return noises


def curves_under_noise(
    folder: Path,
    data: MultimodalData,
    baseline: RawBaseline,
    fitted: Mapping[int, Mapping[str, FittedProbe]],
    noises: Mapping[str, Noise],
    levels: tuple[float, ...],
) -> dict[int, dict[str, Curves]]:
    """``{seed: {"representation" | "raw": {condition: {task: a score for each level}}}}``.

    Args:
        folder: Run directory.
        data: Data set of the run.
        baseline: Raw-feature baseline on clean samples.
        fitted: ``{seed: {task: probe}}``, fitted on clean samples.
        noises: ``{modality: its noise}``.
        levels: Noise levels, rising from 0.
    """
    return {
        seed: score_noise(
            load_objective(folder, seed), data, probes, baseline, dict(noises), levels, partial(generator, seed)
        )
        for seed, probes in fitted.items()
    }


def summarise_robustness(
    run: RunSettings,
    data: MultimodalData,
    probe: ProbeSettings,
    settings: RobustnessSettings,
    noises: Mapping[str, Noise],
    curves: Mapping[int, Mapping[str, Curves]],
) -> dict[str, Any]:
    """The content of ``evaluation-robustness.json`` (schema 1).

    Args:
        run: Run settings.
        data: Data set of the run.
        probe: Probe settings.
        settings: Settings of the noise.
        noises: ``{modality: its noise}``.
        curves: ``{seed: {"representation" | "raw": {condition: {task: a score for each level}}}}``.
    """
    levels = chances(data)
    return {
        "schema": ROBUSTNESS_SCHEMA,
        "objective": run.objective,
        "dataset": run.dataset,
        "data": data.name,
        "preset": run.preset,
        "fingerprint": data.fingerprint,
        "seeds": list(curves),
        "probe": asdict(probe),
        "samples": len(data.test) if data.test is not None else 0,
        "levels": list(settings.levels),
        "multibench": settings.checkout,
        "noises": {
            name: {"family": noise.family, "origin": noise.origin, "does": FAMILIES[noise.family].description}
            for name, noise in noises.items()
        },
        "tasks": {task.name: _task(run, task, levels[task.name], settings, curves) for task in data.tasks},
    }


def draw_robustness(folder: Path, record: Mapping[str, Any]) -> list[Path]:
    """A picture for each task into ``plots/`` of the run's folder; returns their paths without ending."""
    tasks = list(record["tasks"])
    # the name of a task may be no name of a file
    paths = [folder / PLOTS / ("robustness" if len(tasks) == 1 else f"robustness-{i + 1}") for i in range(len(tasks))]
    for path, task in zip(paths, tasks, strict=True):
        robustness_curves(path, record, task)
    return paths


def _task(
    run: RunSettings,
    task: Task,
    levels: Scores,
    settings: RobustnessSettings,
    curves: Mapping[int, Mapping[str, Curves]],
) -> dict[str, Any]:
    names = next(iter(curves.values()))[REPRESENTATION]
    chance = {"chance": levels[task.metric]} if task.metric in levels else {}
    return {
        "metric": task.metric,
        "higher_is_better": metric_named(task.metric).higher_is_better,
        **chance,
        "conditions": {name: _condition(run, task, name, settings, curves) for name in names},
    }


def _condition(
    run: RunSettings,
    task: Task,
    name: str,
    settings: RobustnessSettings,
    curves: Mapping[int, Mapping[str, Curves]],
) -> dict[str, Any]:
    record: dict[str, Any] = {
        kind: _curve([by_kind[kind][name][task.name] for by_kind in curves.values()]) for kind in (REPRESENTATION, RAW)
    }
    ours, raw = (record[kind]["values"] for kind in (REPRESENTATION, RAW))
    record["relative"] = mean_and_std([relative_robustness(curve, settings.levels) for curve in ours])
    record["raw_relative"] = mean_and_std([relative_robustness(curve, settings.levels) for curve in raw])
    record["effective"] = mean_and_std(
        [
            effective_robustness(curve, raw_curve, higher_is_better=metric_named(task.metric).higher_is_better)
            for curve, raw_curve in zip(ours, raw, strict=True)
        ]
    )
    published = _published(run, task, name, settings, record[REPRESENTATION])
    return record if published is None else {**record, "published": published}


def _curve(scores: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """The metric of one condition ``[seed][level]``, its mean and standard deviation by level, and other metrics."""
    values = [[score["value"] for score in seed] for seed in scores]
    by_level = list(zip(*values, strict=True))
    common = set.intersection(*({*score["also"]} for seed in scores for score in seed))
    return {
        "values": values,
        "mean": [statistics.mean(level) for level in by_level],
        "std": [statistics.stdev(level) for level in by_level] if len(values) > 1 else None,
        "also": {
            name: [[score["also"][name] for score in seed] for seed in scores]
            for name in scores[0][0]["also"]
            if name in common
        },
    }


def _published(
    run: RunSettings, task: Task, name: str, settings: RobustnessSettings, curve: Mapping[str, Any]
) -> dict[str, Any] | None:
    """MultiBench's scaled figures, where it has published curves of this task and condition."""
    reference = settings.references(run.dataset, task, name) if settings.references is not None else None
    if reference is None:
        return None
    seeds = curve["values"] if reference.metric == task.metric else curve["also"].get(reference.metric)
    figures = [
        against_published(
            curve_of_seed, settings.levels, reference, higher_is_better=metric_named(reference.metric).higher_is_better
        )
        for curve_of_seed in seeds or []
    ]
    defined = [figure for figure in figures if figure is not None]
    if not defined or len(defined) < len(figures):
        return None
    return {
        "key": reference.key,
        "metric": reference.metric,
        "methods": list(reference.methods),
        **{
            key: mean_and_std([figure[key] for figure in defined])
            for key in defined[0]
            if all(key in figure for figure in defined)
        },
    }
