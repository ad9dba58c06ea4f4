"""Sequences with clocks of their own, aligned to the steps of one of them."""

from __future__ import annotations

from typing import Literal

import numpy as np

# mmsdk's: what overlaps by less does not overlap
EPSILON = 1e-5
Pooling = Literal["mean", "weighted", "max", "sum", "first", "last"]


def overlapping(intervals: np.ndarray, start: float, stop: float) -> np.ndarray:
    """Indices of the intervals that share more than :data:`EPSILON` seconds with ``start`` to ``stop``.

    Args:
        intervals: ``(n, 2)`` in the order of their begin; they may overlap each other.
        start: Begin in seconds.
        stop: End in seconds.
    """
    reach = np.maximum.accumulate(intervals[:, 1])
    first = int(np.searchsorted(reach, start, side="right"))
    last = int(np.searchsorted(intervals[:, 0], stop, side="left"))
    rows = np.arange(first, max(first, last))
    shared = np.minimum(intervals[rows, 1], stop) - np.maximum(intervals[rows, 0], start)
    return rows[shared > EPSILON]


def pool(intervals: np.ndarray, features: np.ndarray, steps: np.ndarray, how: Pooling) -> tuple[np.ndarray, np.ndarray]:
    """Features on other steps: for each step the pooled features of all intervals that overlap it.

    Args:
        intervals: ``(n, 2)`` of the features, in the order of their begin.
        features: ``(n, d)``.
        steps: ``(m, 2)``.
        how: Pooling: ``mean``, ``weighted`` by the common time, ``max``, ``sum``, ``first`` or ``last``.

    Returns:
        ``(m, d)`` with zeros where nothing overlaps, and ``(m,)`` of bool, where something does.
    """
    pooled = np.zeros((len(steps), features.shape[1]))
    present = np.zeros(len(steps), dtype=bool)
    for row, (start, stop) in enumerate(steps):
        rows = overlapping(intervals, start, stop)
        if len(rows):
            present[row] = True
            shared = np.minimum(intervals[rows, 1], stop) - np.maximum(intervals[rows, 0], start)
            pooled[row] = _pooled(features[rows], shared, how)
    return pooled, present


def _pooled(features: np.ndarray, shared: np.ndarray, how: Pooling) -> np.ndarray:
    if how == "weighted":
        weighted: np.ndarray = shared @ features / shared.sum()
        return weighted
    if how in ("first", "last"):
        return features[0 if how == "first" else -1]
    pooled: np.ndarray = {"mean": np.mean, "max": np.max, "sum": np.sum}[how](features, axis=0)  # type: ignore[operator]
    return pooled
