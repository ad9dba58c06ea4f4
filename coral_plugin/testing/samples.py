"""Small made-up samples of every kind of modality: something to learn, padding, and modalities that are missing."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.data import Modality, MultimodalBatch, Task
from coral_plugin.data.padding import valid_steps
from coral_plugin.networks.encoders.affect import AffectTransformer
from coral_plugin.networks.encoders.images import SmallConv
from coral_plugin.networks.encoders.series import Conv1d
from coral_plugin.networks.encoders.tabular import MLP

SAMPLE_TASK = Task(name="label", kind="classification", classes=("a", "b", "c"))
# the first two bring padding and, in its encoder, batch normalisation
_KINDS = (
    Modality(name="words", kind="sequence", shape=(6, 4)),
    Modality(name="image", kind="image", shape=(1, 6, 6)),
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="series", kind="timeseries", shape=(8, 3)),
)
_CAUSES = 3


def make_modalities(count: int) -> tuple[Modality, ...]:
    """The first ``count`` of ``words``, ``image``, ``table``, ``series``, ``words2``, ...

    >>> [modality.name for modality in make_modalities(5)]
    ['words', 'image', 'table', 'series', 'words2']
    """
    rounds = enumerate(islice(cycle(_KINDS), count))
    return tuple(
        replace(kind, name=f"{kind.name}{place // len(_KINDS) + 1}") if place >= len(_KINDS) else kind
        for place, kind in rounds
    )


def tiny_encoder(modality: Modality, width: int) -> nn.Module:
    """A small encoder of any kind of modality."""
    match modality.kind:
        case "sequence":
            return AffectTransformer(modality, width, layers=1, heads=2, feedforward=8, dropout=0.0)
        case "image":
            return SmallConv(modality, width, channels=4, most=8, grid=2)
        case "timeseries":
            return Conv1d(modality, width, channels=(8,))
    return MLP(modality, width)


def make_samples(
    modalities: tuple[Modality, ...], size: int = 8, *, seed: int = 0, missing: bool = False
) -> MultimodalBatch:
    """``size`` samples: all modalities show the same three causes, the class is the strongest of them; float64.

    Args:
        modalities: Modalities of any kind.
        size: Number of samples.
        seed: Seed of the values.
        missing: Whether some samples lack a modality (none lacks all).
    """
    stream = torch.Generator().manual_seed(seed)
    fixed = torch.Generator().manual_seed(12345)  # how causes become values is the same for every seed
    causes = torch.randn(size, _CAUSES, generator=stream, dtype=torch.float64)
    values, padding = {}, {}
    for modality in modalities:
        shape = modality.shape
        if modality.kind == "sequence":
            shape = (max(1, shape[0] - 2), shape[1])
        weights = torch.randn(_CAUSES, *modality.shape, generator=fixed, dtype=torch.float64)
        if modality.kind == "sequence":
            weights = weights[:, : shape[0]]
        shown = torch.tensordot(causes, weights, dims=1)
        shown = shown + 0.1 * torch.randn(shown.shape, generator=stream, dtype=torch.float64)
        if modality.kind == "image":
            shown = shown.sigmoid()
        if modality.kind == "sequence":
            lengths = shape[0] - torch.arange(size) % shape[0]
            padding[modality.name] = ~valid_steps(shown, lengths)
            shown = shown.masked_fill(padding[modality.name].unsqueeze(-1), 0.0)
        values[modality.name] = shown
    present = presence_flags(modalities, size) if missing and len(modalities) > 1 else {}
    return MultimodalBatch(values, padding, {SAMPLE_TASK.name: causes.argmax(dim=1)}, torch.arange(size), present)


def presence_flags(modalities: tuple[Modality, ...], size: int) -> dict[str, Tensor]:
    """Each modality is missing in every (n + 1)-th sample, each from another."""
    rows = torch.arange(size) % (len(modalities) + 1)
    return {modality.name: rows != place for place, modality in enumerate(modalities)}


def view(batch: MultimodalBatch, seed: int) -> MultimodalBatch:
    """The same samples with a little noise where there is no padding."""
    stream = torch.Generator().manual_seed(seed)
    noisy = {}
    for name, value in batch.items():
        noise = 0.1 * torch.randn(value.shape, generator=stream, dtype=torch.float64).to(value.dtype)
        if name in batch.padding:
            noise = noise.masked_fill(batch.padding[name].unsqueeze(-1), 0.0)
        noisy[name] = value + noise
    return batch.with_values(noisy)


def under_padding(batch: MultimodalBatch, fill: float) -> MultimodalBatch:
    """The batch with ``fill`` in every padded step."""
    return batch.with_values(
        {n: v.masked_fill(batch.padding[n].unsqueeze(-1), fill) if n in batch.padding else v for n, v in batch.items()}
    )


def pad_longer(batch: MultimodalBatch, steps: int) -> MultimodalBatch:
    """The batch with more padded steps at the end of what has padding."""
    values = {n: F.pad(v, (0, 0, 0, steps)) if n in batch.padding else v for n, v in batch.items()}
    padding = {name: F.pad(mask, (0, steps), value=True) for name, mask in batch.padding.items()}
    return replace(batch, tensors=values, padding=padding)


def fill_missing(batch: MultimodalBatch, fill: float) -> MultimodalBatch:
    """The batch with ``fill`` wherever a sample lacks a modality."""
    values = {name: value.clone() for name, value in batch.items()}
    for name, present in batch.present.items():
        values[name][~present] = fill
    return batch.with_values(values)


def rows_of(batch: MultimodalBatch, rows: Tensor) -> MultimodalBatch:
    """Some samples of the batch, in the order of ``rows``."""

    def taken(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor[rows] for name, tensor in tensors.items()}

    index = None if batch.index is None else batch.index[rows]
    return MultimodalBatch(
        taken(batch.tensors), taken(batch.padding), taken(batch.targets), index, taken(batch.present)
    )


def as_type(batch: MultimodalBatch, dtype: torch.dtype) -> MultimodalBatch:
    """The batch with values of another floating-point type."""
    return batch.with_values({name: value.to(dtype) for name, value in batch.items()})
