"""COrAL: orthogonalised multimodal contrastive learning with asymmetric masking (arXiv:2602.14983)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch, Task
from coral_plugin.errors import InputError
from coral_plugin.networks import (
    EncoderBuilders,
    SharedPathway,
    UniqueDesign,
    UniquePathway,
    module_key,
    project_present,
    projection_head,
    scatter_rows,
    token_encoders,
    tokenise,
)
from coral_plugin.objectives.base import Objective, Step, training_recipe
from coral_plugin.objectives.coral_terms import coral_terms, view_masks


@dataclass(frozen=True, kw_only=True)
class CoralSettings:
    """Settings of COrAL; the defaults are the paper's.

    Attributes:
        contrast: ``nt_xent`` (what the released code computes, and with it the published results) or ``info_nce``
            (equation 4 as printed: no negatives within a view, the positive not below).
        temperature: Divides the similarities. The paper prints none; its code uses 0.1.
        shared_weight: Weight of the contrastive loss of the shared pathway.
        unique_weight: Weight of the summed contrastive losses of the unique pathways.
        orthogonality: ``cosine`` = max(0, cos) (paper, equation 7) or ``squared_cosine`` (released code).
        orthogonality_weight: 1 in the paper; 10 (MultiBench) or 1 (Trifeature) in the released code.
        masking: ``increasing`` (the stages below), ``constant`` (``mask_ratio``) or ``none``.
        mask_stages: Mask ratios of the schedule, each for an equal share of the training.
        mask_ratio: The constant ratio.
        mask_partition: ``random``: the modalities are split anew for each batch (paper); ``fixed``: the first half
            of them is masked in the first view, the rest in the second (released code).
        unique_pathway: Design of the unique pathways (Table 5).
        copy_unique: Whether unique encoders, tokenizers and heads start as copies of the shared (first) ones, as in
            the released code; otherwise each is initialised by itself.
        positives: What the contrastive losses pull together: ``instance``, the two views of a sample; with labels
            (fine-tuning, paper, section 5.6.5) ``class``, all samples of a class, or ``class_neutral``, the two views,
            with the other samples of the class neither pulled nor pushed.
        labels: Name of the classification task whose classes these are; the first one by default.
    """

    contrast: Literal["nt_xent", "info_nce"] = "nt_xent"
    temperature: float = 0.1
    shared_weight: float = 1.0
    unique_weight: float = 1.0
    orthogonality: Literal["cosine", "squared_cosine"] = "cosine"
    orthogonality_weight: float = 1.0
    masking: Literal["increasing", "constant", "none"] = "increasing"
    mask_stages: tuple[float, ...] = (0.05, 0.35, 0.55, 0.75)
    mask_ratio: float = 0.75
    mask_partition: Literal["random", "fixed"] = "random"
    unique_pathway: UniqueDesign = "mlp_half"
    copy_unique: bool = False
    positives: Literal["instance", "class", "class_neutral"] = "instance"
    labels: str = ""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                raise InputError(f"method.{name} is one of {', '.join(get_args(hint))}, got {getattr(self, name)!r}.")
        if not self.temperature > 0:
            raise InputError(f"method.temperature must be positive, got {self.temperature}.")
        for name in ("shared_weight", "unique_weight", "orthogonality_weight"):
            if not getattr(self, name) >= 0:
                raise InputError(f"method.{name} cannot be negative, got {getattr(self, name)}.")
        if self.positives != "instance" and self.contrast != "nt_xent":
            raise InputError(f"method.positives {self.positives} needs method.contrast nt_xent, got {self.contrast}.")
        if not self.mask_stages or not all(0 <= ratio <= 1 for ratio in (*self.mask_stages, self.mask_ratio)):
            raise InputError(f"Mask ratios are shares in [0, 1], got {self.mask_stages} and {self.mask_ratio}.")


_TRAINING = training_recipe(1e-4, 1e-3)
_RELEASED = {
    **_TRAINING,
    "method.orthogonality": "squared_cosine",
    "method.orthogonality_weight": 10.0,
    "method.masking": "constant",
    "method.mask_partition": "fixed",
    "method.copy_unique": True,
}


class Coral(Objective):
    """COrAL for n >= 2 modalities: shared and unique pathways, orthogonal to each other, asymmetric masking."""

    Settings = CoralSettings
    deterministic: ClassVar[Mapping[str, Any]] = {"masking": "none"}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": _TRAINING,
        "released": _RELEASED,
        # the script of this data set has another weight (METHODS 6.1)
        "released_trifeature": {**_RELEASED, "method.orthogonality_weight": 1.0},
    }

    @classmethod
    def trains_on_labels(cls, settings: CoralSettings) -> bool:
        """Whether ``positives`` are samples of a class."""
        return settings.positives != "instance"

    def build(self, builders: EncoderBuilders) -> None:
        """Shared and unique pathways, each with its projection head."""
        settings, width = self.settings, self.width
        self.labels = settings.labels
        self.shared = SharedPathway(self.modalities, builders, width, self.network.depth, self.network.heads)
        self.shared_head = projection_head(width, self.network.head_hidden, self.network.head_output)
        self.unique_encoders = (
            copy.deepcopy(self.shared.encoders)
            if settings.copy_unique
            else token_encoders(self.modalities, builders, width)
        )
        keys = [module_key(m.name) for m in self.modalities]
        self.unique = nn.ModuleDict({key: UniquePathway(width, settings.unique_pathway) for key in keys})
        self.unique_heads = nn.ModuleDict(
            {
                key: projection_head(self.unique[key].output_width, self.network.head_hidden, self.network.head_output)  # type: ignore[arg-type]
                for key in keys
            }
        )
        if settings.copy_unique:
            for key in keys[1:]:
                self.unique_heads[key].load_state_dict(self.unique_heads[keys[0]].state_dict())

    def prepare(self, tasks: tuple[Task, ...]) -> None:
        """Choose the task whose classes are pulled together, where labels are used.

        Raises:
            InputError: there is no such classification task.
        """
        super().prepare(tasks)
        if not self.needs_labels:
            return
        classes = [task.name for task in tasks if task.kind == "classification"]
        self.labels = self.settings.labels or next(iter(classes), "")
        if self.labels not in classes:
            known = ", ".join(classes) or "none"
            raise InputError(f"method.labels {self.labels!r} must name a classification task; there is {known}.")

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``shared`` (B, D) and ``unique/<modality>`` (B, D / 2), of the modalities that the batch has.

        A unique part is zero where a sample lacks its modality.
        """
        return {
            "shared": self.shared(batch),
            **{f"unique/{name}": self._unique(batch, name) for name in batch},
        }

    def projected(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """The same parts behind their projection heads, each (B, head_output)."""
        return self._project(self.embed(batch), batch)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``shared``, ``unique``, ``orthogonality`` (unweighted) and ``total`` (paper, equations 3 to 8)."""
        masks = view_masks(self.settings, [m.name for m in self.modalities], step.progress, step.generator)
        self.used = {"mask_ratio": max(ratio for mask in masks for ratio in mask.values())}
        views = [
            self._project(
                {
                    "shared": self.shared(batch, mask, step.generator),
                    **{f"unique/{name}": self._unique(batch, name) for name in batch},
                },
                batch,
            )
            for batch, mask in zip((step.first, step.second), masks, strict=True)
        ]
        present = {"shared": None, **{f"unique/{name}": step.first.all_present(name) for name in step.first}}
        classes = step.first.targets[self.labels] if self.needs_labels else None
        return coral_terms(*views, settings=self.settings, present=present, classes=classes)

    def _unique(self, batch: MultimodalBatch, name: str) -> Tensor:
        tokens, padding = tokenise(self.unique_encoders[module_key(name)], batch, name)
        pathway = self.unique[module_key(name)]
        present = batch.all_present(name)
        if present is None:
            vector: Tensor = pathway(tokens, padding)
            return vector
        rows = present.nonzero().squeeze(1)
        return scatter_rows(pathway(tokens[rows], padding[rows]), rows, batch.size)  # type: ignore[index]

    def _project(self, parts: Mapping[str, Tensor], batch: MultimodalBatch) -> dict[str, Tensor]:
        unique = {f"unique/{name}": (self.unique_heads[module_key(name)], batch.all_present(name)) for name in batch}
        return {
            name: project_present(head, part, present)
            for name, part in parts.items()
            for head, present in [unique.get(name, (self.shared_head, None))]
        }
