"""Scale: values in another unit or scale than those of train are noted or refused, never silently read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data.columns import ModalityColumn
from coral_plugin.data.modality import Modality, lost_digits
from coral_plugin.data.split import Split
from coral_plugin.data.stored import StoredValues
from coral_plugin.errors import InputError

FAR = 100.0  # standard deviations of train
_CHUNK = 1024  # samples that are looked at together


def with_bounds(modality: Modality, bounds: tuple[float, float]) -> Modality:
    """``modality`` with the least and the greatest value of train; those of images within [0, 1] are 0 and 1."""
    low, high = bounds
    if modality.kind == "image" and 0 <= low <= high <= 1:
        low, high = 0.0, 1.0
    return replace(modality, bounds=(low, high))


def refuse_other_scale(array: np.ndarray | Tensor, modality: Modality, source: str) -> None:
    """Refuse images (N, C, H, W) of another scale than those of the training: floats to 255 for a run on [0, 1].

    Whole numbers are pixels from 0 to 255, which are read as [0, 1].

    Raises:
        InputError: floats further outside the bounds of train than these are apart; pixels for a run on other floats.
    """
    # channels that are held relative to their mean have no scale in common
    if modality.kind != "image" or modality.bounds is None or modality.offset is not None or not len(array):
        return
    low, high = modality.bounds
    trained = f"the run was trained on images of values from {low:.4g} to {high:.4g}"
    if not (array.is_floating_point() if isinstance(array, Tensor) else array.dtype.kind == "f"):
        if not 0 <= low <= high <= 1:
            raise InputError(f"{source} holds whole numbers, which are read as pixels in [0, 1], but {trained}.")
        return
    room = high - low
    if array.min() < low - room or array.max() > high + room:
        how = "give bytes (uint8), or divide by 255" if (low, high) == (0.0, 1.0) else "give them in that scale"
        raise InputError(f"{source} holds floats from {array.min():.4g} to {array.max():.4g}, but {trained}; {how}.")


def refuse_lost_digits(kind: str, modality: Modality) -> None:
    """Refuse floats of fewer than 64 bits for a modality whose features are held relative to their mean in train.

    Args:
        kind: Name of the values' type, as ``float32``.
        modality: Modality of the run.

    Raises:
        InputError: the values have lost the digits that the mean is there for.
    """
    if any(modality.offset or ()) and kind in ("float32", "float16", "bfloat16"):
        raise lost_digits(modality.name, kind)


def image_notes(modalities: Iterable[Modality]) -> list[str]:
    """Notes on images of floats whose bounds leave [0, 1], one line each."""
    return [
        f"image {modality.name} holds floats from {modality.bounds[0]:.3g} to {modality.bounds[1]:.3g}: augmentations "
        "see them as shares of that range, 0 to 1"
        for modality in modalities
        if modality.kind == "image" and modality.bounds and not 0 <= modality.bounds[0] <= modality.bounds[1] <= 1
    ]


def far_values(split: Split, modalities: Sequence[Modality]) -> list[str]:
    """Notes on modalities with values that lie far from those of train, one line each.

    A value counts if it lies more than :data:`FAR` standard deviations (without statistics: half widths of the bounds)
    from the mean of its feature in train, and outside the bounds of train. Images whose values all lie within a
    :data:`FAR`-th of the range of train are of another scale, too: [0, 1] for a run on floats to 255.
    """
    notes = []
    for modality in modalities:
        if narrow := _narrow(modality, split.columns[modality.name]):
            notes.append(narrow)
        if (farthest := _farthest(modality, split.columns[modality.name])) is not None:
            samples, feature, value = farthest
            mean, std = (numbers[feature] for numbers in _scale(modality))
            notes.append(
                f"{modality.name}: {samples} of {len(split)} samples hold values more than {FAR:.0f} standard "
                f"deviations from the mean of train (feature {modality.feature(feature)}: {value:.4g}, in train "
                f"{mean:.4g} +- {std:.4g}); another unit or scale?"
            )
    return notes


def _farthest(modality: Modality, column: ModalityColumn) -> tuple[int, int, float] | None:
    """Number of samples with values far from train, and feature and value of the farthest; None without any."""
    mean, std = (torch.tensor(numbers, dtype=torch.float64) for numbers in _scale(modality))
    if modality.mean is not None:
        mean, std = (numbers.flatten() for numbers in modality.mean_and_std(mean))
    samples: set[int] = set()
    most, place = FAR, (0, 0.0)
    for index, values in valid_values(modality, column):
        away = (values.double() - mean).abs() / std
        if modality.bounds is not None:
            away[(values >= modality.bounds[0]) & (values <= modality.bounds[1])] = 0
        samples.update(index[(away > FAR).any(dim=1)].tolist())
        if float(away.max()) > most:
            most = float(away.max())
            row, feature = divmod(int(away.argmax()), away.shape[1])
            place = feature, modality.measured(float(values[row, feature]), feature)
    return (len(samples), *place) if samples else None


def _narrow(modality: Modality, column: ModalityColumn) -> str | None:
    """The note on images that vary far less than those of train; None for others, and for images of one value."""
    if modality.kind != "image" or modality.bounds is None or modality.offset is not None:
        return None
    low, high = extremes(modality, column)
    least, greatest = modality.bounds
    if not 0 < FAR * (high - low) < greatest - least:
        return None
    return (
        f"{modality.name}: all values lie from {low:.4g} to {high:.4g}, in train from {least:.4g} to {greatest:.4g}; "
        "another scale?"
    )


def extremes(modality: Modality, column: ModalityColumn) -> tuple[float, float]:
    """Least and greatest valid value; 0 and 0 without any."""
    extremes = [torch.aminmax(values) for _, values in valid_values(modality, column)]
    low = min((float(pair.min) for pair in extremes), default=0.0)
    return low, max((float(pair.max) for pair in extremes), default=0.0)


def _scale(modality: Modality) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each feature in train; without statistics middle and half width of the bounds."""
    if modality.mean is not None and modality.std is not None:
        return modality.mean, modality.std
    low, high = modality.bounds or (-np.inf, np.inf)
    middle, half = ((low + high) / 2, (high - low) / 2) if modality.bounds else (0.0, np.inf)
    return (middle,) * modality.features, (half or 1.0,) * modality.features


def valid_values(modality: Modality, column: ModalityColumn) -> Iterator[tuple[Tensor, Tensor]]:
    """Sample index (n,) and values (n, features) of what is neither padding nor missing, in pieces."""
    chunk = column.values.chunk(_CHUNK) if isinstance(column.values, StoredValues) else _CHUNK
    present = column.presence().nonzero().squeeze(1)
    for index in present.split(chunk) if len(present) else ():  # torch splits nothing into one piece of nothing
        values, padding = column.take(index)
        rows = index
        if modality.kind == "image":
            values = values.movedim(1, -1)
        if values.ndim > 2:
            rows = index.view(-1, *[1] * (values.ndim - 2)).expand(values.shape[:-1])
        if padding is not None:
            values, rows = values[~padding], rows[~padding]
        if values.numel():
            yield rows.reshape(-1), values.reshape(-1, values.shape[-1])
