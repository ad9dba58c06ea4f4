"""A script's loaders, read once: samples, labels as the script has them, and the way back to its batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from torch import Tensor

from coral_plugin.data import MultimodalData
from coral_plugin.data.dataset import fingerprint
from coral_plugin.data.layouts import Layout, layout_of
from coral_plugin.data.loader_batches import in_order, split_batch
from coral_plugin.data.loaders import read_loaders
from coral_plugin.data.modality import Kind
from coral_plugin.data.statistics import with_statistics
from coral_plugin.errors import InputError
from coral_plugin.multibench.layout import Batches, Form

_SAY_EVERY = 5.0  # seconds
_WORD = {"tabular": "table", "sequence": "series", "timeseries": "series", "image": "image"}


@dataclass(frozen=True)
class Script:
    """The samples of a script.

    Attributes:
        data: Data without labels; valid where it was given.
        batches: The way from its batches and back.
        truths: ``{split: (N, ...)}`` labels as the loaders give them, in the order of the samples.
    """

    data: MultimodalData
    batches: Batches
    truths: Mapping[str, Tensor]


def read_script(
    train: Iterable[Any],
    valid: Iterable[Any] | None,
    first: Sequence[Tensor],
    packed: bool,
    *,
    kinds: Mapping[str, Kind] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Script:
    """Read a script's loaders, each sample once and in the order of the data set where there is one.

    Modalities are called by what they look like and by their place: ``table_1``, ``series_2``, ``image_3``.

    Args:
        train: The training loader.
        valid: The one that the script chooses its model on.
        first: Values of each modality in a batch.
        packed: Whether the script says ``is_packed``.
        kinds: ``{modality: kind}`` where the shapes do not tell (:func:`~coral_plugin.data.layouts.layout_of`).
        say: Function called with a line of progress where reading takes long.

    Raises:
        InputError: batches of other forms than MultiBench's, values that are not finite, splits that do not fit.
    """
    names = names_of(first, packed)
    loaders = {"train": train} if valid is None else {"train": train, "valid": valid}
    watched = {label: _watched(in_order(loader, label)[0], label, say) for label, loader in loaders.items()}
    # standardised below, once images are scaled
    loaded = read_loaders(
        watched["train"],
        watched.get("valid"),
        name="script",
        modalities=names,
        kinds=kinds,
        task="none",
        standardise=False,
    )
    forms = [_form(layout, loaded.data, name) for name, layout in loaded.layouts.items()]
    data = _scaled(loaded.data, forms)
    return Script(data, Batches(modalities=data.modalities, forms=tuple(forms), packed=packed), loaded.truths)


def first_batch(loader: Iterable[Any], packed: bool) -> tuple[list[Tensor], list[Tensor] | None, Tensor]:
    """Values, lengths (where batches are packed) and labels of the first batch of a training loader.

    Raises:
        InputError: no batch, or one of another form than ``packed`` says.
    """
    for batch in loader:
        values, lengths, truth = split_batch(batch, "script: train, batch 0")
        if (lengths is not None) != packed:
            form = "no lengths" if lengths is None else "lengths"
            raise InputError(f"The script says is_packed={packed}, but the batches of its loader come with {form}.")
        if truth is not None:
            return values, lengths, truth
    raise InputError("The script's train loader has no batches.")


def names_of(values: Sequence[Tensor], packed: bool) -> list[str]:
    """Names for modalities by the values ``(B, ...)`` of a batch.

    >>> import torch
    >>> names_of([torch.zeros(2, 5), torch.zeros(2, 24, 12), torch.zeros(2, 1, 28, 28)], packed=False)
    ['table_1', 'series_2', 'image_3']
    """
    kinds = [layout_of(f"{n}", value.shape[1:], timed=packed).kind for n, value in enumerate(values, start=1)]
    return [f"{_WORD[kind]}_{number}" for number, kind in enumerate(kinds, start=1)]


def _watched(loader: Iterable[Any], label: str, say: Callable[[str], None]) -> Iterator[Any]:
    last_line, count = time.monotonic(), 0
    for batch in loader:
        yield batch
        count += len(batch[-1])
        if time.monotonic() - last_line > _SAY_EVERY:
            last_line = time.monotonic()
            say(f"reading the script's {label} loader: {count} samples so far")


def _form(layout: Layout, data: MultimodalData, name: str) -> Form:
    """The range of an image that is held in floats: 0 to 1 where it lies within, else its extremes in train."""
    if layout.kind != "image" or layout.pixels:
        return Form(layout=layout)
    values = cast(Tensor, data.train.columns[name].values)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return Form(layout=layout)
    return Form(layout=layout, low=low, high=high if high > low else low + 1.0)


def _scaled(data: MultimodalData, forms: Sequence[Form]) -> MultimodalData:
    """``data`` with images in [0, 1], and with the statistics of train."""
    splits = data.splits()
    for modality, form in zip(data.modalities, forms, strict=True):
        for label, split in splits.items():
            column = split.columns[modality.name]
            if (values := form.scaled(cast(Tensor, column.values))) is not column.values:
                columns = {**split.columns, modality.name: replace(column, values=values)}
                splits[label] = replace(split, columns=columns)
    known = tuple(with_statistics(m, splits["train"].columns[m.name]) for m in data.modalities)
    return replace(
        data, modalities=known, train=splits["train"], valid=splits.get("valid"), fingerprint=fingerprint(splits)
    )
