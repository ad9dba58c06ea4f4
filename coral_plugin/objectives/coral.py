"""COrAL: orthogonalised multimodal contrastive learning with asymmetric masking (arXiv:2602.14983)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch, Task
from coral_plugin.errors import InputError
from coral_plugin.networks import (
    EncoderBuilders,
    SharedPathway,
    UniquePathway,
    module_key,
    project_present,
    projection_head,
    token_encoders,
    tokenise,
)
from coral_plugin.networks.alongside import EncoderCall, tokenise_ahead
from coral_plugin.networks.rows import on_present
from coral_plugin.objectives.base import Objective, Step, training_recipe
from coral_plugin.objectives.coral_terms import CoralSettings, alignment, coral_terms, view_masks

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
    """COrAL learns what modalities share and what is unique to each, in orthogonal parts, from masked views."""

    Settings = CoralSettings
    deterministic: ClassVar[Mapping[str, Any]] = {"masking": "none"}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": _TRAINING,
        "released": _RELEASED,
        # the script of this data set has another weight (specification 6.1)
        "released_trifeature": {**_RELEASED, "method.orthogonality_weight": 1.0},
        # not the paper's: CoMM's term in the shared pathway (docs/coral_plus.md)
        "plus": {**_TRAINING, "method.alignment_weight": 1.0},
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
        return self.project_embedded(self.embed(batch), batch)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``shared``, ``unique``, ``orthogonality`` (unweighted) and ``total`` (paper, equations 3 to 8).

        With ``alignment_weight``, which the paper does not have, also ``alignment``.

        Raises:
            InputError: with labels, :meth:`prepare` was not called, or the batch lacks the target.
        """
        if self.needs_labels and not self.labels:
            raise InputError(
                "coral does not know whose classes to use: call prepare(tasks) with the tasks of the data."
            )
        if self.needs_labels and self.labels not in step.first.targets:
            raise InputError(f"coral needs the target of {self.labels}, but the batch lacks it.")
        masks = view_masks(self.settings, [m.name for m in self.modalities], step.progress, step.generator)
        self.used = {"mask_ratio": max(ratio for mask in masks for ratio in mask.values())}
        tokenise_ahead(
            EncoderCall(encoders[module_key(name)], batch, name)
            for batch in (step.first, step.second)
            for encoders in (self.shared.encoders, self.unique_encoders)
            for name in batch
        )
        views, single = [], []
        for batch, mask in zip((step.first, step.second), masks, strict=True):
            tokens, padding = self.shared.tokenise(batch)
            shared = self.shared.fuse(tokens, padding, mask, step.generator)
            unique = {f"unique/{name}": self._unique(batch, name) for name in batch}
            views.append(self.project_embedded({"shared": shared, **unique}, batch))
            if self.settings.alignment_weight:
                single.append(self.shared.fuse_each(tokens, padding, batch, self.shared_head))
        present = {name: step.first.all_present(name) for name in step.first}
        of_parts = {"shared": None, **{f"unique/{name}": mask for name, mask in present.items()}}
        classes = step.first.targets[self.labels] if self.needs_labels else None
        aligned = None
        if single:
            whole = (views[0]["shared"], views[1]["shared"])
            of_modalities = (single[0], single[1])
            aligned = alignment(of_modalities, whole, settings=self.settings, present=present, classes=classes)
        return coral_terms(*views, settings=self.settings, present=of_parts, classes=classes, aligned=aligned)

    def _unique(self, batch: MultimodalBatch, name: str) -> Tensor:
        tokens, padding = tokenise(self.unique_encoders[module_key(name)], batch, name)
        pathway = self.unique[module_key(name)]
        present = batch.all_present(name)
        if present is None:
            vector: Tensor = pathway(tokens, padding)
            return vector
        return on_present(pathway, present, tokens, padding)

    def project_embedded(self, parts: Mapping[str, Tensor], batch: MultimodalBatch) -> dict[str, Tensor]:
        """:meth:`projected` from what :meth:`embed` returns for the same batch."""
        unique = {f"unique/{name}": (self.unique_heads[module_key(name)], batch.all_present(name)) for name in batch}
        return {
            name: project_present(head, part, present)
            for name, part in parts.items()
            for head, present in [unique.get(name, (self.shared_head, None))]
        }
