"""Features and targets of a probe: checked, standardised, stacked."""

from __future__ import annotations

import numpy as np

from coral_plugin.data.task import Task
from coral_plugin.errors import InputError

LabelledFeatures = tuple[np.ndarray, np.ndarray]
"""Features ``(N, d)`` and targets of N samples."""
Scaling = tuple[np.ndarray, np.ndarray]
"""Mean and standard deviation of each feature, ``(d,)``."""
_FARTHEST = 1e6
_COLUMNS = 256
_VALUES = 1 << 16


def check_features(split: LabelledFeatures, name: str, task: Task) -> LabelledFeatures:
    """Features of float32 or float64 and targets of the task's type.

    Raises:
        InputError: shapes that do not fit, values that are not finite, or targets that the task does not have.
    """
    x, y = np.asarray(split[0]), np.asarray(split[1])
    if x.ndim != 2 or not x.size or len(x) != len(y):
        raise InputError(f"The {name} split needs features (N, d) and N targets, got {x.shape} and {y.shape}.")
    x = x.astype(np.float32 if x.dtype in (np.float16, np.float32) else np.float64, copy=False)
    wrong = ~np.isfinite(x).all(axis=1)
    if wrong.any():
        raise InputError(
            f"The features of the {name} split are not finite in {wrong.sum()} of {len(x)} samples, "
            f"first in sample {int(wrong.argmax())}."
        )
    return x, check_targets(y, name, task)


def check_targets(y: np.ndarray, name: str, task: Task) -> np.ndarray:
    """Targets of the task's type.

    Raises:
        InputError: the task does not have such targets.
    """
    place = f"Task {task.name!r}, {name} split:"
    if not np.isfinite(y).all():
        raise InputError(f"{place} the targets are not all finite.")
    if task.kind == "regression":
        if y.ndim not in (1, 2):
            raise InputError(f"{place} numbers must be (N,) or (N, L), got {y.shape}.")
        return y.astype(np.float64)
    whole = y.astype(np.int64)
    if task.kind == "classification":
        if y.ndim != 1 or (whole != y).any() or whole.min() < 0 or whole.max() >= len(task.classes):
            raise InputError(f"{place} classes must be (N,) integers from 0 to {len(task.classes) - 1}.")
    elif y.ndim != 2 or y.shape[1] != len(task.classes) or ((y != 0) & (y != 1)).any():
        raise InputError(f"{place} labels must be 0 or 1 in (N, {len(task.classes)}), got {y.shape}.")
    return whole


def check_widths(train: LabelledFeatures, valid: LabelledFeatures | None, test: LabelledFeatures) -> None:
    """Refuse splits whose features or targets differ in shape.

    Raises:
        InputError: they do; the message lists the shapes.
    """
    splits = {"train": train, "valid": valid, "test": test}
    shapes = {name: [array.shape[1:] for array in split] for name, split in splits.items() if split is not None}
    if any(shape != shapes["train"] for shape in shapes.values()):
        listed = "; ".join(f"{name} {features} and {targets}" for name, (features, targets) in shapes.items())
        raise InputError(f"Features and targets of a sample must have one shape in every split, got {listed}.")


def scaling_of(features: np.ndarray) -> Scaling:
    """Mean and standard deviation of each column ``(N, d)``; infinite where it is constant, so that it becomes 0."""
    blocks = [features[:, start : start + _COLUMNS] for start in range(0, features.shape[1], _COLUMNS)]
    mean = np.concatenate([block.mean(axis=0, dtype=np.float64) for block in blocks])
    scale = np.concatenate([block.std(axis=0, dtype=np.float64) for block in blocks])
    # the rounding noise of a constant must not become a feature
    constant = scale <= 10 * np.finfo(features.dtype).eps * np.abs(mean)
    scale[constant | (scale == 0)] = np.inf
    return mean, scale


def scaled(features: np.ndarray, scaling: Scaling | None) -> np.ndarray:
    """``features`` standardised by ``scaling`` and clipped at a million; unchanged where it is None.

    None of the samples that the scaling is from lies so far off. Others do in columns that are all but constant there,
    and would not be finite.
    """
    if scaling is None:
        return features
    mean, scale = scaling
    result = np.empty_like(features)
    # few samples at a time: what is computed in float64 stays in the cache
    size = max(1, _VALUES // features.shape[1])
    for start in range(0, len(features), size):
        rows = slice(start, start + size)
        result[rows] = ((features[rows] - mean) / scale).clip(-_FARTHEST, _FARTHEST)
    return result


def stack_samples(first: LabelledFeatures, second: LabelledFeatures) -> LabelledFeatures:
    """The samples of both, one after the other."""
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])
