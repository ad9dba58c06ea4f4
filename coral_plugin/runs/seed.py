"""A trained seed of a run: its scores, as ``result.json`` holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from coral_plugin.data import MultimodalData, Split
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.evaluation.scoring import (
    Features,
    PartScores,
    embed_data,
    score_at_width,
    score_disentanglement,
    score_parts,
)
from coral_plugin.networks.factory import default_width
from coral_plugin.objectives import Objective
from coral_plugin.runs.settings import RunSettings
from coral_plugin.training.fit import Trained
from coral_plugin.training.randomness import fold, own_random_state


def untrained(build: Callable[[], Objective], seed: int, device: torch.device, train: Split) -> Trained:
    """A method that does not train, as if it were trained: no epochs, no time, and no ``metrics.csv``.

    Args:
        build: Function that makes the objective; called under the seed.
        seed: Seed of the run.
        device: Device of the objective.
        train: Training split, from which the objective may take statistics.
    """
    with own_random_state():
        torch.manual_seed(fold(seed, "weights"))
        objective = build().to(device)
        objective.observe(train)
    return Trained(objective=objective, history=[], seconds=0.0, samples_per_second=0.0, peak_memory_bytes=0)


def can_score(data: MultimodalData) -> bool:
    """Whether there are labels and a test split."""
    return bool(data.tasks) and data.test is not None


def score_seed(trained: Trained, seed: int, data: MultimodalData, settings: RunSettings) -> dict[str, Any]:
    """The content of ``result.json``: probe scores where there is something to score, and the training's record."""
    scores, matched, apart, width = {}, {}, {}, {}
    if can_score(data):
        features = embed_data(trained.objective, data)
        scores = score_parts(features, data, settings.probe)
        matched = score_at_matched_width(features, data, settings, settings.probe, scores)
        apart = score_disentanglement(trained.objective, data, features)
        width = {"width": sum(part.shape[1] for part in features["train"].values())}
    return {
        "seed": seed,
        "scores": scores,
        **width,
        **matched,
        "disentanglement": apart,
        "train": {
            "seconds": trained.seconds,
            "samples_per_second": trained.samples_per_second,
            "peak_memory_bytes": trained.peak_memory_bytes,
            "steps": trained.steps,
            "samples": trained.samples,
            "parameters": sum(p.numel() for p in trained.objective.parameters() if p.requires_grad),
        },
        "history": trained.history,
    }


def score_at_matched_width(
    features: Features, data: MultimodalData, settings: RunSettings, probe: ProbeSettings, scores: PartScores
) -> dict[str, Any]:
    """``{"matched_width": scores at the width of the networks of this data set}``; empty where that is off."""
    if not probe.matched_width:
        return {}
    width = settings.network.width or default_width(data.modalities)
    return {"matched_width": score_at_width(features, data, probe, width, scores)}
