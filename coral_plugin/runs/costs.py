"""What a run costs: its training as it was, one training step counted, and embedding."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from coral_plugin.augmentations import build_augmenter
from coral_plugin.data import MultimodalData
from coral_plugin.evaluation.complexity import count_flops, inference_cost
from coral_plugin.evaluation.features import embed_split
from coral_plugin.evaluation.scoring import probing_splits
from coral_plugin.io.files import read_json
from coral_plugin.objectives import Objective
from coral_plugin.objectives.coral import Coral
from coral_plugin.runs.environment import read_environment
from coral_plugin.runs.finetune import MARK, freeze_heads
from coral_plugin.runs.folder import load_objective
from coral_plugin.runs.settings import RunSettings
from coral_plugin.training.randomness import own_random_state
from coral_plugin.training.step import TrainingStep


def embedding_cost(objective: Objective, data: MultimodalData) -> dict[str, Any]:
    """Inference cost of a trained seed (:mod:`coral_plugin.evaluation.complexity`), and the time of the test split."""
    split = probing_splits(data)["test"]
    batch = split.batch(torch.arange(min(64, len(split))))
    cost = inference_cost(objective, lambda: objective.embed(batch), batch.size)
    begin = time.perf_counter()
    embed_split(objective, split)
    return {**cost, "test": {"samples": len(split), "seconds": time.perf_counter() - begin}}


def networks_as_trained(folder: Path, seed: int) -> Objective:
    """A trained seed with the parameters that its last training left alone marked as such."""
    objective = load_objective(folder, seed)
    mark = folder / f"seed-{seed}" / MARK
    tuned = mark.is_file() and read_json(mark)["settings"]["loss"] == "contrastive"
    return freeze_heads(objective) if tuned and isinstance(objective, Coral) else objective


def training_cost(
    folder: Path,
    settings: RunSettings,
    data: MultimodalData,
    objective: Objective,
    results: Mapping[int, Mapping[str, Any]],
) -> dict[str, Any] | None:
    """Cost of the training; None for a method that does not train.

    Args:
        folder: Run directory.
        settings: Run settings.
        data: Data set of the run.
        objective: One trained seed; a copy of it does one step, of which the operations are counted.
        results: Content of ``result.json`` by seed.

    Returns:
        ``parameters`` (trained ones), ``flops_per_sample`` (of one step: two views, loss and gradients), and as the
        run recorded them, one per seed, ``seconds``, ``samples_per_second`` and ``peak_memory_bytes``, with
        ``memory_of`` (``process``, or ``device`` for a GPU's allocator); ``epochs``, ``samples`` of an epoch and
        ``batch_size``.
    """
    if not objective.trains:
        return None
    split = data.train if objective.needs_labels else data.unlabelled
    size = min(settings.training.batch_size, len(split))
    augmenter = build_augmenter(settings.augmentations, data.modalities, settings.plain_augmentations)
    training_step = TrainingStep(copy.deepcopy(objective).train(), augmenter, 0, 1)
    device = next((p.device for p in objective.parameters()), torch.device("cpu"))
    batch = split.batch(torch.arange(size)).to(device)
    with own_random_state(gpus=True):  # the step seeds torch's generator for dropout
        step = training_step.prepare(batch, 0)
        flops = count_flops(lambda: training_step(step)[0].backward(), gradients=True)
    training = [result["train"] for result in results.values()]
    return {
        "parameters": training[0]["parameters"],
        "flops_per_sample": flops / size,
        **{key: [record[key] for record in training] for key in ("seconds", "samples_per_second", "peak_memory_bytes")},
        "memory_of": "device" if _on_gpu(folder, settings) else "process",
        "epochs": max(len(result["history"]) for result in results.values()),  # fewer where one stopped early
        "samples": len(data.unlabelled),
        "batch_size": settings.training.batch_size,
    }


def _on_gpu(folder: Path, settings: RunSettings) -> bool:
    """Whether the run was trained on one; it may be evaluated elsewhere."""
    return settings.training.device != "cpu" and bool(read_environment(folder).get("gpu"))
