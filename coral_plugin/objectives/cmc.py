"""CMC: contrastive multiview coding, all pairs of modalities (arXiv:1906.05849; specification 2.7, as run by CoMM)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from coral_plugin.losses import nt_xent
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives.base import Step, check_numbers, training_recipe
from coral_plugin.objectives.pooled import PooledObjective, over_pairs


@dataclass(frozen=True, kw_only=True)
class CmcSettings:
    """Settings of CMC.

    Attributes:
        temperature: Divisor of the similarities.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        check_numbers(self, positive=["temperature"])


class Cmc(PooledObjective):
    """CMC contrasts all pairs of modalities, without augmentation; negatives are of the same modality, too.

    Mean NT-Xent over the pairs, behind linear heads without bias.

    Represented by the encoders' vectors. The heads of the preset ``paper`` are those for Vision&Touch (512 to 256), of
    ``affect`` those for UR-FUNNY (40 to 13). Its training is not known; theirs is
    COrAL's.
    """

    Settings = CmcSettings
    needs_raw = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": training_recipe(1e-4, 1e-3) | {"network.head_output": 256},
        "affect": training_recipe(1e-4, 1e-3) | {"network.head_output": 13},
    }

    @staticmethod
    def head(width: int, network: NetworkSettings) -> nn.Linear:
        """A linear map without bias."""
        return nn.Linear(width, network.head_output, bias=False)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``cross`` and ``total``, which are the same, on ``raw``."""
        contrast = partial(nt_xent, temperature=self.settings.temperature)
        cross = over_pairs(contrast, self.projected(step.raw), step.raw)
        return {"cross": cross, "total": cross}
