"""How MultiBench hands over the modalities of a batch, and how this package holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError

_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the values of one modality look in MultiBench's batches, where that differs from here.

    Images are held with their channels first and in [0, 1], as the augmentations want them; the encoders get them back
    as the script feeds them.

    Attributes:
        channels_last: Whether a sample is (H, W, C) there.
        low: Value there that is 0 here.
        high: Value there that is 1 here.
    """

    channels_last: bool = False
    low: float = 0.0
    high: float = 1.0

    def ours(self, raw: Tensor) -> Tensor:
        """Values ``(B, ...)`` as they are held here, in 32-bit floats."""
        values = raw.float().movedim(-1, 1) if self.channels_last else raw.float()
        return values if self._same else (values - self.low) / (self.high - self.low)

    def theirs(self, values: Tensor) -> Tensor:
        """The inverse of :meth:`ours`."""
        raw = values if self._same else values * (self.high - self.low) + self.low
        return raw.movedim(1, -1) if self.channels_last else raw

    @property
    def _same(self) -> bool:
        return (self.low, self.high) == (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The modalities of a script, in the order of its batches.

    Attributes:
        modalities: As they are held here.
        forms: Of the same modalities, as MultiBench has them.
        packed: Whether a batch is ``([x_1, ...], [lengths_1, ...], ...)`` instead of ``[x_1, ..., y]``.
    """

    modalities: tuple[Modality, ...]
    forms: tuple[Form, ...]
    packed: bool

    def batch(self, inputs: Sequence[Any]) -> MultimodalBatch:
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
            values[modality.name] = own = form.ours(raw)
            fits = own.shape[1:] == modality.shape or (
                modality.kind == "sequence" and own.shape[2:] == modality.shape[1:]
            )
            if not fits:
                raise InputError(
                    f"Samples of {modality.name} have shape {tuple(own.shape[1:])}; the model was trained on "
                    f"{modality.shape}."
                )
            if modality.kind == "sequence":
                lengths = inputs[1][number].to(own.device) if packed else valid_steps(own)
                padding[modality.name] = padded(own, lengths)
                values[modality.name] = own.masked_fill(padding[modality.name].unsqueeze(-1), 0.0)
        return MultimodalBatch(values, padding)

    def inputs(self, batch: MultimodalBatch) -> tuple[list[Tensor], list[Tensor] | None]:
        """The inverse of :meth:`batch`: values in the script's units and, where packed, lengths on the CPU."""
        values = [form.theirs(batch[m.name]) for m, form in zip(self.modalities, self.forms, strict=True)]
        if not self.packed:
            return values, None
        return values, [steps_of(batch[m.name], batch.padding.get(m.name)) for m in self.modalities]


def steps_of(values: Tensor, padding: Tensor | None) -> Tensor:
    """Lengths ``(B,)`` on the CPU, at least 1, of values ``(B, T, ...)`` with padding ``(B, T)`` or none."""
    if padding is None:
        return torch.full((len(values),), values.shape[1])
    return (~padding).sum(dim=1).clamp(min=1).cpu()


def valid_steps(values: Tensor) -> Tensor:
    """Lengths ``(B,)`` of series ``(B, T, d)`` that zeros fill up at their end; one of zeros only has one step."""
    filled = (values != 0).any(dim=2)  # (B, T)
    steps = torch.arange(1, values.shape[1] + 1, device=values.device)
    return (filled * steps).amax(dim=1).clamp(min=1)


def padded(values: Tensor, lengths: Tensor) -> Tensor:
    """Padding ``(B, T)`` of series ``(B, T, d)``: True from its length on; a series without any step keeps one."""
    steps = torch.arange(values.shape[1], device=values.device)
    return steps[None, :] >= lengths.clamp(min=1)[:, None]


def channels_last(shape: tuple[int, ...]) -> bool:
    """Whether samples of three axes have their channels last.

    >>> [channels_last(shape) for shape in ((128, 128, 3), (3, 256, 128), (1, 28, 28), (16, 32, 32))]
    [True, False, False, False]
    """
    return shape[-1] in _CHANNELS and shape[0] not in _CHANNELS
