"""Augmented views of multimodal batches."""

from coral_plugin.augmentations.base import (
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    Augmentation,
    Range,
    augmentation,
    names_for,
)
from coral_plugin.augmentations.pipeline import Augmenter, CustomFunction, build_augmenter

__all__ = [
    "NOT_NEGATIVE",
    "POSITIVE",
    "SHARE",
    "Augmentation",
    "Augmenter",
    "CustomFunction",
    "Range",
    "augmentation",
    "build_augmenter",
    "names_for",
]
