"""Batches of a data loader, read once in the order of its data set, in the forms that MultiBench's loaders give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from coral_plugin.errors import InputError, short
from coral_plugin.machine import memory

FORMS = "(x1, ..., xM, y), or with lengths ([x1, ..., xM], [length1, ..., lengthM], index, y)"


@dataclass
class ModalityBatches:
    """One modality of one split, batch by batch; images of whole numbers from 0 to 255 are held as bytes.

    Attributes:
        values: Batches ``(B, ...)``.
        lengths: Lengths ``(B,)`` of each batch, where they came with it.
    """

    values: list[Tensor] = field(default_factory=list)
    lengths: list[Tensor] = field(default_factory=list)

    def join(self, steps: int | None = None) -> Tensor:
        """``(N, ...)``, all values, and the batches are released; series are filled up with zeros to ``steps``."""
        batches, self.values = self.values, []
        if len({values.dtype for values in batches}) > 1:
            double = any(values.dtype == torch.float64 for values in batches)
            batches = [values.double() if double else values.float() for values in batches]
        if steps is None:
            return torch.cat(batches)
        joined = batches[0].new_zeros(sum(map(len, batches)), steps, *batches[0].shape[2:])
        start = 0
        for values in batches:
            joined[start : start + len(values), : values.shape[1]] = values
            start += len(values)
        return joined


@dataclass
class LoaderContent:
    """Everything that one loader gave.

    Attributes:
        modalities: Batches of each modality, in the order of the loader's tuples.
        labels: ``(N, ...)`` labels as they were collated; None where batches have none.
        timed: Whether lengths came with the batches.
        texts: Labels that came as text, of which ``labels`` holds the numbers, in order of appearance.
    """

    modalities: list[ModalityBatches]
    labels: Tensor | None
    timed: bool
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.modalities[0].values))


def read_batches(loader: Iterable[Any], source: str, *, labelled: bool = True, single: bool = False) -> LoaderContent:
    """Read ``loader`` to its end, once.

    Args:
        loader: Iterable of batches in one of :data:`FORMS`, of tensors or arrays.
        source: ``name: split``, for messages.
        labelled: Whether the last entry of a batch is its label.
        single: Whether values become 32-bit floats at once, as in MultiBench; others keep their precision.

    Raises:
        InputError: it gives nothing, something else than batches, batches that do not fit each other, or has no end.
    """
    if isinstance(loader, str | bytes | Mapping) or not isinstance(loader, Iterable):
        raise InputError(f"{source} is no loader of batches, but {_described(loader)}; give one that gives {FORMS}.")
    content: LoaderContent | None = None
    labels: list[Tensor] = []
    texts: dict[str, int] = {}
    held, available = 0, memory()
    for number, batch in enumerate(loader):
        batch_source = f"{source}, batch {number}"
        if labelled and isinstance(batch, list | tuple) and batch and (names := _text(batch[-1])) is not None:
            batch = [*batch[:-1], torch.tensor([texts.setdefault(name, len(texts)) for name in names])]
        parts, lengths, label = split_batch(batch, batch_source, labelled=labelled)
        if content is None:
            content = LoaderContent([ModalityBatches() for _ in parts], None, lengths is not None)
        if len(parts) != len(content.modalities) or (lengths is not None) != content.timed:
            count = len(content.modalities)
            raise InputError(f"{source}: batch {number} has {len(parts)} modalities, the first {count}.")
        for place, batches in enumerate(content.modalities):
            values = _plain(parts[place], single, f"{batch_source}, modality {place}")
            _require_same_shape(batches, values, content.timed, f"{batch_source}, modality {place}")
            batches.values.append(values)
            if lengths is not None:
                batches.lengths.append(_checked_lengths(lengths[place], values, f"{batch_source}, lengths {place}"))
            held += values.nbytes
        if label is not None:
            labels.append(label)
        if available is not None and held > available // 2:  # they are joined, too
            raise InputError(
                f"{source} gave {len(content)} samples, {held / 2**30:.1f} GiB, and has not ended; half of this "
                "machine's memory is all that is taken: give a loader that ends, or smaller data."
            )
    if content is None or not len(content):
        raise InputError(f"{source} gave no batch; a generator gives its batches once only: give a loader.")
    content.texts = tuple(texts)
    if labels:
        content.labels = _joined_labels(labels, source)
    return content


def split_batch(
    batch: Any, source: str, *, labelled: bool = True
) -> tuple[list[Tensor], list[Tensor] | None, Tensor | None]:
    """Values of each modality, their lengths where there are any, and the label of one batch.

    Raises:
        InputError: the batch is in none of :data:`FORMS`.
    """
    if not isinstance(batch, list | tuple):
        raise InputError(f"{source} is a {type(batch).__name__}, not {FORMS}.")
    if len(batch) == 4 and all(isinstance(part, list | tuple) for part in batch[:2]):
        values, lengths = (_tensors(part, source) for part in batch[:2])
        if len(values) != len(lengths):
            raise InputError(f"{source} has {len(values)} modalities, but {len(lengths)} lengths.")
        labels = _tensors(batch[3:], source)
        return _require_same_count(values, [*lengths, *labels], source), lengths, labels[0]
    parts = _tensors(batch, source)
    if len(parts) < 1 + labelled:
        raise InputError(f"{source} has {len(parts)} entries; expected {FORMS}.")
    values, labels = (parts[:-1], parts[-1:]) if labelled else (parts, [])
    return _require_same_count(values, labels, source), None, labels[0] if labels else None


def _tensors(parts: Any, source: str) -> list[Tensor]:
    tensors = []
    for place, part in enumerate(parts):
        if isinstance(part, np.ndarray) and part.dtype.kind in "fiub":
            if masked := int(np.ma.count_masked(part)):
                raise InputError(
                    f"{source} has {masked} of {part.size} values masked (missing) in place {place}; fill them in, or "
                    "leave those samples out."
                )
            part = torch.from_numpy(_native(part))
        if not isinstance(part, Tensor) or part.is_complex():
            raise InputError(
                f"{source} has {_described(part)} in place {place}, not a tensor of numbers; batches are {FORMS}."
            )
        tensors.append(part.detach().cpu())
    return tensors


def _native(array: np.ndarray) -> np.ndarray:
    """A copy that torch computes with: the machine's byte order, writable, no unsigned type of several bytes."""
    kind = array.dtype.newbyteorder("=")
    if kind.kind == "u" and kind.itemsize > 1:
        kind = np.dtype(np.int64 if array.max(initial=0) < 2**63 else np.float64)
    elif kind.kind == "f" and kind.itemsize > 8:
        kind = np.dtype(np.float64)
    return np.require(np.asarray(array), kind, ["C", "W"])


