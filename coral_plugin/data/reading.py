"""Batches of a data loader in the forms that MultiBench's have, read once and put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coral_plugin.errors import InputError, short
from coral_plugin.machine import memory

FORMS = "(x1, ..., xM, y), or with lengths ([x1, ..., xM], [length1, ..., lengthM], index, y)"


@dataclass
class Pile:
    """One modality of one split, batch by batch; images of whole numbers from 0 to 255 wait as bytes."""

    parts: list[Tensor] = field(default_factory=list)
    lengths: list[Tensor] = field(default_factory=list)

    def whole(self, steps: int | None = None) -> Tensor:
        """``(N, ...)``, all of it, and the batches let go of; series are filled up with zeros to ``steps``."""
        parts, self.parts = self.parts, []
        if len({part.dtype for part in parts}) > 1:
            wide = any(part.dtype == torch.float64 for part in parts)
            parts = [part.double() if wide else part.float() for part in parts]
        if steps is None:
            return torch.cat(parts)
        whole = parts[0].new_zeros(sum(map(len, parts)), steps, *parts[0].shape[2:])
        at = 0
        for part in parts:
            whole[at : at + len(part), : part.shape[1]] = part
            at += len(part)
        return whole


@dataclass
class Gathered:
    """Everything that one loader gave.

    Attributes:
        piles: One for each modality.
        truth: ``(N, ...)`` of the labels as they were collated; None where batches have none.
        words: Labels that came as text, of which ``truth`` holds the numbers, in order of appearance.
        timed: Whether lengths came with the batches.
    """

    piles: list[Pile]
    truth: Tensor | None
    timed: bool
    words: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.piles[0].parts))


def gather(loader: Iterable[Any], where: str, *, labels: bool = True, single: bool = False) -> Gathered:
    """Read ``loader`` to its end, once.

    Args:
        loader: Gives batches in one of :data:`FORMS`, of tensors or arrays.
        where: ``name: split``, for messages.
        labels: Whether the last entry of a batch is its label.
        single: Whether values become 32-bit floats at once, as in MultiBench; others keep their precision.

    Raises:
        InputError: it gives nothing, something else than batches, batches that do not fit each other, or has no end.
    """
    if isinstance(loader, str | bytes | Mapping) or not isinstance(loader, Iterable):
        raise InputError(f"{where} is no loader of batches, but {_told(loader)}; give one that gives {FORMS}.")
    found: Gathered | None = None
    truths: list[Tensor] = []
    words: dict[str, int] = {}
    held, most = 0, memory()
    for number, batch in enumerate(loader):
        if labels and isinstance(batch, list | tuple) and batch and (text := _text(batch[-1])) is not None:
            batch = [*batch[:-1], torch.tensor([words.setdefault(word, len(words)) for word in text])]
        values, lengths, truth = split_batch(batch, f"{where}, batch {number}", labels=labels)
        if found is None:
            found = Gathered([Pile() for _ in values], None, lengths is not None)
        if len(values) != len(found.piles) or (lengths is not None) != found.timed:
            raise InputError(f"{where}: batch {number} has {len(values)} modalities, the first {len(found.piles)}.")
        for at, pile in enumerate(found.piles):
            part = _plain(values[at], single, f"{where}, batch {number}, modality {at}")
            _same(pile, part, found.timed, f"{where}, batch {number}, modality {at}")
            pile.parts.append(part)
            if lengths is not None:
                pile.lengths.append(_counts(lengths[at], part, f"{where}, batch {number}, lengths {at}"))
            held += part.nbytes
        if truth is not None:
            truths.append(truth)
        if most is not None and held > most // 2:  # they are put together, too
            raise InputError(
                f"{where} gave {len(found)} samples, {held / 2**30:.1f} GiB, and has not ended; half of this machine's "
                "memory is all that is taken: give a loader that ends, or smaller data."
            )
    if found is None or not len(found):
        raise InputError(f"{where} gave no batch; a generator gives its batches once only: give a loader.")
    found.words = tuple(words)
    if truths:
        found.truth = _together(truths, where)
    return found


def split_batch(
    batch: Any, where: str, *, labels: bool = True
) -> tuple[list[Tensor], list[Tensor] | None, Tensor | None]:
    """Values of each modality, their lengths where there are any, and the label of one batch.

    Raises:
        InputError: the batch is in none of :data:`FORMS`.
    """
    if not isinstance(batch, list | tuple):
        raise InputError(f"{where} is a {type(batch).__name__}, not {FORMS}.")
    if len(batch) == 4 and all(isinstance(part, list | tuple) for part in batch[:2]):
        values, lengths = (_tensors(part, where) for part in batch[:2])
        if len(values) != len(lengths):
            raise InputError(f"{where} has {len(values)} modalities, but {len(lengths)} lengths.")
        truth = _tensors(batch[3:], where)
        return _fitting(values, [*lengths, *truth], where), lengths, truth[0]
    parts = _tensors(batch, where)
    if len(parts) < 1 + labels:
        raise InputError(f"{where} has {len(parts)} entries; expected {FORMS}.")
    values, truths = (parts[:-1], parts[-1:]) if labels else (parts, [])
    return _fitting(values, truths, where), None, truths[0] if truths else None


def _tensors(parts: Any, where: str) -> list[Tensor]:
    found = []
    for at, part in enumerate(parts):
        if isinstance(part, np.ndarray) and part.dtype.kind in "fiub":
            if masked := int(np.ma.count_masked(part)):
                raise InputError(
                    f"{where} has {masked} of {part.size} values masked (missing) in place {at}; fill them in, or "
                    "leave those samples out."
                )
            part = torch.from_numpy(_native(part))
        if not isinstance(part, Tensor) or part.is_complex():
            raise InputError(f"{where} has {_told(part)} in place {at}, not a tensor of numbers; batches are {FORMS}.")
        found.append(part.detach().cpu())
    return found


def _native(array: np.ndarray) -> np.ndarray:
    """A copy that torch computes with: the machine's byte order, writable, no unsigned type of several bytes."""
    kind = array.dtype.newbyteorder("=")
    if kind.kind == "u" and kind.itemsize > 1:
        kind = np.dtype(np.int64 if array.max(initial=0) < 2**63 else np.float64)
    elif kind.kind == "f" and kind.itemsize > 8:
        kind = np.dtype(np.float64)
    return np.require(np.asarray(array), kind, ["C", "W"])


