"""From what loaders gave of one modality to its columns: one tensor for each split, its layout and its padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.axes import doubts
from coral_plugin.data.columns import make_column
from coral_plugin.data.layouts import Layout, layout_of
from coral_plugin.data.modality import Kind, Modality
from coral_plugin.data.padding import Series, is_padded, padding_notes, trailing_lengths
from coral_plugin.data.reading import Pile
from coral_plugin.data.split import ModalityColumn
from coral_plugin.data.statistics import with_offset_of
from coral_plugin.errors import InputError


def prepare_pile(pile: Pile, function: Callable[[Tensor], Tensor], where: str) -> None:
    """Put ``function`` of the values in the place of each batch of them.

    Raises:
        InputError: it does not return a tensor with one entry a sample.
    """
    for number, part in enumerate(pile.parts):
        shaped = function(part)
        if not isinstance(shaped, Tensor) or shaped.shape[:1] != part.shape[:1]:
            seen = tuple(shaped.shape) if isinstance(shaped, Tensor) else type(shaped).__name__
            raise InputError(
                f"{where}: prepare made {seen} of a batch of {tuple(part.shape)}; {len(part)} samples are needed."
            )
        pile.parts[number] = shaped if shaped.dtype in (torch.uint8, torch.float64) else shaped.float()


def columns_of(
    piles: Mapping[str, Pile], each: str, *, kind: Kind | None, timed: bool, standardise: bool, name: str
) -> tuple[Layout, Modality, dict[str, ModalityColumn], list[str]]:
    """One modality and its columns, whose batches are let go of, with its layout and what is said of its padding.

    Train alone decides how values are read.

    Args:
        piles: ``{split: pile}``.
        each: Name of the modality.
        kind: What it is, where the shapes do not tell.
        timed: Whether lengths came with the batches.
        standardise: Whether values far from zero may be held relative to their mean.
        name: Of the data set, for messages.

    Raises:
        InputError: the splits have samples of different shapes, or no kind fits them.
    """
    shapes = {label: tuple(pile.parts[0].shape[1:]) for label, pile in piles.items()}
    steps = max(part.shape[1] for pile in piles.values() for part in pile.parts) if timed else None
    if steps is not None:
        shapes = {label: (steps, *shape[1:]) for label, shape in shapes.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{shape} in {label}" for label, shape in shapes.items())
        raise InputError(f"{name}: samples of {each} have shape {told}; they need one.")
    layout = layout_of(each, shapes["train"], kind=kind, timed=timed)
    whole = {label: layout.to_ours(pile.whole(steps)).contiguous() for label, pile in piles.items()}
    if layout.kind == "image" and whole["train"].dtype == torch.uint8:
        layout = replace(layout, pixels=int(whole["train"].max()) > 1)
    # the shape of a table or a series is theirs
    notes = doubts(whole["train"].numpy(), each) if kind is None and not timed and len(layout.shape) < 3 else []
    lengths: dict[str, np.ndarray] = {}
    if layout.kind == "sequence" and timed:
        lengths = {label: torch.cat(pile.lengths).numpy() for label, pile in piles.items()}
    elif layout.kind == "sequence":
        series = {label: Series(values.numpy()) for label, values in whole.items()}
        varies = kind is not None or is_padded(series["train"])
        notes += padding_notes(
            each,
            series,
            padded=varies,
            remedy=f"kinds={{{each!r}: 'timeseries'}}, or give lengths in the batches",
            opposite=f"kinds={{{each!r}: 'sequence'}}, or give lengths in the batches",
        )
        if varies:
            lengths = {label: trailing_lengths(own.values) for label, own in series.items()}
        else:
            layout = replace(layout, kind="timeseries", filled=False)
    modality = Modality(name=each, kind=layout.kind, shape=layout.ours)
    if standardise and not layout.pixels:
        modality = with_offset_of(modality, whole["train"].numpy(), lengths.get("train"))
    columns = {
        label: _column(values, modality, layout, lengths.get(label), f"{name}: {label}/{each}")
        for label, values in whole.items()
    }
    return layout, modality, columns, notes


def _column(
    values: Tensor, modality: Modality, layout: Layout, lengths: np.ndarray | None, where: str
) -> ModalityColumn:
    ends = None if lengths is None else torch.from_numpy(lengths)
    if modality.offset is not None:
        return make_column(values.numpy(), modality, lengths, where)
    if not layout.pixels:
        return ModalityColumn(values.float(), ends)
    # pixels of train may be other numbers in another split
    return ModalityColumn(values if values.dtype == torch.uint8 else (values / 255).float(), ends)
