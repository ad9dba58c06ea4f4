"""Layouts: which axis of an array or a loader's batch is what, and how its samples become those of a modality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from torch import Tensor, nn

from coral_plugin.data.modality import KINDS, Kind
from coral_plugin.errors import InputError
from coral_plugin.io.mapped import pieces
from coral_plugin.registry import suggest

_CHANNELS = (1, 2, 3, 4)  # of an image
_LONG = 1000  # values of a table from which it might be one signal
_SIDE = 8  # least side of a gray image
_STEPS = 100  # least number of "features" that might be steps
_SWAPPED = 500  # features from which a series that looks like one with its axes swapped is refused
_SIMILAR = 0.5  # correlation of neighbours from which an axis looks like time
_SAMPLES = 64  # samples that are looked at
Values = TypeVar("Values", Tensor, np.ndarray)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One modality as it is given (``theirs``) and as a :class:`~coral_plugin.data.ModalityColumn` holds it (``ours``).

    Attributes:
        kind: Kind of the modality.
        shape: Shape of one of their samples; a ``sequence`` has the number of steps of its longest sample.
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
        name: Name of the modality, for messages.
        shape: Shape of one sample, without the batch.
        kind: Kind of the modality where its shape misleads: a timeseries of single numbers for (T,), an image of many
            channels for (C, H, W), one of one channel for (H, W), a table of all its numbers for anything.
        timed: Whether lengths come with it: then it is a sequence, (T, d).

    Raises:
        InputError: no kind fits; the message says how to make one fit.
    """
    shape = tuple(shape)
    if kind is not None and kind not in KINDS:
        raise suggest(str(kind), list(KINDS), "kind of modality")
    if timed and (len(shape) != 2 or kind not in (None, "sequence")):
        raise InputError(
            f"Modality {name!r} comes with lengths, so it is of kind sequence and (B, T, d), got (B, {_sides(shape)})"
            f"{f' and kind {kind}' if kind else ''}; take the loader without flatten_time_series."
        )
    if kind is None:
        kind = "sequence" if timed else _kind_of_shape(name, shape)
    fits = {"tabular": True, "sequence": len(shape) == 2, "timeseries": bool(shape), "image": len(shape) in (2, 3)}
    if not fits[kind]:
        raise InputError(
            f"Modality {name!r} of (N, {_sides(shape)}) cannot be of kind {kind}; give another kind, or another shape "
            f"(of batches: prepare={{{name!r}: function}})."
        )
    moves = kind == "image" and _channels_last(shape)
    return Layout(kind=kind, shape=shape, moves=moves, filled=kind == "sequence" and not timed)


def recognise_layout(
    train: np.ndarray, key: str, *, kind: Kind | None, timed: bool, source: str
) -> tuple[Layout, list[str]]:
    """The layout of samples of ``train`` (N, ...), and notes on other readings of them.

    Args:
        train: Values of the samples of train that have the modality.
        key: Name of the modality.
        kind: Kind of the modality where the user gives it: then nothing is guessed.
        timed: Whether lengths are given: then it is (N, T, d).
        source: Name of the array, for messages.

    Raises:
        InputError: a shape that no kind fits, or one that has two likely readings; the message has the remedies.
    """
    shape = train.shape[1:]
    if kind is not None or (timed and len(shape) == 2):
        return layout_of(key, shape, kind=kind or "sequence"), []
    if len(shape) == 1:
        return layout_of(key, shape, kind="tabular"), other_readings(train, key)
    if len(shape) == 2:
        if _is_gray(train):
            series = f"for series of {_x(shape, 'steps', 'features')}, say {kind_option(key, 'timeseries')}"
            return layout_of(key, shape, kind="image"), [f"{key} is read as gray images of {_x(shape)}; {series}"]
        _refuse_swapped(train, key, source)
        return layout_of(key, shape, kind="sequence"), other_readings(train, key)
    if len(shape) == 3:
        return _image(key, shape, source)
    if not shape:
        raise InputError(
            f"{source} has shape {train.shape}; give (N, d), or for one number a sample say "
            f"{kind_option(key, 'tabular')}; what is no modality, such as ids or groups, goes under meta/{key}."
        )
    raise InputError(
        f"{source} has shape {train.shape}; give (N, d) tabular, (N, T, d) series or (N, C, H, W) images, or say "
        f"{kind_option(key, 'timeseries')} for steps in the second place."
    )


def other_readings(train: np.ndarray, key: str) -> list[str]:
    """Notes on tables and series ``(N, ...)`` that might be something else."""
    shape = train.shape[1:]
    if len(shape) == 1 and shape[0] >= _LONG:
        read = f"{key} is read as a table of {shape[0]} features; for one signal of {shape[0]} steps give "
        return [f"{read}(N, {shape[0]}, 1) or say {kind_option(key, 'timeseries')}"]
    if len(shape) != 2:
        return []
    steps, features = shape
    read = f"{key} is read as series of {_x(shape, 'steps', 'features')}"
    if features >= _STEPS and (features >= 16 * steps or (features >= 4 * steps and _similarity(train) > _SIMILAR)):
        return [f"{read}; for {_x(shape, 'signals', 'steps')} swap the axes to (N, {features}, {steps})"]
    like_sides = min(shape) >= 2 * _SIDE and max(shape) <= 2 * min(shape)
    like_pixels = like_sides and min(_similarity(train), _similarity(train.swapaxes(1, 2))) > _SIMILAR
    if steps == features >= _SIDE or like_pixels:
        return [f"{read}; for gray images say {kind_option(key, 'image')}"]
    return []


