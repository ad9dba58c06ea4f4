"""How the batches of a script and those of this package stand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.data.layouts import Layout
from coral_plugin.data.padding import trailing_lengths, valid_steps
from coral_plugin.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the values of one modality look to a script's encoder, and how they are held here.

    Images are held in [0, 1], as the augmentations want them; the encoders get them back as the script feeds them.

    Attributes:
        layout: Shapes, channels and pixels.
        low: Value there that is 0 here.
        high: Value there that is 1 here.
    """

    layout: Layout
    low: float = 0.0
    high: float = 1.0

    def ours(self, raw: Tensor) -> Tensor:
        """Values ``(B, ...)`` of a script's batch as they are held here, in 32-bit floats."""
        values = self.layout.to_ours(raw.float())
        return self.scaled(values / 255 if self.layout.pixels else values)

    def theirs(self, values: Tensor) -> Tensor:
        """The inverse of :meth:`ours`; series come back with all their steps."""
        return self.layout.to_theirs(values if self._same else values * (self.high - self.low) + self.low)

    def scaled(self, values: Tensor) -> Tensor:
        """``values`` with ``low`` at 0 and ``high`` at 1."""
        return values if self._same else (values - self.low) / (self.high - self.low)

    @property
    def _same(self) -> bool:
        return (self.low, self.high) == (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Batches:
    """The batches of a script: its modalities in order, as they are held here and as they look there.

    Attributes:
        modalities: Modalities as this package holds them.
        forms: Forms of the same modalities in the script.
        packed: Whether a batch is ``([x_1, ...], [lengths_1, ...], ...)`` instead of ``[x_1, ..., y]``.
    """

    modalities: tuple[Modality, ...]
    forms: tuple[Form, ...]
    packed: bool

    def to_ours(self, inputs: Sequence[Any]) -> MultimodalBatch:
        """What MultiBench gives a model, ``[x_1, ...]`` or ``[[x_1, ...], [lengths_1, ...]]``, as one batch.

        Raises:
            InputError: another number of modalities, or samples of another shape.
        """
        packed = isinstance(inputs[0], list | tuple)
        parts = list(inputs[0] if packed else inputs)
        if len(parts) != len(self.modalities):
            names = ", ".join(modality.name for modality in self.modalities)
            raise InputError(f"The model was trained on {len(self.modalities)} modalities ({names}), got {len(parts)}.")
        values, padding = {}, {}
        for number, (modality, form, raw) in enumerate(zip(self.modalities, self.forms, parts, strict=True)):
            series = modality.kind == "sequence"
            if raw.shape[2 if series else 1 :] != form.layout.shape[1 if series else 0 :]:
                raise InputError(
                    f"Samples of {modality.name} have shape {tuple(raw.shape[1:])}; the model was trained on "
                    f"{form.layout.shape}."
                )
            tensor = values[modality.name] = form.ours(raw)
            if series:
                lengths = (
                    inputs[1][number] if packed else torch.from_numpy(trailing_lengths(tensor.detach().cpu().numpy()))
                )
                padding[modality.name] = padded(tensor, lengths)
                values[modality.name] = tensor.masked_fill(padding[modality.name].unsqueeze(-1), 0.0)
        return MultimodalBatch(values, padding)

    def to_theirs(self, batch: MultimodalBatch) -> tuple[list[Tensor], list[Tensor] | None]:
        """The inverse of :meth:`to_ours`: values in the script's units and, where packed, lengths on the CPU."""
        values = [form.theirs(batch[m.name]) for m, form in zip(self.modalities, self.forms, strict=True)]
        if not self.packed:
            return values, None
        return values, [steps_of(batch[m.name], batch.padding.get(m.name)) for m in self.modalities]


def steps_of(values: Tensor, padding: Tensor | None) -> Tensor:
    """Lengths ``(B,)`` on the CPU, at least 1, of values ``(B, T, ...)`` with padding ``(B, T)`` or none."""
    if padding is None:
        return torch.full((len(values),), values.shape[1])
    return (~padding).sum(dim=1).clamp(min=1).cpu()


def padded(values: Tensor, lengths: Tensor) -> Tensor:
    """Padding ``(B, T)`` of series ``(B, T, d)``: True from its length on; a series without any step keeps one."""
    return ~valid_steps(values, lengths.clamp(min=1))
