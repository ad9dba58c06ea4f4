"""A masked autoencoder on the encoders and the fusion of the other methods: our own proposal (specification 2.10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.losses.contrastive import at_least_float32
from coral_plugin.networks import (
    EncoderBuilders,
    SharedPathway,
    module_key,
)
from coral_plugin.networks.attention import FusionBlock
from coral_plugin.networks.patches import Patches
from coral_plugin.objectives.base import Objective, Step, over_batch, training_recipe


@dataclass(frozen=True, kw_only=True)
class MaeSettings:
    """Settings of the masked autoencoder.

    Attributes:
        mask_ratio: Share of each sample's patches, steps or entries that is hidden, of each modality by itself:
            rounded down, but at least one.
        normalise_patches: Whether an image patch is reconstructed with mean 0 and standard deviation 1 (He et al. 2022)
            instead of its standardised pixels.
        decoder_depth: Blocks of the decoder.
    """

    mask_ratio: float = 0.75
    normalise_patches: bool = True
    decoder_depth: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.mask_ratio <= 1:
            raise InputError(f"method.mask_ratio is a share above 0 and up to 1, got {self.mask_ratio}.")
        if self.decoder_depth < 1:
            raise InputError(f"method.decoder_depth must be at least 1, got {self.decoder_depth}.")


class Mae(Objective):
    """A masked autoencoder hides most of its input and reconstructs it from what is left of all modalities.

    OUR OWN PROPOSAL: InfMasking prints an MAE row for Trifeature, but neither code nor configuration is released, so
    nothing here is a reproduction and no published number belongs next to it. The design follows He et al. 2022
    (arXiv:2111.06377), as far as encoders that need whole inputs allow:

    1. A random 75 % of the patches of each image (one patch a cell of its encoder's map), of the steps of each series
       (grouped as its encoder groups them) and of the entries of each table are set to their mean. The samples are not
       augmented otherwise, but for the plain crop of images that un-augmented branches get.
    2. The tokens of hidden patches are replaced by a learned token of the modality plus the code of their place, where
       token i of the encoder stands for patch i (:class:`Patches`).
    3. All tokens are fused; a small transformer decodes all outputs, each with the code of its place.
    4. A linear layer reconstructs each patch from its token. Where the encoder keeps no grid (tables, vectors), it
       reconstructs the whole modality from the decoded ``[CLS]``.
    5. Mean squared error on hidden values. Image patches of more than one pixel are normalised each by itself; steps
       and entries are standardised by the training set only, for a step of few features would lose its level.

    Padding and missing modalities are neither hidden nor reconstructed.
    """

    Settings = MaeSettings
    min_modalities = 1
    deterministic: ClassVar[Mapping[str, Any]] = {"mask_ratio": 1.0}
    needs_raw = True
    # no paper has one; the name is the common default, the training COrAL's
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": training_recipe(1e-4, 1e-3)}

    def build(self, builders: EncoderBuilders) -> None:
        """A shared pathway, mask tokens, a decoder and an output layer for each modality."""
        width, depth = self.width, self.settings.decoder_depth
        self.shared = SharedPathway(self.modalities, builders, width, self.network.depth, self.network.heads)
        self.patches = nn.ModuleDict({key: Patches(encoder) for key, encoder in self.shared.encoders.items()})  # type: ignore[arg-type]
        self.mask_tokens = nn.ParameterDict(
            {key: nn.Parameter(torch.randn(width) * 0.02) for key, patches in self.patches.items() if patches.aligned}
        )
        self.decoder = nn.ModuleList(FusionBlock(width, self.network.heads, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.ModuleDict(
            {module_key(m.name): nn.Linear(width, self._outputs(m.name)) for m in self.modalities}
        )

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``shared`` (B, D): the fused ``[CLS]`` of the modalities that the batch has, nothing hidden."""
        return {"shared": self.shared(batch)}

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms ``reconstruction/<modality>``, mean squared errors of hidden values, and ``total``, their mean."""
        samples = self._full_length(step.raw)
        valid = {name: self._patches(name).valid(samples[name], samples.padding.get(name)) for name in samples}
        hidden = {name: self._draw(valid[name].any(dim=2), step.generator) for name in samples}
        decoded = self._reconstruct(samples, hidden)
        terms = {}
        for name in samples:
            target = self._target(name, samples[name])
            counted = valid[name] & hidden[name].unsqueeze(2)
            if (present := samples.all_present(name)) is not None:
                counted = counted & present.view(-1, 1, 1)
            # what does not count may be anything, also not a number
            error = (decoded[name].to(target.dtype) - target.masked_fill(~counted, 0.0)).square() * counted
            sums, counts = error.sum(dim=(1, 2)), counted.sum(dim=(1, 2)).to(error.dtype)
            terms[f"reconstruction/{name}"] = over_batch(_mean, sums, counts, present=present, least=1)
        return {**terms, "total": torch.stack(list(terms.values())).mean()}

    def _patches(self, name: str) -> Patches:
        return self.patches[module_key(name)]  # type: ignore[return-value]

    def _outputs(self, name: str) -> int:
        """Values that one decoded token stands for."""
        patches = self._patches(name)
        return patches.size if patches.aligned else patches.size * patches.count

    def _full_length(self, batch: MultimodalBatch) -> MultimodalBatch:
        """Series filled up to their modality's length, so that a patch is the same steps in every batch."""
        values, padding = dict(batch), dict(batch.padding)
        for name, value in batch.items():
            modality = self._patches(name).modality
            if modality.temporal and (short := modality.shape[0] - value.shape[1]) > 0:
                mask = padding.get(name, value.new_zeros(value.shape[:2], dtype=torch.bool))
                values[name], padding[name] = F.pad(value, (0, 0, 0, short)), F.pad(mask, (0, short), value=True)
        return replace(batch, tensors=values, padding=padding)

    def _draw(self, valid: Tensor, generator: torch.Generator | None) -> Tensor:
        """Which of the ``valid`` patches (B, P) are hidden, ``(B, P)`` of bool."""
        noise = torch.rand(valid.shape, device=valid.device, generator=generator).masked_fill(~valid, 2.0)
        count = (valid.sum(dim=1, keepdim=True) * self.settings.mask_ratio).floor().clamp(min=1)
        return (noise.argsort(dim=1).argsort(dim=1) < count) & valid

    def _reconstruct(self, samples: MultimodalBatch, hidden: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Reconstructed patches ``{modality: (B, P, p)}``."""
        seen = samples.with_values({name: self._patches(name).hide(samples[name], hidden[name]) for name in samples})
        tokens, padding = self.shared.tokenise(seen)
        places = [self.norm.weight.new_zeros(1, self.norm.weight.shape[0])]  # [CLS] has none
        for name, token in tokens.items():
            patches = self._patches(name)
            # where no sample has the modality there is one token that stands for nothing
            aligned = patches.aligned and token.shape[1] == patches.count
            if aligned:
                mask_token = self.mask_tokens[module_key(name)] + patches.position
                tokens[name] = torch.where(hidden[name].unsqueeze(2), mask_token.to(token.dtype), token)
            places.append(patches.position if aligned else token.new_zeros(token.shape[1:]))
        fused, mask = self.shared.fusion.all_tokens(tokens, padding)
        decoded = fused + torch.cat(places)
        for block in self.decoder:
            decoded = block(decoded, mask)
        cls, *outputs = self.norm(decoded).split([1, *(token.shape[1] for token in tokens.values())], dim=1)
        patches_by_name = {}
        for name, output in zip(tokens, outputs, strict=True):
            patches = self._patches(name)
            read = self.outputs[module_key(name)](output if patches.aligned else cls)
            patches_by_name[name] = (
                read.expand(-1, patches.count, -1)
                if patches.aligned
                else read.unflatten(2, (patches.count, patches.size)).squeeze(1)
            )
        return patches_by_name

    def _target(self, name: str, values: Tensor) -> Tensor:
        """What is to be reconstructed, ``(B, P, p)`` in float32 or float64."""
        patches = self._patches(name)
        target = patches.cut(at_least_float32(values))
        if not (self.settings.normalise_patches and patches.modality.kind == "image" and patches.cell != (1, 1)):
            return target
        centred = target - target.mean(dim=2, keepdim=True)
        return centred / (centred.square().mean(dim=2, keepdim=True) + 1e-6).sqrt()


def _mean(sums: Tensor, counts: Tensor) -> Tensor:
    return sums.sum() / counts.sum().clamp(min=1)
