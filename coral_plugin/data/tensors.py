"""Batches from tensors that carry gradients: what :func:`~coral_plugin.data.arrays.as_split` does for arrays."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from coral_plugin.data.batch import MultimodalBatch
from coral_plugin.data.modality import Modality
from coral_plugin.data.padding import valid_steps
from coral_plugin.data.scale import refuse_other_scale
from coral_plugin.data.split_arrays import LENGTH, PRESENT, first_keys
from coral_plugin.errors import InputError, short


def as_batch(tensors: Mapping[str, Tensor], modalities: tuple[Modality, ...]) -> MultimodalBatch:
    """A batch from ``{modality: (B, ...)}`` of measured values, differentiable in them.

    Sequences may have another number of steps T; ``<modality>/length`` (B,) says how many are valid, without it rows
    of zeros at the end are padding. Modalities may be left out, and ``<modality>/present`` (B,) of bool says which
    samples have one; what the tensors hold for the others, and under padding, is never looked at.

    Raises:
        InputError: an unknown key, no modality, a shape or type that does not fit, a length that is none, or a sample
            without any modality.
    """
    _check_keys(tensors, modalities)
    first = next(tensors[modality.name] for modality in modalities if modality.name in tensors)
    size = first.shape[0]
    values: dict[str, Tensor] = {}
    padding: dict[str, Tensor] = {}
    present: dict[str, Tensor] = {}
    for modality in modalities:
        name = modality.name
        if name not in tensors:
            values[name] = first.new_zeros(size, *modality.shortest, dtype=torch.float32)
            present[name] = first.new_zeros(size, dtype=torch.bool)
            continue
        series = tensors[name]
        _check_shape(series, modality, size)
        if (flags := tensors.get(f"{name}/{PRESENT}")) is not None:
            _check_flags(flags, f"{name}/{PRESENT}", size)
            present[name] = flags
        if modality.kind == "image" and not torch.compiler.is_compiling():
            refuse_other_scale(series.detach() if flags is None else series.detach()[flags], modality, name)
        held = modality.held(series)
        if modality.kind == "sequence":
            padding[name] = ~valid_steps(series, _lengths(tensors, name, flags))
            held = held.masked_fill(padding[name].unsqueeze(-1), 0.0)
        values[name] = held if flags is None else held.masked_fill(~flags.view(-1, *[1] * (held.ndim - 1)), 0.0)
    batch = MultimodalBatch(values, padding, {}, None, present)
    if len(present) == len(modalities) and not torch.compiler.is_compiling():
        empty = ~torch.stack([*present.values()]).any(dim=0)
        if empty.any():
            raise InputError(f"Sample {int(empty.long().argmax())} of the batch has no modality at all; leave it out.")
    return batch


def _lengths(tensors: Mapping[str, Tensor], name: str, present: Tensor | None) -> Tensor:
    """Valid steps (B,) of a sequence (B, T, d), 1 for samples that lack it."""
    series, key = tensors[name], f"{name}/{LENGTH}"
    if (lengths := tensors.get(key)) is None:
        steps = torch.arange(1, series.shape[1] + 1, device=series.device)
        return ((series.detach() != 0).any(dim=2) * steps).amax(dim=1).clamp(min=1)
    if lengths.shape != series.shape[:1] or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise InputError(f"{key} must be whole numbers (B,), got {short(lengths.dtype)} {tuple(lengths.shape)}.")
    if present is not None:
        lengths = torch.where(present, lengths, 1)
    if not torch.compiler.is_compiling() and (lengths.min() < 1 or lengths.max() > series.shape[1]):
        raise InputError(
            f"{key} must be from 1 to {series.shape[1]}, got {int(lengths.min())} to {int(lengths.max())}."
        )
    return lengths


def _check_keys(tensors: Mapping[str, Tensor], modalities: tuple[Modality, ...]) -> None:
    names = [modality.name for modality in modalities]
    sequences = [modality.name for modality in modalities if modality.kind == "sequence"]
    if not any(name in tensors for name in names):
        raise InputError(f"There is no modality {', '.join(names)} among the tensors; given: {first_keys(tensors)}.")
    for key, value in tensors.items():
        name, _, last = str(key).partition("/")
        if name not in names or last not in ("", LENGTH, PRESENT) or (last == LENGTH and name not in sequences):
            series = f", and {sequences[0]}/{LENGTH}" if sequences else ""
            raise InputError(
                f"Unknown key {short(str(key))}; the model takes {', '.join(names)}, {names[0]}/{PRESENT}{series}."
            )
        if last and name not in tensors:
            raise InputError(f"{key} is given without {name}; leave both out where no sample has it.")
        if not isinstance(value, Tensor):
            raise InputError(f"{key} must be a tensor, got {short(type(value))}; embed() takes arrays.")


def _check_shape(values: Tensor, modality: Modality, size: int) -> None:
    wanted = modality.shape
    if not modality.admits(tuple(values.shape[1:])):
        raise InputError(f"{modality.name} must be (B, {', '.join(map(str, wanted))}), got {tuple(values.shape)}.")
    if values.shape[0] != size:
        raise InputError(f"Modalities need the same number of samples, got {size} and {values.shape[0]}.")


def _check_flags(flags: Tensor, key: str, size: int) -> None:
    if flags.ndim != 1 or flags.shape[0] != size or flags.dtype != torch.bool:
        raise InputError(f"{key} must be (B,) of bool, got {short(flags.dtype)} {tuple(flags.shape)}.")
