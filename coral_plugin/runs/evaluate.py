"""Score a finished run again."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.data import MultimodalData
from coral_plugin.errors import InputError, say
from coral_plugin.evaluation.features import ALL, concatenate
from coral_plugin.evaluation.missing import Subset, count_missing, parse_subsets, score_missing
from coral_plugin.evaluation.multibench_figures import Figures, multibench_figures
from coral_plugin.evaluation.pictures.density import require_umap
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.evaluation.probe.probes import FittedProbe
from coral_plugin.evaluation.raw_baseline import RawBaseline, fit_raw_baseline, score_raw_baseline, too_large_note
from coral_plugin.evaluation.robustness.curves import RAW, REPRESENTATION
from coral_plugin.evaluation.scoring import (
    Features,
    embed_data,
    fit_whole,
    probing_splits,
    score_disentanglement,
    score_parts,
)
from coral_plugin.io.files import read_json, write_json
from coral_plugin.runs.costs import embedding_cost, networks_as_trained, training_cost
from coral_plugin.runs.finetune import is_finetuned
from coral_plugin.runs.folder import load_objective, read_result
from coral_plugin.runs.pictures import NO_PLANE, draw_evaluation, draw_umap
from coral_plugin.runs.robustness import (
    RobustnessSettings,
    choose_noises,
    curves_under_noise,
    draw_robustness,
    summarise_robustness,
)
from coral_plugin.runs.run import open_finished
from coral_plugin.runs.seed import score_at_matched_width
from coral_plugin.runs.settings import RunSettings
from coral_plugin.runs.summary import mean_and_std, summarise, summarise_missing, summarise_over_training
from coral_plugin.training.checkpoint import kept_weights

# the number that four modalities have; more are announced before they are scored
MANY_SUBSETS = 15
ROBUSTNESS = "evaluation-robustness.json"


@dataclass(frozen=True)
class Evaluation:
    """Result of ``coral evaluate``.

    Attributes:
        metrics: Scores in the form of ``metrics.json``.
        complexity: Cost of embedding one sample; with ``training`` if it was requested and the method trains.
        robustness: Content of ``evaluation-robustness.json``; None if it was not requested.
        pictures: Paths of the pictures of missing modalities, of the scores over the training, of noise and of UMAP,
            without ending.
    """

    metrics: dict[str, Any]
    complexity: dict[str, Any]
    robustness: dict[str, Any] | None = None
    pictures: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Extras:
    """Measurements besides the probes of the parts.

    Attributes:
        umap: Whether UMAP draws the embeddings of the first seed.
        over_training: Whether the weights that the training kept on its way (``training.keep_every``) are scored.
        missing: Subsets of modalities that are scored: ``all``, or names as in ``vision,audio+text``; None for none.
        performance: Whether the figures that MultiBench reports are computed.
        training: Whether the cost of the training is measured.
        robustness: Settings of the curves under noise; None for no curves.
    """

    umap: bool = False
    over_training: bool = False
    missing: str | None = None
    performance: bool = False
    training: bool = False
    robustness: RobustnessSettings | None = None


def evaluate(
    folder: Path, probe: ProbeSettings, extras: Extras | None = None, *, data_path: str | None = None
) -> Evaluation:
    """Probe every finished seed of the run in ``folder``.

    Writes ``evaluation-<probe>.json`` there, for missing modalities and for the scores over the training a picture into
    ``plots/``, and for robustness ``evaluation-robustness.json`` and a picture for each task.

    Args:
        folder: Run directory.
        probe: Probe settings.
        extras: Further measurements; None for none.
        data_path: New path of the data, if they were moved.

    Raises:
        InputError: no run, no finished seed, a folder that cannot be written, other data than it was trained on,
            nothing to score, or no weights on the way of the training where they are asked for.
        PluginError: UMAP is requested and not installed.
    """
    extras = extras or Extras()
    if extras.umap:
        require_umap()
    settings, data, seeds = open_finished(folder, data_path)
    if not os.access(folder, os.W_OK):
        raise InputError(
            f"{folder} cannot be written, and an evaluation leaves its scores there; evaluate a copy of it."
        )
    if absent := [str(seed) for seed in settings.seeds if seed not in seeds]:
        say(f"{folder}: without seed {', '.join(absent)} of its config.yaml, which is not finished there")
    too_large = too_large_note(data)
    if too_large and (extras.performance or extras.robustness is not None):
        raise InputError(f"{too_large}; leave out --performance and --robustness, which compare with it.")
    if too_large:
        sys.stderr.write(f"{too_large}\n")
    subsets = _subsets(extras.missing, data)
    kept = kept_epochs(folder, seeds, settings.training.epochs) if extras.over_training else ()
    noises = choose_noises(extras.robustness, data) if extras.robustness is not None else {}
    file = folder / f"evaluation-{probe.kind}.json"
    if lost := _lost(file, extras):
        say(f"{file} has {', '.join(lost)} of an earlier evaluation, which goes; ask for both in one call to keep them")
    baseline = None if too_large else fit_raw_baseline(data, probe)
    features, whole, results = _probed(folder, settings, data, probe, seeds)
    raw = {} if baseline is None else score_raw_baseline(data, probe, baseline)
    metrics = summarise(settings, data, results, raw, finetuned=is_finetuned(folder))
    metrics["probe"] = dataclasses.asdict(probe)
    if subsets:
        partial = {
            seed: score_missing(load_objective(folder, seed), data, probe, subsets, whole[seed], features[seed])
            for seed in seeds
        }
        test = probing_splits(data)["test"]
        missing = {subset: count_missing(test, subset) for subset in subsets}
        metrics["missing"] = summarise_missing(data, partial, missing)
    if kept:
        scores = {
            epochs: {seed: score_kept(folder, seed, epochs, data, probe) for seed in seeds} for epochs in kept
        } | {settings.training.epochs: {seed: result["scores"][ALL] for seed, result in results.items()}}
        metrics["over_training"] = summarise_over_training(data, scores)
    if extras.performance and baseline is not None:
        metrics["performance"] = _performance(data, baseline, features, whole)
    cost = _cost(folder, settings, data, results, training=extras.training)
    write_json(file, {**metrics, "complexity": cost})
    record, pictures = None, draw_evaluation(folder, metrics)
    if extras.robustness is not None and baseline is not None:
        curves = curves_under_noise(folder, data, baseline, whole, noises, extras.robustness.levels)
        record = summarise_robustness(settings, data, probe, extras.robustness, noises, curves)
        record |= {"finetuned": True} if is_finetuned(folder) else {}
        write_json(folder / ROBUSTNESS, record)
        pictures += draw_robustness(folder, record)
    if extras.umap:
        pictures += (drawn := draw_umap(folder, seeds[0], data))
        if not drawn:
            sys.stderr.write(f"no UMAP picture: {NO_PLANE}\n")
    return Evaluation(metrics, cost, record, tuple(pictures))


def _lost(file: Path, extras: Extras) -> list[str]:
    """Flags of what an earlier evaluation measured, and this one, which takes the place of its ``file``, does not."""
    if not file.is_file():
        return []
    try:
        earlier = read_json(file)
    except InputError:
        earlier = None
    if not isinstance(earlier, dict):  # damaged: there is nothing to lose
        return []
    flags = {"missing": extras.missing, "over_training": extras.over_training, "performance": extras.performance}
    return [f"--{name.replace('_', '-')}" for name, value in flags.items() if name in earlier and not value]


def kept_epochs(folder: Path, seeds: tuple[int, ...], epochs: int) -> list[int]:
    """Numbers of epochs before the last one whose weights every seed has kept.

    Raises:
        InputError: there are none.
    """
    kept = [
        number
        for number in range(epochs)
        if all((folder / f"seed-{seed}" / kept_weights(number)).is_file() for seed in seeds)
    ]
    if not kept:
        raise InputError(
            f"{folder} has no weights on the way that every seed has kept. coral train into a new folder keeps them "
            "with --set training.keep_every=N; a fine-tuning and a method that does not train have none."
        )
    sys.stderr.write(
        f"over the training: every seed is embedded and probed with {len(kept)} more states of its weights\n"
    )
    return kept


def score_kept(
    folder: Path, seed: int, epochs: int, data: MultimodalData, probe: ProbeSettings
) -> dict[str, dict[str, Any]]:
    """``{task: score}`` of the whole representation with the weights after so many epochs."""
    features = embed_data(load_objective(folder, seed, weights=kept_weights(epochs)), data)
    return score_parts(features, data, probe, parts=[ALL])[ALL]


def _probed(
    folder: Path, settings: RunSettings, data: MultimodalData, probe: ProbeSettings, seeds: tuple[int, ...]
) -> tuple[dict[int, Features], dict[int, dict[str, FittedProbe]], dict[int, dict[str, Any]]]:
    """Features, ``{task: probe}`` of all parts, and results as in ``result.json`` with new scores, each by seed."""
    features, whole, results = {}, {}, {}
    for seed in seeds:
        objective = load_objective(folder, seed)
        features[seed] = embed_data(objective, data)
        whole[seed] = fit_whole(features[seed], data, probe)
        scores = score_parts(features[seed], data, probe, whole=whole[seed])
        results[seed] = {
            **{key: value for key, value in read_result(folder / f"seed-{seed}").items() if key != "matched_width"},
            "scores": scores,
            **score_at_matched_width(features[seed], data, settings, probe, scores),
            "disentanglement": score_disentanglement(objective, data, features[seed]),
        }
    return features, whole, results


def _cost(
    folder: Path, settings: RunSettings, data: MultimodalData, results: dict[int, dict[str, Any]], *, training: bool
) -> dict[str, Any]:
    """Cost of embedding with the first seed and, if requested and there was one, of the training."""
    objective = networks_as_trained(folder, next(iter(results)))
    cost = embedding_cost(objective, data)
    trained = training_cost(folder, settings, data, objective, results) if training else None
    return cost if trained is None else {**cost, "training": trained}


def _performance(
    data: MultimodalData,
    baseline: RawBaseline,
    features: Mapping[int, Features],
    fitted: Mapping[int, Mapping[str, FittedProbe]],
) -> dict[str, Any]:
    """``{task: {"representation" | "raw": {figure: values of the seeds with mean and standard deviation}}}``."""
    figures = [score_performance(data, fitted[seed], parts["test"]) for seed, parts in features.items()]
    raw = score_performance(data, baseline.fitted, baseline.features["test"])
    return {
        task: {REPRESENTATION: _over_seeds([by_task[task] for by_task in figures]), RAW: _over_seeds([raw[task]])}
        for task in raw
    }


def score_performance(
    data: MultimodalData, fitted: Mapping[str, FittedProbe], test: Mapping[str, np.ndarray]
) -> dict[str, Figures]:
    """MultiBench's figures of each task from the features ``{part: (N, d)}`` of the test samples."""
    targets = probing_splits(data)["test"].targets
    figures = {}
    for task in data.tasks:
        truth = targets[task.name].cpu().numpy()
        score = fitted[task.name].score((concatenate(dict(test)), truth))
        figures[task.name] = multibench_figures(task, truth, score.predictions, score.outputs)
    return figures


def _over_seeds(figures: list[Figures]) -> dict[str, Any]:
    """Mean and standard deviation of the figures that are defined for every seed."""
    common = [name for name in figures[0] if all(name in by_name for by_name in figures)]
    return {name: mean_and_std([by_name[name] for by_name in figures]) for name in common}


def _subsets(missing: str | None, data: MultimodalData) -> tuple[Subset, ...]:
    names = [modality.name for modality in data.modalities]
    subsets = parse_subsets(missing, names) if missing is not None else ()
    if len(subsets) > MANY_SUBSETS:
        sys.stderr.write(
            f"{len(subsets)} subsets of {len(names)} modalities: each is embedded and probed twice per seed\n"
        )
    return subsets
