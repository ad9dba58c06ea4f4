"""Which axis of an array is what: recognised where its shape tells, said where it may be another, else asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coral_plugin.data.layouts import CHANNELS, Layout, channels_last, layout_of
from coral_plugin.data.modality import Kind
from coral_plugin.errors import InputError

_LONG = 1000  # values of a table from which it might be one signal
_SIDE = 8  # least side of a gray image
_STEPS = 100  # least number of "features" that might be steps
_ASKED = 500  # from which a series is refused that looks like one with its axes swapped
_ALIKE = 0.5  # correlation of neighbours from which an axis looks like time
_SAMPLES = 64  # that are looked at


def recognise(train: np.ndarray, key: str, *, kind: Kind | None, timed: bool, where: str) -> tuple[Layout, list[str]]:
    """How samples of ``train`` (N, ...) are read, and what is said of it.

    Args:
        train: Values of the samples of train that have the modality.
        key: Name of the modality.
        kind: What it is, where the user says so: then nothing is guessed.
        timed: Whether lengths are given: then it is (N, T, d).
        where: Name of the array, for messages.

    Raises:
        InputError: a shape that no kind fits, or one that has two likely readings; the message has the remedies.
    """
    shape = train.shape[1:]
    if kind is not None or (timed and len(shape) == 2):
        return layout_of(key, shape, kind=kind or "sequence"), []
    if len(shape) == 1:
        return layout_of(key, shape, kind="tabular"), doubts(train, key)
    if len(shape) == 2:
        if _is_gray(train):
            told = f"{key} is read as gray images of {_x(shape)}; for series of {_x(shape, 'steps', 'features')}, say "
            return layout_of(key, shape, kind="image"), [told + say(key, "timeseries")]
        _refuse_swapped(train, key, where)
        return layout_of(key, shape, kind="sequence"), doubts(train, key)
    if len(shape) == 3:
        return _image(key, shape, where)
    raise InputError(
        f"{where} has shape {train.shape}; give (N, d) tabular, (N, T, d) series or (N, C, H, W) images, or say "
        f"{say(key, 'timeseries')} for steps in the second place."
    )


def doubts(train: np.ndarray, key: str) -> list[str]:
    """What is said of tables and series ``(N, ...)`` that might be something else."""
    shape = train.shape[1:]
    if len(shape) == 1 and shape[0] >= _LONG:
        read = f"{key} is read as a table of {shape[0]} features; for one signal of {shape[0]} steps give "
        return [f"{read}(N, {shape[0]}, 1) or say {say(key, 'timeseries')}"]
    if len(shape) != 2:
        return []
    steps, features = shape
    read = f"{key} is read as series of {_x(shape, 'steps', 'features')}"
    if features >= _STEPS and (features >= 16 * steps or (features >= 4 * steps and _alike(train) > _ALIKE)):
        return [f"{read}; for {_x(shape, 'signals', 'steps')} swap the axes to (N, {features}, {steps})"]
    similar = min(shape) >= 2 * _SIDE and max(shape) <= 2 * min(shape)
    if (steps == features >= _SIDE) or (similar and min(_alike(train), _alike(train.swapaxes(1, 2))) > _ALIKE):
        return [f"{read}; for gray images say {say(key, 'image')}"]
    return []


def say(key: str, kind: Kind) -> str:
    """How a user says that a modality is of a kind.

    >>> say("door", "image")
    "kinds={'door': 'image'} (--kind door=image)"
    """
    return f"kinds={{{key!r}: {kind!r}}} (--kind {key}={kind})"


def fitted(array: np.ndarray, ours: tuple[int, ...], kind: Kind) -> np.ndarray:
    """New samples ``(N, ...)`` in the shape ``ours`` of a modality, where they are laid out as train may have been.

    Images may have their channels last, gray ones no channel, single signals no feature axis; series may have another
    number of steps. What fits in no such way is returned as it is.
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


def _image(key: str, shape: tuple[int, ...], where: str) -> tuple[Layout, list[str]]:
    """(C, H, W), or (H, W, C) where that is what the sides tell."""
    first, middle, last = shape
    layout = layout_of(key, shape, kind="image")
    if first in CHANNELS:
        return layout, []
    moved = f"{key} is read as images with their channels last: {last} of {first} x {middle}; for {first} channels of "
    moved += f"{middle} x {last} give (N, C, H, W) and say {say(key, 'image')}"
    if channels_last(shape):
        return layout, [moved]
    if first == middle and last < first:
        return replace(layout, moves=True), [moved]
    if middle == last or first < min(middle, last):
        frames = f"for {first} steps of one frame each say {say(key, 'timeseries')}"
        return layout, [f"{key} is read as images of {first} channels, {middle} x {last}; {frames}"]
    raise InputError(
        f"{where} has samples of shape {shape}, in which no axis looks like channels: say {say(key, 'image')} for "
        f"{first} channels of {middle} x {last}, move them first where they are last (np.moveaxis(x, -1, 1)), or say "
        f"{say(key, 'timeseries')} for {first} steps of {middle} x {last} values."
    )


def _is_gray(train: np.ndarray) -> bool:
    """Whether whole numbers (N, a, b) are pixels: more than flags or small counts, and sides of a similar size."""
    sides = train.shape[1:]
    if train.dtype.kind not in "iu" or min(sides) < _SIDE or max(sides) > 4 * min(sides) or not len(train):
        return False
    least, greatest = int(train.min()), int(train.max())
    return least >= 0 and (1 if train.dtype == np.uint8 else 127) < greatest <= 255


def _refuse_swapped(train: np.ndarray, key: str, where: str) -> None:
    """Refuse few steps of very many features that are as alike as neighbours in time are.

    Raises:
        InputError: with both readings.
    """
    steps, features = train.shape[1:]
    if features >= _ASKED and features >= 8 * steps and _alike(train) > _ALIKE:
        raise InputError(
            f"{where} has samples of shape {(steps, features)}, whose neighbours along the last axis are alike as they "
            f"are in time: swap the axes to (N, {features}, {steps}) for {_x((steps, features), 'signals', 'steps')} "
            f"(np.swapaxes(x, 1, 2)), or say {say(key, 'timeseries')} for {_x((steps, features), 'steps', 'features')}."
        )


def _alike(train: np.ndarray) -> float:
    """Correlation of neighbours along the last axis of ``(N, a, b)``, once what all samples share is taken away."""
    values = np.asarray(train[:_SAMPLES], dtype=np.float64)
    if len(values) > 1:
        values = values - values.mean(axis=0)
    values = values - values.mean(axis=-1, keepdims=True)
    here, there = values[..., :-1], values[..., 1:]
    norm = np.sqrt((here**2).sum() * (there**2).sum())
    return float((here * there).sum() / norm) if norm > 0 else 0.0


def _x(shape: tuple[int, ...], *names: str) -> str:
    if not names:
        return " x ".join(map(str, shape))
    told = [f"{n} {name.removesuffix('s') if n == 1 else name}" for n, name in zip(shape, names, strict=True)]
    return " of ".join(told)
