"""Features of frozen networks, and raw features of no network at all, as arrays of float32."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from coral_plugin.data import Modality, MultimodalBatch, Split
from coral_plugin.objectives import Objective
from coral_plugin.objectives.concat_raw import raw_values

ALL = "all"
EMBED_BATCH = 256


@contextmanager
def evaluating(module: nn.Module) -> Iterator[nn.Module]:
    """Evaluation mode and no gradients inside; the mode of every submodule is restored afterwards.

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


def device_of(module: nn.Module) -> torch.device:
    """Device of the first parameter; the CPU for a module without parameters."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def embed_batch(objective: Objective, batch: MultimodalBatch, *, projected: bool = False) -> dict[str, np.ndarray]:
    """Each part of the representation of a batch as float32, ``{part: (B, d)}``, whatever precision computed it.

    Args:
        objective: Method in evaluation mode (:func:`evaluating`), on the device on which it computes.
        batch: Batch on any device.
        projected: The parts behind their projection heads instead.
    """
    moved = batch.to(device_of(objective))
    parts = objective.projected(moved) if projected else objective.embed(moved)
    return {name: part.float().cpu().numpy() for name, part in parts.items()}


def embed_split(objective: Objective, split: Split, *, projected: bool = False) -> dict[str, np.ndarray]:
    """Each part of the representation of all samples, ``{part: (N, d)}`` of float32, in evaluation mode.

    Args:
        objective: Method, on the device on which it computes.
        split: Samples on any device.
        projected: The parts behind their projection heads instead.
    """
    pieces: dict[str, list[np.ndarray]] = {}
    with evaluating(objective):
        for batch in split.batches(EMBED_BATCH):
            for name, part in embed_batch(objective, batch, projected=projected).items():
                pieces.setdefault(name, []).append(part)
    return {name: np.concatenate(arrays) for name, arrays in pieces.items()}


def project_parts(objective: Objective, parts: Mapping[str, np.ndarray], split: Split) -> dict[str, np.ndarray]:
    """:func:`embed_split` with ``projected``, from what it returns without: the encoders are not run again.

    Args:
        objective: Method; one without a method ``project_embedded`` embeds the samples anew.
        parts: Parts of the representation of all samples, ``{part: (N, d)}``.
        split: The same samples.
    """
    project: Any = getattr(objective, "project_embedded", None)
    if project is None:
        return embed_split(objective, split, projected=True)
    pieces: dict[str, list[np.ndarray]] = {}
    device = device_of(objective)
    with evaluating(objective):
        for number, batch in enumerate(split.batches(EMBED_BATCH)):
            rows = slice(number * EMBED_BATCH, (number + 1) * EMBED_BATCH)
            of_batch = {name: torch.from_numpy(part[rows]).to(device) for name, part in parts.items()}
            for name, part in project(of_batch, batch.to(device)).items():
                pieces.setdefault(name, []).append(part.float().cpu().numpy())
    return {name: np.concatenate(arrays) for name, arrays in pieces.items()}


def concatenate(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The representation Z: all parts side by side, ``(N, sum of d)``."""
    return np.concatenate(list(parts.values()), axis=1)


def raw_features(
    split: Split, modalities: tuple[Modality, ...], fill: Mapping[str, Tensor] | None = None
) -> dict[str, np.ndarray]:
    """:func:`raw_values` of each modality, ``{modality: (N, d)}``, with which every representation is compared.

    Args:
        split: Samples.
        modalities: Modalities of the features.
        fill: Values ``(d,)`` of samples without a modality (:func:`raw_means`); zeros by default.
    """
    pieces: dict[str, list[np.ndarray]] = {modality.name: [] for modality in modalities}
    for batch in split.batches(EMBED_BATCH):
        for modality in modalities:
            values = raw_values(modality, batch, None if fill is None else fill[modality.name])
            pieces[modality.name].append(values.cpu().numpy())
    return {name: np.concatenate(arrays) for name, arrays in pieces.items()}
