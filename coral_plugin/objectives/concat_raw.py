"""Raw features: the values side by side, without any network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from coral_plugin.data import Modality, MultimodalBatch, Split
from coral_plugin.errors import InputError
from coral_plugin.networks import EncoderBuilders, module_key
from coral_plugin.objectives.base import Objective, Step

MOST = 2048
_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class ConcatRawSettings:
    """Settings of the raw features.

    Attributes:
        most: Greatest number of values of an image; larger ones are averaged over blocks.
    """

    most: int = MOST

    def __post_init__(self) -> None:
        if self.most < 1:
            raise InputError(f"method.most must be at least 1, got {self.most}.")


class ConcatRaw(Objective):
    """Raw features are the values as they are; a method that scores below them has lost information.

    Nothing is trained and there are no parameters, so every seed gives the same. What a sample lacks is filled with the
    mean of train.
    """

    Settings = ConcatRawSettings
    min_modalities = 1
    trains = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}}

    def build(self, builders: EncoderBuilders) -> None:
        """Zeros in place of the means, until :meth:`observe` takes them."""
        del builders
        for modality in self.modalities:
            empty = MultimodalBatch({modality.name: torch.zeros(1, *modality.shape)})
            fill = torch.zeros_like(raw_values(modality, empty, most=self.settings.most)[0])
            self.register_buffer(module_key(modality.name), fill)

    def observe(self, train: Split) -> None:
        """Take the means of train, with which missing values are filled."""
        for name, mean in raw_means(train, self.modalities, most=self.settings.most).items():
            self.get_buffer(module_key(name)).copy_(mean)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """There is none.

        Raises:
            InputError: always.
        """
        del step
        raise InputError("concat_raw has nothing to train; embed with it.")

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``{modality: (B, d)}``, :func:`raw_values` of each; the mean of train of those that the batch lacks."""
        parts = {}
        for modality in self.modalities:
            fill = self.get_buffer(module_key(modality.name))
            parts[modality.name] = (
                raw_values(modality, batch, fill, most=self.settings.most)
                if modality.name in batch
                else fill.expand(batch.size, -1)
            )
        return parts


def raw_means(train: Split, modalities: tuple[Modality, ...], *, most: int = MOST) -> dict[str, Tensor]:
    """Mean ``(d,)`` of :func:`raw_values` of each modality over the samples of train that have it."""
    sums: dict[str, Tensor] = {}
    counts = dict.fromkeys((modality.name for modality in modalities), 0)
    for batch in train.batches(_BATCH):
        for modality in modalities:
            name = modality.name
            total = raw_values(modality, batch, most=most).double().sum(dim=0)
            sums[name] = sums[name] + total if name in sums else total
            present = batch.all_present(name)
            counts[name] += batch.size if present is None else int(present.sum())
    return {name: (total / max(1, counts[name])).float() for name, total in sums.items()}


def raw_values(modality: Modality, batch: MultimodalBatch, fill: Tensor | None = None, *, most: int = MOST) -> Tensor:
    """Flattened values of one modality, ``(B, d)`` of float32; padding is zero.

    Samples that lack the modality have ``fill`` (d,), or zeros. Images with more than ``most`` values are averaged over
    blocks of 2 x 2 until they have no more (or one row or column is left); series are filled up to the modality's
    length, so d is the same for every batch.
    """
    values = batch[modality.name].float()
    if modality.kind == "image":
        while math.prod(values.shape[1:]) > most and min(values.shape[2:]) > 1:
            values = F.avg_pool2d(values, 2, ceil_mode=True)
    elif modality.temporal:
        if (padding := batch.padding.get(modality.name)) is not None:
            values = values.masked_fill(padding.unsqueeze(-1), 0.0)
        values = F.pad(values[:, : modality.shape[0]], (0, 0, 0, max(0, modality.shape[0] - values.shape[1])))
    values = values.flatten(1)
    present = batch.all_present(modality.name)
    # not a product: a missing value may be stored as not a number
    if present is None:
        return values
    return torch.where(present.unsqueeze(1), values, 0.0 if fill is None else fill.to(values.device))
