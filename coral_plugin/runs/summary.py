"""The content of ``metrics.json``, made from the results of the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from coral_plugin.data import MultimodalData
from coral_plugin.evaluation.features import ALL
from coral_plugin.evaluation.metrics import Scores, chance_levels
from coral_plugin.runs.settings import RunSettings

METRICS_SCHEMA = 2


def summarise(
    settings: RunSettings,
    data: MultimodalData,
    results: Mapping[int, Mapping[str, Any]],
    raw: Mapping[str, Any],
    *,
    finetuned: bool = False,
) -> dict[str, Any]:
    """The content of ``metrics.json`` (docs/design.md; schema 2) from the results of the seeds.

    Args:
        settings: Run settings.
        data: Data set of the run.
        results: ``{seed: content of its result.json}``.
        raw: Scores of the raw features.
        finetuned: Whether the networks were trained further with labels.
    """
    seeds, levels = list(results), chances(data)
    parts = {
        part: {
            task.name: _over_seeds(levels[task.name], [results[seed]["scores"][part][task.name] for seed in seeds])
            for task in data.tasks
        }
        for part in results[seeds[0]]["scores"]
    }
    training = [results[seed]["train"] for seed in seeds]
    return {
        "schema": METRICS_SCHEMA,
        "objective": settings.objective,
        "dataset": settings.dataset,
        "data": data.name,
        "fingerprint": data.fingerprint,
        "preset": settings.preset,
        **({"finetuned": True} if finetuned else {}),
        "modalities": [modality.name for modality in data.modalities],
        "samples": {label: len(split) for label, split in data.splits().items()},
        "seeds": seeds,
        "tasks": parts.pop(ALL, {}),
        "parts": parts,
        # of the representation that is probed, the same for all seeds; records of earlier versions lack it
        **({"width": results[seeds[0]]["width"]} if "width" in results[seeds[0]] else {}),
        **_matched(levels, results),
        # "floor" in schema 1
        "raw_features": {
            part: {task.name: _over_seeds(levels[task.name], [raw[part][task.name]]) for task in data.tasks}
            for part in raw
        },
        **_unconverged(results),
        "disentanglement": {str(seed): results[seed]["disentanglement"] for seed in seeds},
        "train": {
            "epochs": max(len(result["history"]) for result in results.values()),  # fewer where one stopped early
            "samples_per_second": statistics.mean(t["samples_per_second"] for t in training),
            "seconds": sum(t["seconds"] for t in training),
            "peak_memory_bytes": max(t["peak_memory_bytes"] for t in training),
            "parameters": training[0]["parameters"],
            # of a seed, where all have the same; records of earlier versions lack them
            **{
                key: training[0][key]
                for key in ("steps", "samples")
                if key in training[0] and len({of_seed.get(key) for of_seed in training}) == 1
            },
        },
    }


def _unconverged(results: Mapping[int, Mapping[str, Any]]) -> dict[str, dict[str, list[int]]]:
    """``unconverged``: ``{part: seeds}`` of probes that stopped before they had converged, where there are any."""
    seeds_of: dict[str, list[int]] = {}
    for seed, result in results.items():
        for part, by_task in result["scores"].items():
            if any("note" in score.get("setting", {}) for score in by_task.values()):
                seeds_of.setdefault(part, []).append(seed)
    return {"unconverged": seeds_of} if seeds_of else {}


def summarise_missing(
    data: MultimodalData,
    results: Mapping[int, Mapping[tuple[str, ...], Mapping[str, Mapping[str, Any]]]],
    missing: Mapping[tuple[str, ...], int],
) -> list[dict[str, Any]]:
    """``missing`` of an evaluation: an entry for each subset of the modalities, with the seeds together.

    Args:
        data: Data set whose tasks were scored.
        results: ``{seed: {subset: {"complete" | "refitted": {task: score}}}}``.
        missing: Number of test samples without any modality of a subset.
    """
    seeds, levels = list(results), chances(data)
    return [
        {
            "modalities": list(subset),
            "without": missing[subset],
            **{
                kind: {
                    task.name: _over_seeds(
                        levels[task.name], [results[seed][subset][kind][task.name] for seed in seeds]
                    )
                    for task in data.tasks
                }
                for kind in ("complete", "refitted")
            },
        }
        for subset in results[seeds[0]]
    ]


def summarise_over_training(
    data: MultimodalData, results: Mapping[int, Mapping[int, Mapping[str, Mapping[str, Any]]]]
) -> list[dict[str, Any]]:
    """``over_training`` of an evaluation: an entry for each number of epochs, with the seeds together.

    Args:
        data: Data set whose tasks were scored.
        results: ``{epochs that were over: {seed: {task: score}}}``.
    """
    levels = chances(data)
    return [
        {
            "epochs": epochs,
            "tasks": {
                task.name: _over_seeds(levels[task.name], [scores[task.name] for scores in by_seed.values()])
                for task in data.tasks
            },
        }
        for epochs, by_seed in sorted(results.items())
    ]


def mean_and_std(values: list[float]) -> dict[str, Any]:
    """Values of the seeds with mean and sample standard deviation, which is None for one seed."""
    std = statistics.stdev(values) if len(values) > 1 else None
    return {"values": values, "mean": statistics.mean(values), "std": std}


def _matched(levels: Mapping[str, Scores], results: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """``matched_width``, where every seed was scored at the same width; records of older versions have none."""
    records = [result.get("matched_width") for result in results.values()]
    widths = {record["width"] for record in records if record}
    if not all(records) or len(widths) > 1:
        return {}
    tasks = {
        task: _over_seeds(levels[task], [record["scores"][task] for record in records if record]) for task in levels
    }
    return {"matched_width": {"width": widths.pop(), "tasks": tasks}}


def chances(data: MultimodalData) -> dict[str, Scores]:
    """``{task: {metric: level of chance}}`` on the test samples; empty where there are none."""
    test = data.test
    return (
        {task.name: chance_levels(test.targets[task.name].cpu().numpy(), task) for task in data.tasks} if test else {}
    )


def _over_seeds(levels: Scores, scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Values of the seeds with mean and sample standard deviation (null for one seed), other metrics beside them.

    The level of chance of each metric stands beside its values, where it has one. A metric that is not defined for a
    seed is left out: its mean would be one of other seeds.
    """

    def entry(metric: str, values: list[float]) -> dict[str, Any]:
        chance = {"chance": levels[metric]} if metric in levels else {}
        return {**chance, **mean_and_std(values)}

    common = [name for name in scores[0]["also"] if all(name in score["also"] for score in scores)]
    also = {name: entry(name, [score["also"][name] for score in scores]) for name in common}
    metric = scores[0]["metric"]
    return {"metric": metric, **entry(metric, [score["value"] for score in scores]), "also": also}


def short_scores(metrics: Mapping[str, Any]) -> str:
    """The scores of ``metrics.json`` in a line, each beside raw features and chance; empty where there are none."""
    raw = metrics.get("raw_features", {}).get("all", {})
    texts = []
    for task, score in metrics["tasks"].items():
        levels = {"raw features": raw.get(task, {}).get("mean"), "chance": score.get("chance")}
        references = ", ".join(f"{name} {level:.3f}" for name, level in levels.items() if level is not None)
        texts.append(f"{task} {score['metric']} {score['mean']:.3f}" + (f" ({references})" if references else ""))
    return "; ".join(texts)
