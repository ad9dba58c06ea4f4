"""Trainings whose step ``stack_trial.py`` measures, and encoders in which ``vmap`` refuses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from speed_shapes import data_of, settings_of
from torch import Tensor, nn

from coral_plugin.data import Modality, MultimodalData, from_arrays
from coral_plugin.networks.encoders.affect import AffectTransformer
from coral_plugin.networks.encoders.images import SmallConv
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.runs.run import load_data
from coral_plugin.runs.settings import RunSettings, make_settings


class Padded(AffectTransformer):
    """The same numbers with padded steps in every layer: how many steps are valid differs from seed to seed."""

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """``(B, T, d)`` to ``(B, T, D)``."""
        steps = self.project(x)
        for layer in self.layers:
            steps = layer(steps, None, padding)
        return steps if padding is None else steps.masked_fill(padding.unsqueeze(-1), 0.0)


class ChannelsOutermost(SmallConv):
    """The same numbers in torch's usual memory layout: ``vmap`` knows no other one."""

    def __init__(self, modality: Modality, width: int, **options: Any) -> None:
        super().__init__(modality, width, **options)
        self.net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, channels, h, w)``, or ``(B, channels)`` with ``pool``."""
        return self._pooled(self.net(x))


def tables() -> MultimodalData:
    """1,000 samples of two tables with 20 and 30 features."""
    rng = np.random.default_rng(0)
    arrays = {f"train/{name}": rng.standard_normal((1000, width), np.float32) for name, width in (("a", 20), ("b", 30))}
    return from_arrays(arrays)


def sensors() -> MultimodalData:
    """1,000 windows of two sensors with three axes and 64 steps, and 6 features of the person."""
    rng = np.random.default_rng(0)
    shapes = {"acceleration": (64, 3), "rotation": (64, 3), "person": (6,)}
    return from_arrays({f"train/{name}": rng.standard_normal((1000, *s), np.float32) for name, s in shapes.items()})


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training whose step is measured.

    Attributes:
        words: Description for the table.
        source: Shape of ``speed_shapes.py``, ``digits``, or a function that makes the samples.
        method: Name of the objective.
        chosen: Settings that differ from the defaults.
        alone: Encoders of the steps one after the other, by modality.
        together: Equal encoders that ``vmap`` admits.
        seeds: Number of seeds.
    """

    words: str
    source: str | Callable[[], MultimodalData]
    method: str = "coral"
    chosen: Mapping[str, Any] = field(default_factory=dict)
    alone: Mapping[str, EncoderLike] = field(default_factory=dict)
    together: Mapping[str, EncoderLike] = field(default_factory=dict)
    seeds: int = 5

    def load(self) -> tuple[RunSettings, MultimodalData]:
        """Settings and samples."""
        if callable(self.source):
            return make_settings(self.method, "arrays", seeds=(0,), **self.chosen), self.source()
        if self.source == "digits":
            settings = make_settings(self.method, "digits", seeds=(0,), **self.chosen)
            return settings, load_data(settings)
        settings = settings_of(self.source, self.method, self.chosen)
        return settings, data_of(self.source, settings)


def _each(names: tuple[str, ...], encoder: type[nn.Module], **options: Any) -> dict[str, EncoderLike]:
    return dict.fromkeys(names, lambda modality, width: encoder(modality, width, **options))


_HALVES, _PAIR, _AFFECT = ("top", "bottom"), ("image1", "image2"), ("vision", "text")
_DIGITS: dict[str, Any] = {"source": "digits", "together": _each(_HALVES, ChannelsOutermost)}
_NARROW = {"network.width": 32, "network.head_hidden": 64, "network.head_output": 32, "training.batch_size": 32}
CASES = {
    "mosi": Case(
        words="MOSI's shapes, without dropout",
        source="mosi",
        seeds=2,  # five take 6 GiB
        alone=_each(_AFFECT, AffectTransformer, dropout=0.0),
        together=_each(_AFFECT, Padded, dropout=0.0, fused=False),
    ),
    "demo": Case(
        words="images of 32 px as in `coral demo`, all layers learnt",
        source="demo",
        alone=_each(_PAIR, SmallConv, pool=True),
        together=_each(_PAIR, ChannelsOutermost, pool=True),
    ),
    "digits": Case(words="digits, defaults", **_DIGITS),
    "digits-32": Case(words="digits, width 32", chosen={"network.width": 32}, **_DIGITS),
    "digits-comm": Case(words="digits, CoMM", method="comm", **_DIGITS),
    "digits-clip": Case(words="digits, CLIP", method="clip", **_DIGITS),
    "tables": Case(words="two tables, defaults", source=tables),
    "tables-32": Case(words="two tables, width 32", source=tables, chosen={"network.width": 32}),
    "tables-narrow": Case(words="two tables, width 32, heads 64 and 32, batches of 32", source=tables, chosen=_NARROW),
    "sensors": Case(words="sensors, defaults", source=sensors),
    "sensors-32": Case(words="sensors, width 32", source=sensors, chosen={"network.width": 32}),
    "sensors-narrow": Case(words="sensors, width 32, heads 64 and 32, batches of 32", source=sensors, chosen=_NARROW),
}
