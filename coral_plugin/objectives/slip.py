"""SLIP: CLIP, and SimCLR within modalities through the same encoders (arXiv:2112.12750; specification 2.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from coral_plugin.errors import InputError
from coral_plugin.losses import nt_xent
from coral_plugin.networks import EncoderBuilders, module_key, projection_head
from coral_plugin.objectives.base import Step, check_numbers, training_recipe
from coral_plugin.objectives.clip import Clip, ClipSettings
from coral_plugin.objectives.pooled import over_modalities
from coral_plugin.registry import suggest


@dataclass(frozen=True, kw_only=True)
class SlipSettings(ClipSettings):
    """Settings of SLIP.

    Attributes:
        represent: Vectors that are probed: ``projected``, the outputs of CLIP's projections without normalisation (as
            published), or ``encoded``, the vectors in front of them.
        temperature: Divisor of the similarities of the self term.
        self_weight: Weight of the self term.
        self_modalities: Modalities with a self term; by default the images, or all where there are no images.
    """

    temperature: float = 0.1
    self_weight: float = 1.0
    self_modalities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, positive=["temperature"], weights=["self_weight"])
        if isinstance(self.self_modalities, str):
            raise InputError(f"method.self_modalities is a list of names, got {self.self_modalities!r}.")


class Slip(Clip):
    """SLIP is CLIP with one more contrast: between two augmented views of some of the modalities.

    The self term is NT-Xent behind heads of its own.

    As published for an image and a text; over several pairs, and several modalities with a self term, the means. The
    self heads of the preset ``paper`` are 4096 wide, which costs more than everything else on small data; those of
    ``small_head`` are as wide as COrAL's. Its training is not known; theirs is COrAL's.

    Raises:
        InputError: fewer than two modalities, or a self term for a modality that is not there.
    """

    Settings = SlipSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": training_recipe(1e-4, 1e-3) | {"network.head_hidden": 4096, "network.head_output": 256},
        "small_head": training_recipe(1e-4, 1e-3) | {"network.head_hidden": 512, "network.head_output": 256},
    }

    def build(self, builders: EncoderBuilders) -> None:
        """The networks of :class:`Clip`, and the heads of the self terms.

        Raises:
            InputError: a self term for a modality that is not there.
        """
        super().build(builders)
        names = [m.name for m in self.modalities]
        for name in self.settings.self_modalities:
            if name not in names:
                raise suggest(name, names, "modality in method.self_modalities")
        images = [m.name for m in self.modalities if m.kind == "image"]
        self.self_names = list(dict.fromkeys(self.settings.self_modalities)) or images or names
        self.self_heads = nn.ModuleDict(
            {
                module_key(name): projection_head(self.width, self.network.head_hidden, self.network.head_output)
                for name in self.self_names
            }
        )

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``cross`` (on ``raw``), ``self`` (on the views; unweighted) and ``total``."""
        cross = self.cross(step.raw)
        first, second = step.first.select(self.self_names), step.second.select(self.self_names)
        one, two = self.project_two(first, second, self.self_heads)
        within = over_modalities(partial(nt_xent, temperature=self.settings.temperature), one, two, step.first)
        return {"cross": cross, "self": within, "total": cross + self.settings.self_weight * within}
