"""Rows of data frames: inputs of one split whose indices name other samples, or another order of them, are refused."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from coral_plugin.data.values import is_pandas
from coral_plugin.errors import InputError, short


def require_same_rows(inputs: Mapping[str, Any], prefix: str, name: str) -> None:
    """Refuse data frames and series of one split that do not have the same rows by their index.

    Samples are paired by position. Arrays have no index, and an index 0, 1, ..., N - 1 names no samples, so both go
    with any other, unless the other is a permutation of 0, 1, ..., N - 1. Unequal numbers of rows are not looked at.

    Args:
        inputs: ``{modality, "labels", "<modality>/length" or "<modality>/present": values as they were given}``.
        prefix: ``train/``, or nothing for a single split.
        name: Name of the data set, for messages.

    Raises:
        InputError: the same rows in another order, or other rows.

    Example:
        >>> import pandas as pd
        >>> left = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=["ann", "bob", "cem"])
        >>> require_same_rows({"left": left, "right": left * 2}, "train/", "arrays")
        >>> require_same_rows({"left": left, "right": left[::-1]}, "train/", "arrays")
        Traceback (most recent call last):
        ...
        coral_plugin.errors.InputError: arrays: train/right has its rows in another order than train/left (by the \
index): give right.loc[left.index], or reset_index(drop=True) on both where position is what counts.
    """
    indices = {
        key: value.index for key, value in inputs.items() if is_pandas(value, "DataFrame") or is_pandas(value, "Series")
    }
    for (first, one), (second, other) in combinations(indices.items(), 2):
        labels, others = _labels(one), _labels(other)
        # equals() alone tells one moment in two time zones apart
        if len(one) != len(other) or one.equals(other) or labels == others:
            continue
        by_position = "reset_index(drop=True) on both where position is what counts"
        if Counter(labels) == Counter(others):
            picked = f"give {second.rpartition('/')[2]}.loc[{first.rpartition('/')[2]}.index]"
            remedy = picked if one.is_unique else "sort both alike"
            raise InputError(
                f"{name}: {prefix}{second} has its rows in another order than {prefix}{first} (by the index): "
                f"{remedy}, or {by_position}."
            )
        if not _is_default(one) and not _is_default(other):
            at = next(row for row, pair in enumerate(zip(labels, others, strict=True)) if pair[0] != pair[1])
            raise InputError(
                f"{name}: {prefix}{second} has other rows than {prefix}{first} (by the index; row {at} is "
                f"{short(str(other[at]))} and {short(str(one[at]))}): give both the same rows, or {by_position}."
            )


def _labels(index: Any) -> list[Any]:
    """The labels of an index, None where one is missing: pandas compares what is missing with nothing."""
    missing = sys.modules["pandas"].isna
    return [
        tuple(None if missing(part) else part for part in label)
        if isinstance(label, tuple)
        else (None if missing(label) else label)
        for label in index
    ]


def _is_default(index: Any) -> bool:
    """Whether an index merely counts the rows from 0 on."""
    return bool(index.equals(sys.modules["pandas"].RangeIndex(len(index))))
