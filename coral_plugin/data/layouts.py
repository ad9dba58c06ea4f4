"""How the samples of a data loader of any shape become samples of one of the four kinds, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import Tensor, nn

from coral_plugin.data.modality import KINDS, Kind
from coral_plugin.errors import InputError
from coral_plugin.registry import suggest

CHANNELS = (1, 2, 3, 4)  # of a picture
Values = TypeVar("Values", Tensor, np.ndarray)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One modality as a loader gives it (``theirs``) and as a column of ours holds it (``ours``).

    Attributes:
        kind: Of our modality.
        shape: Of one of their samples; the number of steps of a ``sequence`` is that of its longest sample.
        moves: Whether their images have their channels last.
        pixels: Whether their whole numbers from 0 to 255 are held as bytes, which batches give as shares of one.
        filled: Whether every batch of their sequences has all the steps, the last of them zeros; ours are cut to the
            longest sample of the batch, as theirs are where lengths come with them.
    """

    kind: Kind
    shape: tuple[int, ...]
    moves: bool = False
    pixels: bool = False
    filled: bool = False

    @property
    def ours(self) -> tuple[int, ...]:
        """Shape of one of our samples."""
        if self.kind == "image":
            whole = (1, *self.shape) if len(self.shape) == 2 else self.shape
            return (whole[-1], *whole[:-1]) if self.moves else whole
        if self.kind == "tabular":
            return (math.prod(self.shape),)
        return (self.shape[0], math.prod(self.shape[1:]))

    def to_ours(self, values: Values) -> Values:
        """``(N, *theirs)`` in our shape; pixels stay what they are."""
        if self.moves:
            return values.swapaxes(1, 3).swapaxes(2, 3)
        steps = values.shape[1] if self.kind == "sequence" else self.ours[0]
        return values.reshape(len(values), steps, *self.ours[1:])

    def to_theirs(self, values: Tensor) -> Tensor:
        """A batch of ours, ``(N, *ours)``, as the loader would give it: the same numbers in the same places."""
        if self.pixels:
            values = (values * 255).round()  # a byte divided by 255 is off by less than a half of one
        if self.moves:
            return values.movedim(1, -1)
        if self.kind == "sequence":
            return nn.functional.pad(values, (0, 0, 0, self.shape[0] - values.shape[1])) if self.filled else values
        return values.reshape(len(values), *self.shape)


def layout_of(name: str, shape: Sequence[int], *, kind: Kind | None = None, timed: bool = False) -> Layout:
    """The layout of samples of ``shape``.

    (d,) is tabular, and so is a single number; (T, d) is a series; (C, H, W) and (H, W, C) with up to 4 channels are
    images, and (T, H, W) with more are T steps of one frame each.

    Args:
        name: Of the modality, for messages.
        shape: Of one sample, without the batch.
        kind: What it is, where that is wrong: a timeseries of single numbers for (T,), an image of many channels
            for (C, H, W), one of one channel for (H, W), a table of all its numbers for anything.
        timed: Whether lengths come with it: then it is a sequence, (T, d).

    Raises:
        InputError: no kind fits; the message says how to make one fit.
    """
    shape = tuple(shape)
    if kind is not None and kind not in KINDS:
        raise suggest(str(kind), list(KINDS), "kind of modality")
    if timed and (len(shape) != 2 or kind not in (None, "sequence")):
        raise InputError(
            f"Modality {name!r} comes with lengths, so it is of kind sequence and (B, T, d), got (B, {_told(shape)})"
            f"{f' and kind {kind}' if kind else ''}; take the loader without flatten_time_series."
        )
    if kind is None:
        kind = "sequence" if timed else _guess(name, shape)
    fits = {"tabular": True, "sequence": len(shape) == 2, "timeseries": bool(shape), "image": len(shape) in (2, 3)}
    if not fits[kind]:
        raise InputError(
            f"Modality {name!r} of (N, {_told(shape)}) cannot be of kind {kind}; give another kind, or another shape "
            f"(of batches: prepare={{{name!r}: function}})."
        )
    return Layout(
        kind=kind, shape=shape, moves=kind == "image" and channels_last(shape), filled=kind == "sequence" and not timed
    )


def channels_last(shape: tuple[int, ...]) -> bool:
    """Whether (a, b, c) are pixels with up to 4 channels behind; maps of 4 x 4 or less are behind their channels."""
    return len(shape) == 3 and shape[-1] in CHANNELS and min(shape[:2]) > max(CHANNELS)


def _guess(name: str, shape: tuple[int, ...]) -> Kind:
    if len(shape) < 2:
        return "tabular"
    if len(shape) == 2:
        return "sequence"
    if len(shape) == 3:
        return "image" if shape[0] in CHANNELS or shape[-1] in CHANNELS else "timeseries"
    raise InputError(
        f"Modality {name!r} has batches (B, {_told(shape)}), which no kind of modality fits; give "
        f"kinds={{{name!r}: 'timeseries'}} for steps in the second dimension, or shape them with "
        f"prepare={{{name!r}: function}}."
    )


def _told(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))
