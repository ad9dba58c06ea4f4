"""Cross+Self: contrast between modalities, and between two views of each (specification 2.6, as run by CoMM)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from coral_plugin.losses import nt_xent
from coral_plugin.networks import NetworkSettings, projection_head
from coral_plugin.objectives.base import Step, check_numbers, training_recipe
from coral_plugin.objectives.pooled import PooledObjective, over_modalities, over_pairs


@dataclass(frozen=True, kw_only=True)
class CrossSelfSettings:
    """Settings of Cross+Self.

    Attributes:
        temperature: Divisor of the similarities of both terms.
        self_weight: Weight of the term within modalities.
    """

    temperature: float = 0.1
    self_weight: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(self, positive=["temperature"], weights=["self_weight"])


class CrossSelf(PooledObjective):
    """Cross+Self contrasts modalities with each other, without augmentation, and two augmented views of each.

    NT-Xent for both, through the same heads.

    For n = 2 modalities as published: the pair, and half the sum of the two self terms. For more, the means over all
    pairs and over all modalities. Represented by the encoders' vectors. The preset ``paper`` is CoMM's training on
    Trifeature, the only one that is known.
    """

    Settings = CrossSelfSettings
    needs_raw = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": training_recipe(3e-4, 1e-4) | {"network.head_hidden": 1024, "network.head_output": 256}
    }

    @staticmethod
    def head(width: int, network: NetworkSettings) -> nn.Sequential:
        """Three layers (specification 1.3)."""
        return projection_head(width, network.head_hidden, network.head_output)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``cross`` (on ``raw``), ``self`` (on the views; unweighted) and ``total``."""
        contrast = partial(nt_xent, temperature=self.settings.temperature)
        cross = over_pairs(contrast, self.projected(step.raw), step.raw)
        within = over_modalities(contrast, *self.project_two(step.first, step.second, self.heads), step.first)
        return {"cross": cross, "self": within, "total": cross + self.settings.self_weight * within}
