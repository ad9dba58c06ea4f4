"""From what loaders gave of one modality to its columns: one tensor for each split, its layout and its padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from coral_plugin.data.layouts import Layout, layout_of
from coral_plugin.data.modality import Kind
from coral_plugin.data.padding import Series, is_padded, padding_notes, trailing_lengths
from coral_plugin.data.reading import Pile
from coral_plugin.data.split import Column
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
        pile.parts[number] = shaped if shaped.dtype == torch.uint8 else shaped.float()


def columns_of(
    piles: Mapping[str, Pile], each: str, *, kind: Kind | None, timed: bool, name: str
) -> tuple[Layout, dict[str, Column], list[str]]:
    """Layout and columns of one modality, whose batches are let go of, and what is said of its padding.

    Args:
        piles: ``{split: pile}``.
        each: Name of the modality.
        kind: What it is, where the shapes do not tell.
        timed: Whether lengths came with the batches.
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
    if layout.kind == "image" and all(values.dtype == torch.uint8 for values in whole.values()):
        layout = replace(layout, pixels=max(int(values.max()) for values in whole.values()) > 1)
    if not layout.pixels:
        whole = {label: values.float() for label, values in whole.items()}
    if layout.kind != "sequence":
        return layout, {label: Column(values) for label, values in whole.items()}, []
    if timed:
        return layout, {label: Column(own, torch.cat(piles[label].lengths)) for label, own in whole.items()}, []
    series = {label: Series(values.numpy()) for label, values in whole.items()}
    varies = kind is not None or is_padded(series["train"])
    notes = padding_notes(
        each,
        series,
        padded=varies,
        remedy=f"kinds={{{each!r}: 'timeseries'}}, or give lengths in the batches",
        opposite=f"kinds={{{each!r}: 'sequence'}}, or give lengths in the batches",
    )
    if not varies:
        layout = replace(layout, kind="timeseries", filled=False)
        return layout, {label: Column(values) for label, values in whole.items()}, notes
    lengths = {label: torch.from_numpy(trailing_lengths(own.values)) for label, own in series.items()}
    return layout, {label: Column(values, lengths[label]) for label, values in whole.items()}, notes
