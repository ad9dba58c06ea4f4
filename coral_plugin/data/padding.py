"""Padding: the mask of the steps of a padded batch, and which rows of zeros count as padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from coral_plugin.io.mapped import pieces

# Share of train's samples from which rows of zeros at their ends are padding. Padded series nearly all differ from the
# longest one; a sensor that reads zero at its last step does so in few samples. Padding that is taken for values costs
# little where it is that rare, values that are taken for padding cost the encoder of a fixed-length series.
PADDED_SHARE = 0.05


def valid_steps(values: Tensor | np.ndarray, lengths: Tensor) -> Tensor:
    """``(B, T)`` of bool, True for the steps of ``values`` (B, T, ...) below ``lengths`` (B,); the others are padding.

    >>> valid_steps(torch.zeros(2, 3, 1), torch.tensor([1, 3])).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    return torch.arange(values.shape[1], device=lengths.device) < lengths.unsqueeze(1)


def padding_of(values: np.ndarray, lengths: np.ndarray | None) -> np.ndarray | None:
    """``(N, T)`` of bool, True for the steps of ``values`` (N, T, ...) behind ``lengths`` (N,).

    None without lengths, and where they are none of these values: :func:`~coral_plugin.data.columns.checked_lengths`
    says why.
    """
    if lengths is None or values.ndim < 2 or lengths.shape != values.shape[:1] or lengths.dtype.kind not in "iu":
        return None
    return np.arange(values.shape[1]) >= lengths[:, None]


def blank_padding(values: np.ndarray, padding: np.ndarray) -> np.ndarray:
    """``values`` with zeros in their ``padding`` (N, T); as they are where a 32-bit float holds everything there.

    >>> series = np.array([[[1.0], [np.nan]], [[2.0], [3.0]]])
    >>> blank_padding(series, np.array([[False, True], [False, False]])).squeeze(2).tolist()
    [[1.0, 0.0], [2.0, 3.0]]
    """
    held = values[padding]
    with np.errstate(over="ignore"):
        finite = values.dtype.kind != "f" or np.isfinite(held.astype(np.float32)).all()
    if finite and not np.ma.is_masked(held):
        return values
    values = values.copy()
    if isinstance(values, np.ma.MaskedArray):
        values.soften_mask()
    values[padding] = 0
    return values


@dataclass(frozen=True)
class Series:
    """One modality of one split, of which no lengths are given.

    Attributes:
        values: ``(N, T, d)``.
        present: ``(N,)`` of bool, which samples have the modality; None where all have it.
    """

    values: np.ndarray
    present: np.ndarray | None = None


def trailing_lengths(values: np.ndarray) -> np.ndarray:
    """``(N,)`` steps of each series ``(N, T, d)`` up to the last that is not zero; one of zeros only keeps one.

    >>> trailing_lengths(np.array([[[0.0], [2.0], [0.0]], [[0.0], [0.0], [0.0]]])).tolist()
    [2, 1]
    """
    steps = np.arange(1, values.shape[1] + 1)
    ends = [((piece != 0).any(axis=2) * steps).max(axis=1) for _, piece in pieces(values)]
    return np.maximum(np.concatenate(ends), 1).astype(np.int64)


def is_padded(train: Series) -> bool:
    """Whether rows of zeros at the end are padding: where at least :data:`PADDED_SHARE` of train's samples have any."""
    short, total = _count_short(train)
    return short > 0 and short >= PADDED_SHARE * total


def padding_notes(
    name: str, splits: Mapping[str, Series], *, padded: bool, as_values: str, as_padding: str
) -> list[str]:
    """Notes on rows of zeros at either end of a series, with counts; none where there are none.

    Args:
        name: Name of the modality.
        splits: Series of the splits that have no lengths.
        padded: Whether the rows at the end were taken for padding.
        as_values: Advice for a user whose rows at the end are values.
        as_padding: Advice for a user whose rows at the end are padding.
    """
    notes = []
    for label, series in splits.items():
        short, total = _count_short(series)
        if short and padded and (label == "train" or "train" not in splits):
            notes.append(
                f"{name}: {short} of {total} samples of {label} end with rows of zeros, which are taken for padding; "
                f"where they are values, say {as_values}"
            )
        elif short and not padded:
            why = "too few to be padding" if label == "train" else "in train there is no padding"
            notes.append(
                f"{name}: {short} of {total} samples of {label} end with rows of zeros, which are values ({why}); "
                f"where they are padding, say {as_padding}"
            )
    if "train" in splits:
        train = splits["train"]
        flags = [~(piece[:, 0] != 0).any(axis=1) & (piece != 0).any(axis=(1, 2)) for _, piece in pieces(train.values)]
        silent, total = _count(train, np.concatenate(flags))
        if silent:
            notes.append(
                f"{name}: {silent} of {total} samples of train begin with rows of zeros, which are values; where they "
                "are padding, move them to the end"
            )
    return notes


def _count_short(series: Series) -> tuple[int, int]:
    """Number of samples that end with rows of zeros, and number of samples."""
    return _count(series, trailing_lengths(series.values) < series.values.shape[1])


def _count(series: Series, flags: np.ndarray) -> tuple[int, int]:
    present = flags if series.present is None else flags[series.present]
    return int(present.sum()), len(present)