def _text(part: Any) -> list[str] | None:
    """The labels of a batch that came as text, one per sample; None for anything else."""
    if isinstance(part, np.ndarray) and part.dtype.kind in "USO" and part.ndim == 1:
        part = part.tolist()
    if not isinstance(part, list | tuple) or not part or not all(isinstance(item, str | bytes) for item in part):
        return None
    return [item.decode("utf-8", "backslashreplace") if isinstance(item, bytes) else item for item in part]


def _described(value: Any) -> str:
    return short(value) if isinstance(value, str | bytes | int | float) else f"an object of type {type(value).__name__}"


def _require_same_count(values: list[Tensor], others: list[Tensor], source: str) -> list[Tensor]:
    """The values, once every part of the batch has as many samples as they have."""
    parts = [*values, *others]
    if any(part.ndim == 0 for part in parts):
        raise InputError(f"{source} is one sample, not a batch; give a loader that collates samples.")
    if len({len(part) for part in parts}) > 1:
        raise InputError(
            f"{source} has parts of {[len(part) for part in parts]} samples; a batch has one number of them."
        )
    return values


def _plain(values: Tensor, single: bool, source: str) -> Tensor:
    """Floats that 32 bits can hold; pictures of whole grey values as bytes, a quarter of it."""
    if values.dtype in (torch.uint16, torch.uint32, torch.uint64):  # torch computes with none of them
        values = values.to(torch.int64)
    if values.ndim == 4 and values.dtype != torch.uint8 and values.numel():
        low, high = values.min(), values.max()
        if 0 <= low <= high <= 255 and (not values.is_floating_point() or bool((values == values.round()).all())):
            return values.to(torch.uint8)
    if values.dtype == torch.uint8 and values.ndim == 4:
        return values
    floats = values.float()
    if not bool(floats.isfinite().all()):
        wild = int((~floats.isfinite()).sum())
        raise InputError(f"{source} holds {wild} values that no 32-bit float holds (NaN, infinite); clean them first.")
    return floats if single or values.dtype not in (torch.float64, torch.int64, torch.int32) else values.double()


