"""Score a finished run again."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from coral_plugin.data import MultimodalData
from coral_plugin.errors import InputError
from coral_plugin.evaluation.complexity import inference_cost
from coral_plugin.evaluation.density import require_umap
from coral_plugin.evaluation.features import embed_split
from coral_plugin.evaluation.missing import lacking, parse_subsets, score_missing
from coral_plugin.evaluation.plots import embedding_density
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.evaluation.scoring import embed_data, probing_splits, score_floor, score_parts, separate
from coral_plugin.experiments.folder import RESULT, load_objective, open_run, read_result
from coral_plugin.experiments.pictures import PLOTS
from coral_plugin.experiments.run import load_data
from coral_plugin.experiments.summary import summarise, summarise_missing
from coral_plugin.files import write_json

# more than four modalities have: worth a word before it begins
MANY_SUBSETS = 15


@dataclass(frozen=True)
class Evaluation:
    """What ``coral evaluate`` found.

    Attributes:
        metrics: In the form of ``metrics.json``.
        complexity: Cost of embedding one sample.
    """

    metrics: dict[str, Any]
    complexity: dict[str, Any]


def evaluate(
    folder: Path,
    probe: ProbeSettings,
    *,
    data_path: str | None = None,
    umap: bool = False,
    missing: str | None = None,
) -> Evaluation:
    """Probe every finished seed of the run in ``folder``; writes ``evaluation-<probe>.json`` there.

    Args:
        folder: Run directory.
        probe: Which probe.
        data_path: Where the data lie now, if they were moved.
        umap: Also draw the embeddings of the first seed with UMAP.
        missing: Also score subsets of the modalities: ``all``, or those named, as in ``vision,audio+text``.

    Raises:
        InputError: no run, no finished seed, other data than it was trained on, or nothing to score.
        PluginError: UMAP is asked for and not installed.
    """
    if umap:
        require_umap()
    settings, record = open_run(folder)
    if data_path is not None:
        settings = dataclasses.replace(settings, data=data_path)
    data = load_data(settings)
    if data.fingerprint != record["fingerprint"]:
        raise InputError(f"The data are not those of the run in {folder}: their fingerprint differs. Give --data PATH.")
    seeds = [seed for seed in settings.seeds if (folder / f"seed-{seed}" / RESULT).is_file()]
    if not seeds:
        raise InputError(f"{folder} has no finished seed; go on with coral train --resume.")
    names = [modality.name for modality in data.modalities]
    subsets = parse_subsets(missing, names) if missing is not None else ()
    if len(subsets) > MANY_SUBSETS:
        sys.stderr.write(
            f"{len(subsets)} subsets of {len(names)} modalities: each is embedded and probed twice a seed\n"
        )
    results, partial = {}, {}
    for seed in seeds:
        objective = load_objective(folder, seed)
        finished = read_result(folder / f"seed-{seed}")
        scores = score_parts(embed_data(objective, data), data, probe)
        results[seed] = {**finished, "scores": scores, "disentanglement": separate(objective, data)}
        if subsets:
            partial[seed] = score_missing(objective, data, probe, subsets)
    metrics = summarise(settings, data, results, score_floor(data, probe))
    metrics["probe"] = dataclasses.asdict(probe)
    if subsets:
        test = probing_splits(data)["test"]
        metrics["missing"] = summarise_missing(data, partial, {subset: lacking(test, subset) for subset in subsets})
    cost = _cost(folder, seeds[0], data)
    write_json(folder / f"evaluation-{probe.kind}.json", {**metrics, "complexity": cost})
    if umap:
        _draw_umap(folder, seeds[0], data)
    return Evaluation(metrics, cost)


def _cost(folder: Path, seed: int, data: MultimodalData) -> dict[str, Any]:
    objective = load_objective(folder, seed)
    split = probing_splits(data)["test"]
    batch = split.batch(torch.arange(min(64, len(split))))
    return inference_cost(objective, lambda: objective.embed(batch), batch.size)


def _draw_umap(folder: Path, seed: int, data: MultimodalData) -> None:
    objective = load_objective(folder, seed)
    splits = probing_splits(data)
    train = embed_split(objective, splits["train"], projected=True)
    test = embed_split(objective, splits["test"], projected=True)
    embedding_density(folder / PLOTS / "embeddings-umap", train, test, method="umap")
