"""SimCLR for each modality by itself (arXiv:2002.05709; specification 2.8, as run by CoMM on images)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from coral_plugin.losses import nt_xent
from coral_plugin.networks import NetworkSettings, projection_head
from coral_plugin.objectives.base import Step, check_numbers, training_recipe
from coral_plugin.objectives.pooled import PooledObjective, over_modalities


@dataclass(frozen=True, kw_only=True)
class SimclrSettings:
    """Settings of SimCLR.

    Attributes:
        temperature: Divisor of the similarities.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        check_numbers(self, positive=["temperature"])


class Simclr(PooledObjective):
    """SimCLR contrasts two augmented views of each modality by itself; no modality sees another.

    As published for one modality; for more, the mean over them, and the representation is all encoders' vectors. The
    heads of the preset ``paper`` are 4096 wide, which costs more than everything else on small data; those of
    ``small_head`` are as wide as COrAL's. Its training is not known; theirs is COrAL's.
    """

    min_modalities = 1
    Settings = SimclrSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": training_recipe(1e-4, 1e-3) | {"network.head_hidden": 4096, "network.head_output": 256},
        "small_head": training_recipe(1e-4, 1e-3) | {"network.head_hidden": 512, "network.head_output": 256},
    }

    @staticmethod
    def head(width: int, network: NetworkSettings) -> nn.Sequential:
        """Three layers (specification 1.3)."""
        return projection_head(width, network.head_hidden, network.head_output)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``self`` and ``total``, which are the same, on the two views."""
        contrast = partial(nt_xent, temperature=self.settings.temperature)
        within = over_modalities(contrast, *self.project_two(step.first, step.second, self.heads), step.first)
        return {"self": within, "total": within}
