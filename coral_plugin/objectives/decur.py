"""DeCUR: decoupled common and unique representations by split dimensions (arXiv:2309.05300; specification 2.11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor

from coral_plugin.errors import InputError
from coral_plugin.losses.cross_correlation import barlow_twins, decoupled
from coral_plugin.networks import NetworkSettings
from coral_plugin.networks.heads import ProjectionHead, projection_head
from coral_plugin.objectives.base import Step, check_numbers, over_batch, training_recipe
from coral_plugin.objectives.pooled import PooledObjective


@dataclass(frozen=True, kw_only=True)
class DecurSettings:
    """Settings of DeCUR.

    Attributes:
        common_share: Share of the projected dimensions that the modalities have in common, in (0, 1]; published are
            0.875 (radar and multispectral images) and 0.75 (colour and depth images).
        redundancy_weight: Weight of the correlations between different dimensions.
    """

    common_share: float = 0.875
    redundancy_weight: float = 0.0051

    def __post_init__(self) -> None:
        check_numbers(self, weights=["redundancy_weight"])
        if not 0 < self.common_share <= 1:
            raise InputError(f"method.common_share is a share above 0 and up to 1, got {self.common_share}.")


_TRAINING = training_recipe(1e-4, 1e-4, batch_size=256, schedule="cosine", warmup=0.0)
_HEAD = {"network.head_hidden": 8192, "network.head_output": 8192}


class Decur(PooledObjective):
    """DeCUR makes modalities agree on some dimensions and not on the others, by cross-correlation (Barlow Twins).

    Between two modalities the first ``common_share`` of the projected dimensions shall agree and the others shall not
    correlate; within a modality all dimensions of two views agree. For n = 2 modalities the mean of the three terms, as
    the code has it; for more, the mean over all modalities and pairs. Represented by the encoders' vectors.

    The heads of the preset ``paper`` are 8192 wide, which costs more than everything else on small data; those of
    ``small_head`` are as wide as COrAL's. ``depth`` is the recipe for colour and depth images.
    """

    Settings = DecurSettings
    # the training of the transformer backbones: AdamW, cosine; the decay is the default of the code
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": _TRAINING | _HEAD,
        "depth": _TRAINING | {"training.epochs": 200, "training.batch_size": 128, "method.common_share": 0.75} | _HEAD,
        "small_head": _TRAINING | {"network.head_hidden": 512, "network.head_output": 256},
    }

    @staticmethod
    def head(width: int, network: NetworkSettings) -> ProjectionHead:
        """Three linear layers without biases, batch normalisation and ReLU between."""
        return projection_head(width, network.head_hidden, network.head_output, bias=False)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``within/<modality>``, ``between/<modality>/<modality>``; ``total``: the mean (specification 2.11)."""
        one, two = self.project_two(step.first, step.second, self.heads)
        weight, batch = self.settings.redundancy_weight, step.first
        within = partial(barlow_twins, redundancy_weight=weight)
        between = partial(decoupled, common=self.common_dimensions(), redundancy_weight=weight)
        terms = {
            f"within/{name}": over_batch(within, one[name], two[name], present=batch.all_present(name)) for name in one
        }
        terms |= {
            f"between/{a}/{b}": over_batch(between, one[a], one[b], present=batch.all_present(a, b))
            for a, b in combinations(one, 2)
        }
        return {**terms, "total": torch.stack(list(terms.values())).mean()}

    def common_dimensions(self) -> int:
        """Number of projected dimensions that the modalities have in common, at least one."""
        return max(1, round(self.settings.common_share * self.network.head_output))
