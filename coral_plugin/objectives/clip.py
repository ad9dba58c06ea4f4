"""CLIP: contrast between modalities with a learned scale (arXiv:2103.00020; specification 2.5; "Cross" in tables)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch
from coral_plugin.losses import clip_loss
from coral_plugin.networks import EncoderBuilders, NetworkSettings
from coral_plugin.objectives.base import Step, training_recipe
from coral_plugin.objectives.pooled import PooledObjective, over_pairs
from coral_plugin.registry import suggest

Represent = Literal["projected", "encoded"]
SCALE = math.log(1 / 0.07)
SCALE_RANGE = 0.0, math.log(100)


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Settings of CLIP.

    Attributes:
        represent: Vectors that are probed: ``projected``, the outputs of the projections without normalisation (as
            published), or ``encoded``, the vectors in front of them.
    """

    represent: Represent = "projected"

    def __post_init__(self) -> None:
        if self.represent not in get_args(Represent):
            raise suggest(str(self.represent), list(get_args(Represent)), "value of method.represent")


class Clip(PooledObjective):
    """CLIP pulls the modalities of a sample together and pushes those of other samples away, without augmentation.

    As published for two modalities; for more, the mean over all pairs.

    The preset ``paper`` is the training that the COrAL paper gave it, ``trifeature`` is CoMM's on Trifeature: 256 wide
    encoders (averaged over the grid here, flattened there), projections to 512.
    """

    Settings = ClipSettings
    needs_raw = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": training_recipe(1e-3, 1e-2),
        "trifeature": training_recipe(3e-4, 1e-4) | {"network.width": 256, "network.head_output": 512},
    }

    def build(self, builders: EncoderBuilders) -> None:
        """The networks of :class:`PooledObjective`, and a scale of the similarities."""
        super().build(builders)
        self.logit_scale = nn.Parameter(torch.tensor(SCALE))  # no dimensions, hence no weight decay

    @staticmethod
    def head(width: int, network: NetworkSettings) -> nn.Linear:
        """A linear map without bias, of standard deviation ``width ** -0.5``."""
        head = nn.Linear(width, network.head_output, bias=False)
        nn.init.normal_(head.weight, std=width**-0.5)
        return head

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """The projection (B, head_output) or the encoder's vector (B, D) of each modality that the batch has."""
        return self.projected(batch) if self.settings.represent == "projected" else super().embed(batch)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``cross`` and ``total``, which are the same, on ``raw`` (specification 1.2)."""
        cross = self.cross(step.raw)
        return {"cross": cross, "total": cross}

    def cross(self, batch: MultimodalBatch) -> Tensor:
        """Mean of the CLIP loss over the pairs of modalities."""
        return over_pairs(partial(clip_loss, scale=self.scale()), self.projected(batch), batch)

    def scale(self) -> Tensor:
        """``exp(t)`` in [1, 100], a scalar."""
        # The parameter itself is put back into its range: a clamp in the graph has no gradient outside of it, where t
        # would stay for good, and a straight-through one lets t wander off further and further. Put back, t is at most
        # at the edge with its true gradient and leaves it as soon as that points inwards. No training loop is needed.
        with torch.no_grad():
            self.logit_scale.clamp_(*SCALE_RANGE)
        return self.logit_scale.exp()