def kind_option(key: str, kind: Kind) -> str:
    """The argument and the flag by which a user gives the kind of a modality.

    >>> kind_option("door", "image")
    "kinds={'door': 'image'} (--kind door=image)"
    """
    return f"kinds={{{key!r}: {kind!r}}} (--kind {key}={kind})"


def reshape_as(array: np.ndarray, ours: tuple[int, ...], kind: Kind) -> np.ndarray:
    """New samples ``(N, ...)`` in the shape ``ours`` of a modality, where they are laid out as train may have been.

    Images may have their channels last, gray ones no channel, single signals no feature axis; series may have another
    number of steps. An array that fits in no such way is returned as it is.
    """
    shape = array.shape[1:]
    if shape == ours:
        return array
    if kind == "image" and len(shape) == 3 and (shape[-1], *shape[:-1]) == ours:
        return np.moveaxis(array, -1, 1)
    if kind == "image" and (1, *shape) == ours:
        return array[:, None]
    if kind == "tabular" and array[:1].size == ours[0]:
        return array.reshape(len(array), -1)
    if kind == "timeseries" and shape and array[:1, :1].size == ours[1]:
        return array.reshape(len(array), shape[0], ours[1])
    return array


def _kind_of_shape(name: str, shape: tuple[int, ...]) -> Kind:
    if len(shape) < 2:
        return "tabular"
    if len(shape) == 2:
        return "sequence"
    if len(shape) == 3:
        return "image" if shape[0] in _CHANNELS or shape[-1] in _CHANNELS else "timeseries"
    raise InputError(
        f"Modality {name!r} has batches (B, {_sides(shape)}), which no kind of modality fits; give "
        f"kinds={{{name!r}: 'timeseries'}} for steps in the second dimension, or shape them with "
        f"prepare={{{name!r}: function}}."
    )


def _channels_last(shape: tuple[int, ...]) -> bool:
    """Whether (a, b, c) are pixels with up to 4 channels behind; maps of 4 x 4 or less are behind their channels."""
    return len(shape) == 3 and shape[-1] in _CHANNELS and min(shape[:2]) > max(_CHANNELS)


def _image(key: str, shape: tuple[int, ...], source: str) -> tuple[Layout, list[str]]:
    """(C, H, W), or (H, W, C) where the sides say so."""
    first, middle, last = shape
    layout = layout_of(key, shape, kind="image")
    if first in _CHANNELS:
        return layout, []
    as_image, as_series = kind_option(key, "image"), kind_option(key, "timeseries")
    moved = f"{key} is read as images with their channels last: {last} of {first} x {middle}; for {first} channels of "
    moved += f"{middle} x {last} give (N, C, H, W) and say {as_image}"
    if _channels_last(shape):
        return layout, [moved]
    if first == middle and last < first:
        return replace(layout, moves=True), [moved]
    if middle == last or first < min(middle, last):
        frames = f"for {first} steps of one frame each say {as_series}"
        return layout, [f"{key} is read as images of {first} channels, {middle} x {last}; {frames}"]
    raise InputError(
        f"{source} has samples of shape {shape}, in which no axis looks like channels: say {as_image} for "
        f"{first} channels of {middle} x {last}, move them first where they are last (np.moveaxis(x, -1, 1)), or say "
        f"{as_series} for {first} steps of {middle} x {last} values."
    )


def _is_gray(train: np.ndarray) -> bool:
    """Whether whole numbers (N, a, b) are pixels: more than flags or small counts, and sides of a similar size."""
    sides = train.shape[1:]
    if train.dtype.kind not in "iu" or min(sides) < _SIDE or max(sides) > 4 * min(sides) or not len(train):
        return False
    extremes = [(int(piece.min()), int(piece.max())) for _, piece in pieces(train)]
    least, greatest = min(low for low, _ in extremes), max(high for _, high in extremes)
    return least >= 0 and (1 if train.dtype == np.uint8 else 127) < greatest <= 255


def _refuse_swapped(train: np.ndarray, key: str, source: str) -> None:
    """Refuse few steps of very many features whose neighbours are as similar as those in time; the error names both."""
    steps, features = shape = train.shape[1:]
    if features >= _SWAPPED and features >= 8 * steps and _similarity(train) > _SIMILAR:
        raise InputError(
            f"{source} has samples of shape {shape}, whose neighbours along the last axis are alike as they "
            f"are in time: swap the axes to (N, {features}, {steps}) for {_x(shape, 'signals', 'steps')} "
            f"(np.swapaxes(x, 1, 2)), or say {kind_option(key, 'timeseries')} for {_x(shape, 'steps', 'features')}."
        )


def _similarity(train: np.ndarray) -> float:
    """Correlation of neighbours along the last axis of ``(N, a, b)``, once what all samples share is taken away."""
    values = np.asarray(train[:_SAMPLES], dtype=np.float64)
    if len(values) > 1:
        values = values - values.mean(axis=0)
    values = values - values.mean(axis=-1, keepdims=True)
    before, after = values[..., :-1], values[..., 1:]
    norm = np.sqrt((before**2).sum() * (after**2).sum())
    return float((before * after).sum() / norm) if norm > 0 else 0.0


def _x(shape: tuple[int, ...], *names: str) -> str:
    if not names:
        return " x ".join(map(str, shape))
    counts = [f"{n} {name.removesuffix('s') if n == 1 else name}" for n, name in zip(shape, names, strict=True)]
    return " of ".join(counts)


def _sides(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))