def _text(part: Any) -> list[str] | None:
    """The labels of a batch that came as text, one a sample; None for anything else."""
    if isinstance(part, np.ndarray) and part.dtype.kind in "USO" and part.ndim == 1:
        part = part.tolist()
    if not isinstance(part, list | tuple) or not part or not all(isinstance(each, str | bytes) for each in part):
        return None
    return [each.decode("utf-8", "backslashreplace") if isinstance(each, bytes) else each for each in part]


def _told(value: Any) -> str:
    return short(value) if isinstance(value, str | bytes | int | float) else f"an object of type {type(value).__name__}"


def _fitting(values: list[Tensor], others: list[Tensor], where: str) -> list[Tensor]:
    """The values, once every part of the batch has as many samples as they have."""
    parts = [*values, *others]
    if any(part.ndim == 0 for part in parts):
        raise InputError(f"{where} is one sample, not a batch; give a loader that collates samples.")
    if len({len(part) for part in parts}) > 1:
        raise InputError(
            f"{where} has parts of {[len(part) for part in parts]} samples; a batch has one number of them."
        )
    return values


def _plain(values: Tensor, single: bool, where: str) -> Tensor:
    """Floats that 32 bits can hold; pictures of whole grey values as bytes, a quarter of it."""
    if values.ndim == 4 and values.dtype != torch.uint8 and values.numel():
        low, high = values.min(), values.max()
        if 0 <= low <= high <= 255 and (not values.is_floating_point() or bool((values == values.round()).all())):
            return values.to(torch.uint8)
    if values.dtype == torch.uint8 and values.ndim == 4:
        return values
    cast = values.float()
    if not bool(cast.isfinite().all()):
        wild = int((~cast.isfinite()).sum())
        raise InputError(f"{where} holds {wild} values that no 32-bit float holds (NaN, infinite); clean them first.")
    return cast if single or values.dtype not in (torch.float64, torch.int64, torch.int32) else values.double()


def _same(pile: Pile, part: Tensor, timed: bool, where: str) -> None:
    fixed = slice(2 if timed and part.ndim == 3 else 1, None)
    if pile.parts and (part.shape[fixed] != pile.parts[0].shape[fixed] or part.ndim != pile.parts[0].ndim):
        raise InputError(
            f"{where} is {tuple(part.shape)}, the first batch was {tuple(pile.parts[0].shape)}; samples need one shape."
        )


def _counts(lengths: Tensor, part: Tensor, where: str) -> Tensor:
    steps = part.shape[1] if part.ndim > 1 else 0
    if lengths.ndim != 1 or lengths.is_floating_point():
        raise InputError(f"{where} must be whole numbers (B,), got {lengths.dtype} {tuple(lengths.shape)}.")
    if int(lengths.min()) < 1 or int(lengths.max()) > steps:
        raise InputError(f"{where} must be from 1 to {steps}, got {int(lengths.min())} to {int(lengths.max())}.")
    return lengths.long()


def _together(truths: list[Tensor], where: str) -> Tensor:
    for before, after in pairwise(truths):
        if before.shape[1:] != after.shape[1:]:
            raise InputError(
                f"{where}: labels of one batch are {tuple(before.shape)}, of the next {tuple(after.shape)}; "
                "they need one shape."
            )
    return torch.cat(truths)
