"""Features of frozen networks, and of no network at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from coral_plugin.data import Modality, Split
from coral_plugin.objectives import Objective
from coral_plugin.objectives.concat_raw import raw_values

ALL = "all"
EMBED_BATCH = 256


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Evaluation mode and no gradients inside; every module's own mode is restored after.

    ``no_grad``, not ``inference_mode``: a probe must be able to train on the features.
    """
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield module
    finally:
        for part, mode in modes.items():
            part.training = mode


def embed_split(objective: Objective, split: Split, *, projected: bool = False) -> dict[str, np.ndarray]:
    """Each part of the representation of all samples, ``{part: (N, d)}`` of float32, in evaluation mode.

    Args:
        objective: On the device on which it computes.
        split: Moved there batch by batch if it lies elsewhere.
        projected: The parts behind their projection heads instead.
    """
    device = next((p.device for p in objective.parameters()), torch.device("cpu"))
    collected: dict[str, list[np.ndarray]] = {}
    with frozen(objective):
        for batch in split.batches(EMBED_BATCH):
            moved = batch.to(device)
            parts = objective.projected(moved) if projected else objective.embed(moved)
            for name, part in parts.items():
                collected.setdefault(name, []).append(part.float().cpu().numpy())
    return {name: np.concatenate(pieces) for name, pieces in collected.items()}


def concatenate(parts: dict[str, np.ndarray]) -> np.ndarray:
    """The representation Z: all parts side by side, ``(N, sum of d)``."""
    return np.concatenate(list(parts.values()), axis=1)


def raw_features(split: Split, modalities: tuple[Modality, ...]) -> dict[str, np.ndarray]:
    """:func:`raw_values` of each modality, ``{modality: (N, d)}``: that every representation is compared with."""
    pieces: dict[str, list[np.ndarray]] = {modality.name: [] for modality in modalities}
    for batch in split.batches(EMBED_BATCH):
        for modality in modalities:
            pieces[modality.name].append(raw_values(modality, batch).cpu().numpy())
    return {name: np.concatenate(rows) for name, rows in pieces.items()}
