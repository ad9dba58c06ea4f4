"""A script's loaders, read once into memory: values, lengths and labels as the script has them, in a fixed order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler, Subset
from torch.utils.data.sampler import SubsetRandomSampler, WeightedRandomSampler

from coral_plugin.data import Column, Kind, Modality, MultimodalData, Split, fingerprint
from coral_plugin.data.columns import with_statistics
from coral_plugin.errors import InputError
from coral_plugin.multibench.layout import Form, Layout, channels_last, valid_steps

_KIND_OF_NDIM: dict[int, Kind] = {1: "tabular", 2: "timeseries", 3: "image"}
_BATCH = 64
_SAY_EVERY = 5.0  # seconds


@dataclass(frozen=True)
class Samples:
    """All samples of a loader.

    Attributes:
        values: ``(N, ...)`` of each modality, as the loader gives them.
        lengths: ``(N,)`` of each modality where the batches are packed.
        targets: ``(N, ...)`` labels as the loader gives them.
        weights: ``(N,)`` with which the loader's sampler draws the samples; None where it draws each once.
    """

    values: list[Tensor]
    lengths: list[Tensor] | None
    targets: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def head(self, count: int) -> Samples:
        """The first ``count`` samples."""
        lengths = None if self.lengths is None else [each[:count] for each in self.lengths]
        return Samples([each[:count] for each in self.values], lengths, self.targets[:count])


def parts(batch: Any, packed: bool) -> tuple[list[Tensor], list[Tensor] | None, Tensor]:
    """Values, lengths and labels of a batch ``[x_1, ..., y]`` or ``([x_1, ...], [lengths_1, ...], index, y)``.

    Raises:
        InputError: the batch is of neither form.
    """
    if not isinstance(batch, list | tuple) or len(batch) < (3 if packed else 2):
        raise InputError(
            f"A batch of the script's loader is a {type(batch).__name__}, no list of modalities and labels."
        )
    values, lengths = (list(batch[0]), list(batch[1])) if packed else (list(batch[:-1]), None)
    for each in [*values, *(lengths or []), batch[-1]]:
        if not isinstance(each, Tensor) or each.ndim == 0:
            wanted = "is_packed says ([x, ...], [lengths, ...], index, y)" if packed else "it must be [x, ..., y]"
            raise InputError(f"A batch of the script's loader holds a {type(each).__name__} where {wanted}.")
    return values, lengths, batch[-1]


def read_loader(loader: Iterable[Any], packed: bool, label: str, say: Callable[[str], None]) -> Samples:
    """Every sample of ``loader`` once, in the order of its data set where it has one.

    Args:
        loader: Of the script; it is not asked for a shuffled pass, so that the same data have the same order.
        packed: Form of its batches.
        label: ``train`` or ``valid``, for messages.
        say: Told how far it is where it takes long.

    Raises:
        InputError: no samples, or batches of another form.
    """
    batches, weights = in_order(loader)
    values: list[list[Tensor]] = []
    lengths: list[list[Tensor]] = []
    targets: list[Tensor] = []
    said, count = time.monotonic(), 0
    for batch in batches:
        own, own_lengths, target = parts(batch, packed)
        values.append(own)
        lengths.append(own_lengths or [])
        targets.append(target)
        count += len(target)
        if time.monotonic() - said > _SAY_EVERY:
            said = time.monotonic()
            say(f"reading the script's {label} loader: {count} samples so far")
    if not targets:
        raise InputError(f"The script's {label} loader has no samples.")
    stacked = [_stacked(list(pieces)) for pieces in zip(*values, strict=True)]
    steps = [torch.cat(pieces) for pieces in zip(*lengths, strict=True)] if packed else None
    return Samples(stacked, steps, torch.cat(targets), weights)


def in_order(loader: Iterable[Any]) -> tuple[Iterable[Any], Tensor | None]:
    """``loader`` without shuffling, workers or dropped samples, and the weights of its sampler where it has such.

    A sampler that picks a part of the data set keeps its part; one that is not known is left alone.
    """
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return loader, None
    sampler, dataset, weights = loader.sampler, loader.dataset, None
    if isinstance(sampler, SubsetRandomSampler):
        dataset = Subset(dataset, sorted({int(i) for i in sampler.indices}))
    elif isinstance(sampler, WeightedRandomSampler):
        weights = sampler.weights
    elif not isinstance(sampler, SequentialSampler | RandomSampler):
        return loader, None
    return DataLoader(dataset, batch_size=loader.batch_size or _BATCH, collate_fn=loader.collate_fn), weights


def as_data(
    samples: Mapping[str, Samples], packed: bool, kinds: Mapping[str, Kind] | None = None
) -> tuple[MultimodalData, Layout]:
    """The data set of a script, and how its modalities look to the script's encoders.

    Kinds follow from the axes of a sample: one is ``tabular``; two a series, ``sequence`` where it is packed or zeros
    fill some of them up at the end, else ``timeseries``; three an ``image``. Modalities are called by kind and place,
    ``image_1``.

    Args:
        samples: Of ``train`` and ``valid``.
        packed: Form of the script's batches.
        kinds: ``{modality: kind}`` where these are wrong; by the names they would have without it.

    Raises:
        InputError: samples of no or of four axes, splits whose samples differ in shape, or a name that is not there.
    """
    train = samples["train"]
    kinds = dict(kinds or {})
    modalities, forms = [], []
    columns: dict[str, dict[str, Column]] = {label: {} for label in samples}
    for number in range(len(train.values)):
        modality, form = _described(samples, number, packed, kinds)
        for label, each in samples.items():
            columns[label][modality.name] = _column(each, number, modality, form, packed)
        modalities.append(_with_shape(modality, [columns[label][modality.name] for label in samples]))
        forms.append(form)
    if kinds:
        raise InputError(
            f"A kind is given for {', '.join(kinds)}; modalities are {', '.join(m.name for m in modalities)}."
        )
    modalities = [m if m.kind == "image" else with_statistics(m, columns["train"][m.name]) for m in modalities]
    splits = {label: Split(own, {}) for label, own in columns.items()}
    data = MultimodalData(
        name="script",
        modalities=tuple(modalities),
        tasks=(),
        train=splits["train"],
        valid=splits.get("valid"),
        fingerprint=fingerprint(splits),
    )
    return data, Layout(modalities=tuple(modalities), forms=tuple(forms), packed=packed)


def _described(
    samples: Mapping[str, Samples], number: int, packed: bool, kinds: dict[str, Kind]
) -> tuple[Modality, Form]:
    raw = samples["train"].values[number]
    if raw.ndim - 1 not in _KIND_OF_NDIM:
        raise InputError(
            f"Modality {number + 1} of the script has samples of shape {tuple(raw.shape[1:])}; one axis (a vector), two "
            "(a series) or three (an image) are taken."
        )
    kind = _KIND_OF_NDIM[raw.ndim - 1]
    shape = tuple(raw.shape[1:])
    if kind == "timeseries" and (packed or any(_ends_early(each.values[number]) for each in samples.values())):
        kind = "sequence"
    name = f"{kind}_{number + 1}"
    kind = kinds.pop(name, kind)
    if kind == "image":
        last = channels_last(shape)
        low, high = _range(raw)
        return Modality(name=name, kind=kind, shape=(shape[-1], *shape[:-1]) if last else shape), Form(
            channels_last=last, low=low, high=high
        )
    return Modality(name=name, kind=kind, shape=shape), Form()


def _ends_early(raw: Tensor) -> bool:
    return bool((valid_steps(raw) < raw.shape[1]).any())


def _range(raw: Tensor) -> tuple[float, float]:
    """What of images is black and white: 0 and 255 for bytes, 0 and 1 for what lies between, else the extremes."""
    low, high = float(raw.min()), float(raw.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 255 and bool((raw == raw.round()).all()):
        return 0.0, 255.0
    return low, high if high > low else low + 1.0


def _column(samples: Samples, number: int, modality: Modality, form: Form, packed: bool) -> Column:
    values = form.ours(samples.values[number])
    if not bool(values.isfinite().all()):
        raise InputError(f"{modality.name} of the script holds values that are not finite.")
    if modality.kind != "sequence":
        return Column(values.contiguous())
    lengths = samples.lengths[number].clamp(min=1) if samples.lengths is not None and packed else valid_steps(values)
    steps = torch.arange(values.shape[1])
    return Column(values.masked_fill((steps >= lengths[:, None]).unsqueeze(-1), 0.0), lengths.long())


def _with_shape(modality: Modality, columns: list[Column]) -> Modality:
    """``modality`` with the steps of its longest split; everything else must be equal."""
    shapes = {tuple(column.values.shape[1:]) for column in columns}
    if modality.kind == "sequence" and len({shape[1:] for shape in shapes}) == 1:
        return replace(modality, shape=max(shapes))
    if len(shapes) > 1:
        raise InputError(f"Samples of {modality.name} differ between train and valid: {', '.join(map(str, shapes))}.")
    return modality


def _stacked(pieces: list[Tensor]) -> Tensor:
    """Batches ``(B, ...)`` one behind the other; series are filled up with zeros to the longest."""
    steps = {piece.shape[1] for piece in pieces if piece.ndim == 3}
    if len(steps) <= 1:
        return torch.cat(pieces)
    out = pieces[0].new_zeros(sum(map(len, pieces)), max(steps), *pieces[0].shape[2:])
    start = 0
    for piece in pieces:
        out[start : start + len(piece), : piece.shape[1]] = piece
        start += len(piece)
    return out