def _require_same_shape(batches: ModalityBatches, values: Tensor, timed: bool, source: str) -> None:
    if not batches.values:
        return
    first, fixed = batches.values[0], slice(2 if timed and values.ndim == 3 else 1, None)
    if values.shape[fixed] != first.shape[fixed] or values.ndim != first.ndim:
        raise InputError(
            f"{source} is {tuple(values.shape)}, the first batch was {tuple(first.shape)}; samples need one shape."
        )


def _checked_lengths(lengths: Tensor, values: Tensor, source: str) -> Tensor:
    steps = values.shape[1] if values.ndim > 1 else 0
    if lengths.ndim != 1 or lengths.is_floating_point():
        raise InputError(f"{source} must be whole numbers (B,), got {lengths.dtype} {tuple(lengths.shape)}.")
    if int(lengths.min()) < 1 or int(lengths.max()) > steps:
        raise InputError(f"{source} must be from 1 to {steps}, got {int(lengths.min())} to {int(lengths.max())}.")
    return lengths.long()


def _joined_labels(labels: list[Tensor], source: str) -> Tensor:
    for before, after in pairwise(labels):
        if before.shape[1:] != after.shape[1:]:
            raise InputError(
                f"{source}: labels of one batch are {tuple(before.shape)}, of the next {tuple(after.shape)}; "
                "they need one shape."
            )
    return torch.cat(labels)


def in_order(loader: Any, label: str) -> tuple[Any, list[str]]:
    """A loader of the same batches that shuffles, repeats and drops nothing; a loader of another kind stays as it is.

    Args:
        loader: Any loader. For a ``DataLoader`` over a data set with numbered samples, a new one with its collation,
            batch size and workers is made; it does not touch PyTorch's global generator.
        label: Name of the split, for the note.

    Returns:
        The loader, and notes for the user.
    """
    if (
        not isinstance(loader, DataLoader)
        or isinstance(loader.dataset, IterableDataset)
        or type(loader.batch_sampler) is not BatchSampler
    ):
        return loader, []
    rows = _rows(loader.sampler)
    if rows is None:
        return loader, []
    ordered = DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        sampler=rows,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=torch.Generator(),
    )
    drawn = getattr(loader.sampler, "num_samples", len(rows))
    if isinstance(loader.sampler, WeightedRandomSampler):
        return ordered, [f"the loader of {label} draws samples by weight; here each is taken once"]
    if drawn < len(rows):
        return ordered, [
            f"the loader of {label} draws {drawn:,} of {len(rows):,} samples at a time; here all are taken"
        ]
    return ordered, []


def _rows(sampler: Iterable[int]) -> Sequence[int] | None:
    """Samples that ``sampler`` may draw, in order; None where its kind does not say so."""
    if type(sampler) is SubsetRandomSampler:
        return sorted(set(map(int, sampler.indices)))
    if type(sampler) is WeightedRandomSampler:
        return torch.as_tensor(sampler.weights).nonzero().flatten().tolist()
    if type(sampler) in (SequentialSampler, RandomSampler):
        return range(len(sampler.data_source))  # type: ignore[attr-defined]  # perhaps a range of the data set
    return None
