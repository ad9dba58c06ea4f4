"""Columns of loaders: what their batches hold of one modality as one tensor per split, its layout and its padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.columns import ModalityColumn, held_values
from coral_plugin.data.layouts import Layout, layout_of, other_readings
from coral_plugin.data.loader_batches import ModalityBatches
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.padding import Series, is_padded, padding_notes, trailing_lengths
from coral_plugin.data.statistics import with_offset_from_array
from coral_plugin.errors import InputError


def prepare_batches(batches: ModalityBatches, function: Callable[[Tensor], Tensor], source: str) -> None:
    """Put ``function`` of the values in the place of each batch of them.

    Raises:
        InputError: it does not return a tensor with one entry per sample.
    """
    for number, values in enumerate(batches.values):
        shaped = function(values)
        if not isinstance(shaped, Tensor) or shaped.shape[:1] != values.shape[:1]:
            seen = tuple(shaped.shape) if isinstance(shaped, Tensor) else type(shaped).__name__
            raise InputError(
                f"{source}: prepare made {seen} of a batch of {tuple(values.shape)}; {len(values)} samples are needed."
            )
        batches.values[number] = shaped if shaped.dtype in (torch.uint8, torch.float64) else shaped.float()


def columns_of(
    splits: Mapping[str, ModalityBatches], key: str, *, kind: Kind | None, timed: bool, standardise: bool, name: str
) -> tuple[Layout, Modality, dict[str, ModalityColumn], list[str]]:
    """Layout, modality, columns and notes for one modality, whose batches are released.

    Train alone decides how values are read.

    Args:
        splits: ``{split: batches}``.
        key: Name of the modality.
        kind: Kind of the modality, where the shapes do not say.
        timed: Whether lengths came with the batches.
        standardise: Whether values far from zero may be held relative to their mean.
        name: Name of the data set, for messages.

    Raises:
        InputError: the splits have samples of different shapes, or no kind fits them.
    """
    shapes = {label: tuple(batches.values[0].shape[1:]) for label, batches in splits.items()}
    steps = max(values.shape[1] for batches in splits.values() for values in batches.values) if timed else None
    if steps is not None:
        shapes = {label: (steps, *shape[1:]) for label, shape in shapes.items()}
    if len(set(shapes.values())) > 1:
        seen = ", ".join(f"{shape} in {label}" for label, shape in shapes.items())
        raise InputError(f"{name}: samples of {key} have shape {seen}; they need one.")
    layout = layout_of(key, shapes["train"], kind=kind, timed=timed)
    tensors = {label: layout.to_ours(batches.join(steps)).contiguous() for label, batches in splits.items()}
    if layout.kind == "image" and tensors["train"].dtype == torch.uint8:
        layout = replace(layout, pixels=int(tensors["train"].max()) > 1)
    # the shape of a table or a series is theirs
    guessed = kind is None and not timed and len(layout.shape) < 3
    notes = other_readings(tensors["train"].numpy(), key) if guessed else []
    lengths: dict[str, np.ndarray] = {}
    if layout.kind == "sequence" and timed:
        lengths = {label: torch.cat(batches.lengths).numpy() for label, batches in splits.items()}
    elif layout.kind == "sequence":
        series = {label: Series(values.numpy()) for label, values in tensors.items()}
        padded = kind is not None or is_padded(series["train"])
        notes += padding_notes(
            key,
            series,
            padded=padded,
            as_values=f"kinds={{{key!r}: 'timeseries'}}, or give lengths in the batches",
            as_padding=f"kinds={{{key!r}: 'sequence'}}, or give lengths in the batches",
        )
        if padded:
            lengths = {label: trailing_lengths(one.values) for label, one in series.items()}
        else:
            layout = replace(layout, kind="timeseries", filled=False)
    modality = Modality(name=key, kind=layout.kind, shape=layout.ours)
    if standardise and not layout.pixels:
        modality = with_offset_from_array(modality, tensors["train"].numpy(), lengths.get("train"))
    columns = {
        label: _column(values, modality, layout, lengths.get(label), f"{name}: {label}/{key}")
        for label, values in tensors.items()
    }
    return layout, modality, columns, notes


def _column(
    values: Tensor, modality: Modality, layout: Layout, lengths: np.ndarray | None, source: str
) -> ModalityColumn:
    ends = None if lengths is None else torch.from_numpy(lengths)
    if modality.offset is not None:
        values = held_values(values.numpy(), modality, ends, source)
    elif not layout.pixels:
        values = values.float()
    elif values.dtype != torch.uint8:  # pixels of train may be other numbers in another split
        values = (values / 255).float()
    return ModalityColumn(values, ends)
